//! `start`.

use client::Request;
use serde_json::Value;

use super::attach::{self, Joining};
use super::{container_path, each, run};
use crate::args::container::Start;
use crate::failure::Failure;
use crate::output;
use crate::output::field::{flag, text};
use crate::session::Session;
use crate::terminal::raw::Raw;
use crate::terminal::stdin_is_terminal;
use crate::terminal::streams::{self, End};

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Start) -> Result<(), Failure> {
    if raw.attach || raw.interactive {
        return match raw.containers.as_slice() {
            [container] => attached(session, raw, container).await,
            _ => Err(Failure::message(
                "you cannot start and attach multiple containers at once",
            )),
        };
    }
    let outcome = each(&raw.containers, async |name| {
        session
            .client
            .send(Request::post(container_path(name, "/start")?))
            .await?;
        Ok(name.to_owned())
    })
    .await;
    if matches!(outcome, Err(Failure::Exit(_))) {
        output::warn(&format!(
            "Error: failed to start containers: {}",
            raw.containers.join(", ")
        ));
    }
    outcome
}

async fn attached(session: &Session, raw: &Start, container: &str) -> Result<(), Failure> {
    let path = |rest: &str| container_path(container, rest);
    let found: Value = session
        .client
        .send(Request::get(path("/json")?))
        .await?
        .json()
        .await?;
    let id = text(&found, "Id");
    let joining = Joining {
        tty: flag(&found, "/Config/Tty"),
        stdin: raw.interactive && flag(&found, "/Config/OpenStdin"),
        stdout: true,
        stderr: true,
        keys: attach::detach_keys(session, raw.detach_keys.as_deref())?,
    };
    let connection = attach::connect(session, id, &joining).await?;
    let condition = if flag(&found, "/HostConfig/AutoRemove") {
        "removed"
    } else {
        "next-exit"
    };
    let waiting = session
        .client
        .send(Request::post(path("/wait")?).query("condition", condition))
        .await?;
    let raw_mode = if joining.tty && joining.stdin && stdin_is_terminal() {
        Some(Raw::enter()?)
    } else {
        None
    };
    session.client.send(Request::post(path("/start")?)).await?;
    let joined = joining.joined();
    let work = async {
        match streams::join(connection, joined).await? {
            End::Detached => Ok(None),
            End::Output => run::ended(waiting).await.map(Some),
        }
    };
    let outcome = run::accompanied(session, id, true, joining.tty, work).await;
    drop(raw_mode);
    run::conclude(outcome?)
}
