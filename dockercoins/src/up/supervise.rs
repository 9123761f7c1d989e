//! One child process: started, restarted when it dies, stopped when that is wished. It must never give up
//! on a child, and never restart one faster than a person can read why.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use super::output::pass_on;
use crate::failure::Failure;
use crate::log::Log;
use crate::stop::Stop;

/// After the first death in a row; doubled with each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A child that lived so long did not die in a row with the one before.
const GOOD_LIFE: Duration = Duration::from_secs(10);
/// How long a child may take to end by itself, as Docker gives it.
const GRACE: Duration = Duration::from_secs(10);

/// Keeps a child running until stopping is wished.
pub(super) async fn supervise(
    command: Command,
    name: String,
    prefix: String,
    log: Log,
    stop: Stop,
) {
    let mut command = tokio::process::Command::from(command);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        // A Ctrl-C at the terminal is `up`'s to pass on, in the right order.
        .process_group(0);
    let mut pause = FIRST_PAUSE;
    while !stop.is_wished() {
        let began = Instant::now();
        let end = match command.spawn() {
            Ok(child) => run_child(child, &prefix, &log, &stop).await,
            Err(source) => {
                let program = command.as_std().get_program().into();
                crate::failure::with_causes(&Failure::Spawn { program, source })
            }
        };
        if stop.is_wished() {
            break;
        }
        if began.elapsed() >= GOOD_LIFE {
            pause = FIRST_PAUSE;
        }
        log.line(format!(
            "{prefix}{name} {end}; starting it again in {} s",
            pause.as_secs_f64()
        ));
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.wished() => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Waits for the child's end, or ends it; says how it ended.
async fn run_child(mut child: Child, prefix: &str, log: &Log, stop: &Stop) -> String {
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    let pass_on_all = async {
        let out = async {
            if let Some(from) = stdout {
                pass_on(from, prefix.to_owned(), log.clone()).await;
            }
        };
        let err = async {
            if let Some(from) = stderr {
                pass_on(from, prefix.to_owned(), log.clone()).await;
            }
        };
        tokio::join!(out, err);
    };
    let wait = async {
        tokio::select! {
            status = child.wait() => status,
            () = stop.wished() => end(&mut child).await,
        }
    };
    let (status, ()) = tokio::join!(wait, pass_on_all);
    status.map_or_else(|error| format!("cannot be waited for: {error}"), describe)
}

/// Asks the child to end, and ends it if it doesn't.
async fn end(child: &mut Child) -> std::io::Result<ExitStatus> {
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // The child is not waited for yet, so the number is still its own.
        kill_process(pid, Signal::TERM).ok();
    }
    if let Ok(status) = timeout(GRACE, child.wait()).await {
        return status;
    }
    child.start_kill()?;
    child.wait().await
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(9), _) => "was killed (SIGKILL)".to_owned(),
        (Some(signal), _) => format!("was ended by signal {signal}"),
        (None, Some(code)) => format!("exited with code {code}"),
        (None, None) => "ended".to_owned(),
    }
}
