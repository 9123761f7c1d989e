//! The program that stays beside one container. What it does is in `runtime`; here is only which of its two roles it
//! was started for: the shim, or the small init that it puts into a container which asks for one.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let code = if arguments.next().as_deref() == Some(runtime::tiny_init::NAME) {
        // After the name comes `--`, as with Docker's.
        runtime::tiny_init::run(&arguments.skip(1).collect::<Vec<_>>())
    } else {
        runtime::shim::run()
    };
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
