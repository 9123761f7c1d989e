//! A program started by a test, which ends with the test, also when the test is killed.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// Long enough for a start on a machine that runs every other test at once.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// Starts a program and waits until its output has a line with `ready` in it. Returns what follows `ready`
/// in that line, without a last period. The output is kept in `log`.
pub(crate) async fn start(
    program: &str,
    arguments: &[&str],
    log: &Path,
    ready: &str,
) -> (Child, String) {
    let output = std::fs::File::create(log).unwrap();
    // The kernel kills the program when the thread that started it ends, however it ends.
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--", program])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .kill_on_drop(true)
        .spawn()
        .expect("setpriv, of the package util-linux");
    let deadline = Instant::now() + START_DEADLINE;
    loop {
        let said = std::fs::read_to_string(log).unwrap();
        // Only whole lines: the last may be half written.
        let mut lines = said
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        if let Some((_, rest)) = lines.find_map(|line| line.split_once(ready)) {
            return (child, rest.trim().trim_end_matches('.').to_owned());
        }
        if let Some(status) = child.try_wait().unwrap() {
            panic!("{program} {arguments:?} ended with {status}:\n{said}");
        }
        assert!(
            Instant::now() < deadline,
            "{program} {arguments:?} is not ready:\n{said}"
        );
        sleep(Duration::from_millis(10)).await;
    }
}
