//! Signals: passed on to a container, told as a change of size, or the end of a command.

use std::sync::Arc;
use std::time::Duration;

use client::{Client, Request, encode_component};
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::failure::Failure;
use crate::output;

/// What is passed on. Signals that a shell uses to stop and continue stay ours.
const PROXIED: &[(Signal, &str)] = &[
    (Signal::HUP, "HUP"),
    (Signal::INT, "INT"),
    (Signal::QUIT, "QUIT"),
    (Signal::TERM, "TERM"),
    (Signal::USR1, "USR1"),
    (Signal::USR2, "USR2"),
    (Signal::ALARM, "ALRM"),
    (Signal::CONT, "CONT"),
];

/// How often somebody asks for the end before we stop waiting for the container to agree.
const PATIENCE: usize = 3;

/// Listens for signals and gives their names. From here on they do not end the program.
fn listen(signals: &[(Signal, &'static str)]) -> Result<mpsc::Receiver<&'static str>, Failure> {
    let (sender, receiver) = mpsc::channel(16);
    for &(number, name) in signals {
        let mut source = signal(SignalKind::from_raw(number.as_raw()))
            .map_err(|error| Failure::caused("listening for signals", &error))?;
        let sender = sender.clone();
        drop(tokio::spawn(async move {
            while source.recv().await.is_some() {
                if sender.send(name).await.is_err() {
                    return;
                }
            }
        }));
    }
    Ok(receiver)
}

/// Passes signals on to a container until this future is dropped. It ends by itself, with a failure, only where
/// somebody asked for the end again and again and the container goes on.
pub(crate) async fn proxy(client: Arc<Client>, container: String) -> Failure {
    let mut signals = match listen(PROXIED) {
        Ok(signals) => signals,
        Err(failure) => return failure,
    };
    let mut asked = 0;
    while let Some(name) = signals.recv().await {
        if matches!(name, "INT" | "TERM") {
            asked += 1;
            if asked >= PATIENCE {
                output::warn(&format!(
                    "got {PATIENCE} SIGTERM/SIGINTs, forcefully exiting"
                ));
                return Failure::Exit(1);
            }
        }
        let path = format!("/containers/{}/kill", encode_component(&container));
        // It may have just ended: then there is nobody to tell.
        let _told = client.send(Request::post(path).query("signal", name)).await;
    }
    std::future::pending().await
}

/// Ends when the program is asked to end, with the code for that: so that what has to be put back is.
pub(crate) async fn asked_to_end() -> Failure {
    let ends: &[(Signal, &str)] = &[
        (Signal::HUP, "HUP"),
        (Signal::TERM, "TERM"),
        (Signal::QUIT, "QUIT"),
    ];
    let mut signals = match listen(ends) {
        Ok(signals) => signals,
        Err(failure) => return failure,
    };
    match signals.recv().await {
        Some("HUP") => Failure::Exit(129),
        Some("QUIT") => Failure::Exit(131),
        _ => Failure::Exit(143),
    }
}

/// How often the size is told again to a process that may not have begun, and after how long.
const RETRIES: u32 = 10;
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// Tells an engine the terminal's size now and whenever it changes, until this future is dropped. `path` is the
/// API's, of a container or a process in one.
pub(crate) async fn follow_size(client: Arc<Client>, path: String) {
    let Ok(mut changes) = signal(SignalKind::window_change()) else {
        return std::future::pending().await;
    };
    for retry in 1..=RETRIES {
        if tell_size(&client, &path).await {
            break;
        }
        tokio::time::sleep(RETRY_AFTER * retry).await;
    }
    while changes.recv().await.is_some() {
        // A process that has ended needs no size.
        tell_size(&client, &path).await;
    }
    std::future::pending::<()>().await;
}

/// Whether the engine knows the size now, or there is none to be told.
async fn tell_size(client: &Client, path: &str) -> bool {
    let Some((rows, columns)) = super::size() else {
        return true;
    };
    let request = Request::post(path)
        .query("h", rows.to_string())
        .query("w", columns.to_string());
    client.send(request).await.is_ok()
}
