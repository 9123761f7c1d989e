//! A seccomp profile in Docker's JSON.
#![no_main]

use runtime::capability::Capabilities;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(program) = runtime::seccomp::profile(text, Capabilities::default()) {
        // The kernel takes instructions of eight bytes, and no more than 4096 of them.
        assert!(program.len() % 8 == 0 && program.len() <= 4096 * 8);
    }
});
