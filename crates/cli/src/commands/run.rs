//! `run`: make a container, join its streams, start it, wait for its end.

use std::sync::Arc;
use std::time::Duration;

use client::{Answer, Error, Request};
use model::api::container::{Config, Waited};

use super::attach::{self, Joining};
use super::{container_path, create};
use crate::args::create::Run;
use crate::failure::{Failure, OUR_ERROR};
use crate::output;
use crate::request::create::Stay;
use crate::session::Session;
use crate::terminal::raw::Raw;
use crate::terminal::streams::{self, End};
use crate::terminal::{signals, stdin_is_terminal, stdout_is_terminal};

/// How long the removal of a container that did not start is waited for: its name is to be free again.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Run) -> Result<(), Failure> {
    let failed = |failure: Failure, code| failure.of_command(&session.program, "run", code);
    let stay = if raw.detach {
        Stay::Detached
    } else {
        Stay::Attached
    };
    let process = &raw.create.process;
    let input_wanted = process.interactive
        && (process.attach.is_empty() || process.attach.contains(&crate::value::Attachment::Stdin));
    if stay == Stay::Attached && process.tty && input_wanted && !stdin_is_terminal() {
        return Err(Failure::message("the input device is not a TTY").with_code(1));
    }
    let keys = attach::detach_keys(session, raw.detach_keys.as_deref())
        .map_err(|failure| failed(failure, OUR_ERROR))?;
    let (new, id) = create::make(session, &raw.create, stay)
        .await
        .map_err(|failure| failed(failure, OUR_ERROR))?;
    let attached = new.body.config.attach_stdin
        || new.body.config.attach_stdout
        || new.body.config.attach_stderr;
    if stay == Stay::Detached || !attached {
        start(session, &id)
            .await
            .map_err(|error| failed(error.0.into(), error.1))?;
        return output::print_line(&id);
    }
    foreground(session, raw, &new.body.config, &id, keys).await
}

async fn foreground(
    session: &Session,
    raw: &Run,
    config: &Config,
    id: &str,
    keys: Vec<u8>,
) -> Result<(), Failure> {
    let failed = |failure: Failure, code| failure.of_command(&session.program, "run", code);
    let joining = Joining {
        tty: config.tty,
        stdin: config.attach_stdin,
        stdout: config.attach_stdout,
        stderr: config.attach_stderr,
        keys,
    };
    let connection = attach::connect(session, id, &joining)
        .await
        .map_err(|failure| failed(failure, OUR_ERROR))?;
    // Asked before the start: a container may be gone as soon as it has ended.
    let condition = if raw.create.lifecycle.rm {
        "removed"
    } else {
        "next-exit"
    };
    let wait = Request::post(container_path(id, "/wait")?).query("condition", condition);
    let waiting = session
        .client
        .send(wait)
        .await
        .map_err(|error| failed(error.into(), OUR_ERROR))?;
    let mut raw_mode = None;
    if joining.tty && joining.stdin && stdin_is_terminal() {
        raw_mode = Some(Raw::enter()?);
    }
    if let Err((error, code)) = start(session, id).await {
        drop(raw_mode);
        if raw.create.lifecycle.rm {
            let _removed = tokio::time::timeout(REMOVAL_TIMEOUT, ended(waiting)).await;
        }
        return Err(failed(error.into(), code));
    }
    let joined = joining.joined();
    let work = async {
        match streams::join(connection, joined).await? {
            End::Detached => Ok(None),
            End::Output => ended(waiting).await.map(Some),
        }
    };
    let outcome = accompanied(session, id, raw.sig_proxy, joining.tty, work).await;
    drop(raw_mode);
    conclude(outcome?)
}

/// Does `work` while signals go to the container, or, where it has a terminal, its size is kept right.
pub(crate) async fn accompanied<T>(
    session: &Session,
    id: &str,
    sig_proxy: bool,
    tty: bool,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let client = Arc::clone(&session.client);
    if tty {
        let path = container_path(id, "/resize")?;
        let follow = async {
            if stdout_is_terminal() {
                signals::follow_size(client, path).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            outcome = work => outcome,
            failure = signals::asked_to_end() => Err(failure),
            () = follow => Err(Failure::Exit(1)),
        }
    } else if sig_proxy {
        tokio::select! {
            outcome = work => outcome,
            failure = signals::proxy(client, id.to_owned()) => Err(failure),
        }
    } else {
        work.await
    }
}

/// Starts a container. A program that cannot be started has the code that a shell would give.
async fn start(session: &Session, id: &str) -> Result<(), (Error, u8)> {
    let path = format!("/containers/{id}/start");
    match session.client.send(Request::post(path)).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let code = code_of_start(&error.to_string());
            Err((error, code))
        }
    }
}

/// The code for a start that failed: 127 where the program is not there, 126 where it cannot be run.
pub(crate) fn code_of_start(message: &str) -> u8 {
    let says = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    if says(&[
        "executable file not found",
        "no such file or directory",
        "system cannot find the file specified",
    ]) {
        127
    } else if says(&[
        "permission denied",
        "operation not permitted",
        "is a directory",
        "exec format error",
    ]) {
        126
    } else {
        OUR_ERROR
    }
}

/// The code that the container ended with.
pub(crate) async fn ended(waiting: Answer) -> Result<i64, Failure> {
    let waited: Waited = waiting.json().await?;
    match waited.error {
        Some(error) if !error.message.is_empty() => Err(Failure::message(format!(
            "Error waiting for container: {}",
            error.message
        ))
        .with_code(OUR_ERROR)),
        _ => Ok(waited.status_code),
    }
}

/// Ends as the container did, or well where the user left it: the shell's prompt then begins a line.
pub(crate) fn conclude(code: Option<i64>) -> Result<(), Failure> {
    if let Some(code) = code {
        return finish(code);
    }
    output::warn("");
    Ok(())
}

/// Ends as a process did.
pub(crate) fn finish(code: i64) -> Result<(), Failure> {
    match u8::try_from(code & 0xff) {
        Ok(0) | Err(_) => Ok(()),
        Ok(code) => Err(Failure::Exit(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::code_of_start;

    #[test]
    fn a_start_that_failed_has_the_code_of_a_shell() {
        assert_eq!(
            code_of_start("exec: \"x\": executable file not found in $PATH: unknown"),
            127
        );
        assert_eq!(
            code_of_start("exec: \"/x\": stat /x: no such file or directory"),
            127
        );
        assert_eq!(code_of_start("exec: \"/etc\": permission denied"), 126);
        assert_eq!(code_of_start("port is already allocated"), 125);
    }
}
