//! `exec`: a further process in a running container.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use client::{Error, Request, encode_component};
use model::api::IdAnswer;
use model::api::exec::{Create, Inspect, Start};

use super::attach::{self, Joining};
use super::{container_path, run};
use crate::args::container::Exec;
use crate::failure::{Failure, OUR_ERROR, with_causes};
use crate::output;
use crate::request::create::{Surroundings, environment_of};
use crate::session::Session;
use crate::terminal::raw::Raw;
use crate::terminal::streams::{self, End};
use crate::terminal::{self, signals, stdin_is_terminal, stdout_is_terminal};

/// How often and how long it is waited for a process to end whose output has ended: it may also just have closed
/// it, and goes on.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(25);

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Exec) -> Result<(), Failure> {
    let (container, command) = raw
        .container_and_command
        .split_first()
        .ok_or_else(|| Failure::message("no container is named"))?;
    if !raw.detach && raw.tty && raw.interactive && !stdin_is_terminal() {
        return Err(Failure::message("the input device is not a TTY"));
    }
    let joining = Joining {
        tty: raw.tty,
        stdin: raw.interactive && !raw.detach,
        stdout: !raw.detach,
        stderr: !raw.detach,
        keys: attach::detach_keys(session, raw.detach_keys.as_deref())?,
    };
    let console_size = terminal::size()
        .filter(|_| raw.tty)
        .map(|(rows, columns)| [rows, columns]);
    let create = Create {
        user: raw.user.clone().unwrap_or_default(),
        privileged: raw.privileged,
        tty: raw.tty,
        console_size,
        attach_stdin: joining.stdin,
        attach_stderr: joining.stderr,
        attach_stdout: joining.stdout,
        detach: raw.detach,
        env: Some(environment(raw)?).filter(|variables| !variables.is_empty()),
        working_dir: raw.workdir.clone().unwrap_or_default(),
        cmd: Some(command.to_vec().into()),
        ..Create::default()
    };
    let request = Request::post(container_path(container, "/exec")?).json(&create);
    let made: IdAnswer = session.client.send(request).await?.json().await?;
    let path = format!("/exec/{}", encode_component(&made.id));
    let start = Start {
        detach: raw.detach,
        tty: raw.tty,
        console_size,
    };
    let request = Request::post(format!("{path}/start")).json(&start);
    if raw.detach {
        session.client.send(request).await?;
        return Ok(());
    }
    join(session, &path, request, &joining).await
}

async fn join(
    session: &Session,
    path: &str,
    start: Request,
    joining: &Joining,
) -> Result<(), Failure> {
    let raw_mode = if joining.tty && joining.stdin {
        Some(Raw::enter()?)
    } else {
        None
    };
    let (connection, _) = session.client.hijack(start).await.map_err(not_started)?;
    let client = Arc::clone(&session.client);
    let resize = format!("{path}/resize");
    let follow = async {
        if joining.tty && stdout_is_terminal() {
            signals::follow_size(client, resize).await;
        }
        std::future::pending::<()>().await;
    };
    let end = async {
        if joining.tty {
            signals::asked_to_end().await
        } else {
            std::future::pending().await
        }
    };
    let outcome = tokio::select! {
        outcome = streams::join(connection, joining.joined()) => outcome,
        failure = end => Err(failure),
        () = follow => Err(Failure::Exit(1)),
    };
    drop(raw_mode);
    match outcome? {
        End::Detached => {
            output::warn("");
            Ok(())
        }
        End::Output => run::finish(exit_code(session, path).await?),
    }
}

/// A program that cannot be started has the code that a shell would give, from engines that say so at once
/// rather than in the stream.
fn not_started(error: Error) -> Failure {
    match run::code_of_start(&error.to_string()) {
        OUR_ERROR => error.into(),
        code => Failure::from(error).with_code(code),
    }
}

async fn exit_code(session: &Session, path: &str) -> Result<i64, Failure> {
    for _ in 0..LOOKS {
        let found: Inspect = session
            .client
            .send(Request::get(format!("{path}/json")))
            .await?
            .json()
            .await?;
        if !found.running {
            return Ok(found.exit_code.unwrap_or_default());
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Ok(0)
}

fn environment(raw: &Exec) -> Result<Vec<String>, Failure> {
    let around = Surroundings {
        variable: &|name| std::env::var(name).ok(),
        read: &|path| {
            fs::read_to_string(path)
                .map_err(|error| format!("open {path}: {}", with_causes(&error)))
        },
        folder: std::path::Path::new("/"),
        console: None,
    };
    environment_of(&raw.env_file, &raw.env, &around).map_err(Failure::message)
}
