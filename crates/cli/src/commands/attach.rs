//! `attach`, and the joining of a container's streams that `run` and `start` share; `system dial-stdio`.

use client::{Hijacked, Request};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{container_path, run};
use crate::args::container::Attach;
use crate::failure::Failure;
use crate::output;
use crate::output::field::{flag, text};
use crate::session::Session;
use crate::terminal::detach;
use crate::terminal::raw::Raw;
use crate::terminal::streams::{self, End, Form, Joined};
use crate::terminal::{input, stdin_is_terminal};

/// What of a container is joined to ours.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the API's own flags, each of its own meaning"
)]
pub(crate) struct Joining {
    pub(crate) tty: bool,
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
    pub(crate) keys: Vec<u8>,
}

impl Joining {
    /// How the streams are copied.
    pub(crate) fn joined(&self) -> Joined {
        Joined {
            form: if self.tty {
                Form::Terminal
            } else {
                Form::Frames
            },
            detach_keys: if self.tty {
                self.keys.clone()
            } else {
                Vec::new()
            },
            stdin: self.stdin,
            stdout: self.stdout,
            stderr: self.stderr,
        }
    }
}

/// The keys that detach: of the flag, or the configuration, or Docker's.
pub(crate) fn detach_keys(session: &Session, flag: Option<&str>) -> Result<Vec<u8>, Failure> {
    let keys = flag
        .or_else(|| session.config.text("detachKeys"))
        .unwrap_or(detach::DEFAULT_KEYS);
    detach::parse(keys).map_err(Failure::message)
}

/// Joins the streams of a container that may not have started.
pub(crate) async fn connect(
    session: &Session,
    container: &str,
    joining: &Joining,
) -> Result<Hijacked, Failure> {
    let request = Request::post(container_path(container, "/attach")?)
        .query("stream", "1")
        .flag("stdin", joining.stdin)
        .flag("stdout", joining.stdout)
        .flag("stderr", joining.stderr);
    Ok(session.client.hijack(request).await?.0)
}

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Attach) -> Result<(), Failure> {
    let found: Value = session
        .client
        .send(Request::get(container_path(&raw.container, "/json")?))
        .await?
        .json()
        .await?;
    if !flag(&found, "/State/Running") {
        return Err(Failure::message(
            "You cannot attach to a stopped container, start it first",
        ));
    }
    if flag(&found, "/State/Paused") {
        return Err(Failure::message(
            "You cannot attach to a paused container, unpause it first",
        ));
    }
    if flag(&found, "/State/Restarting") {
        return Err(Failure::message(
            "You cannot attach to a restarting container, wait until it is running",
        ));
    }
    let id = text(&found, "Id");
    let joining = Joining {
        tty: flag(&found, "/Config/Tty"),
        stdin: !raw.no_stdin && flag(&found, "/Config/OpenStdin"),
        stdout: true,
        stderr: true,
        keys: detach_keys(session, raw.detach_keys.as_deref())?,
    };
    if joining.tty && joining.stdin && !stdin_is_terminal() {
        return Err(Failure::message("the input device is not a TTY"));
    }
    let waiting = session
        .client
        .send(Request::post(container_path(id, "/wait")?))
        .await?;
    let connection = connect(session, id, &joining).await?;
    let raw_mode = if joining.tty && joining.stdin {
        Some(Raw::enter()?)
    } else {
        None
    };
    let joined = joining.joined();
    let work = async {
        match streams::join(connection, joined).await? {
            End::Detached => Ok(None),
            End::Output => run::ended(waiting).await.map(Some),
        }
    };
    let outcome = run::accompanied(session, id, raw.sig_proxy, joining.tty, work).await;
    drop(raw_mode);
    run::conclude(outcome?)
}

/// Passes standard input and output on to the engine: what a client over `ssh` speaks to.
pub(crate) async fn dial_stdio(session: &Session) -> Result<(), Failure> {
    let connection = session.client.dial().await?;
    let (mut reader, mut writer) = tokio::io::split(connection);
    let upwards = async {
        let mut pieces = input::pieces();
        while let Some(Ok(piece)) = pieces.recv().await {
            if writer.write_all(&piece).await.is_err() {
                return;
            }
        }
        let _shut = writer.shutdown().await;
    };
    let downwards = async {
        let mut stdout = tokio::io::stdout();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = reader
                .read(&mut buffer)
                .await
                .map_err(|error| Failure::caused("reading from the engine", &error))?;
            if count == 0 {
                return Ok(());
            }
            let written = stdout.write_all(&buffer[..count]).await;
            written
                .and(stdout.flush().await)
                .map_err(|error| output::output_failed(&error))?;
        }
    };
    // The engine's end is the end; ours only says that no more comes.
    tokio::pin!(upwards, downwards);
    tokio::select! {
        ended = &mut downwards => ended,
        () = &mut upwards => downwards.await,
    }
}
