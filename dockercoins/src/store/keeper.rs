//! The one owner of the data: it takes batches of commands, carries them out, writes the journal once for
//! all that are waiting, and only then answers. It must never answer a write that the journal doesn't
//! have.

use std::fs::File;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::command::{ReadCommand, WriteCommand};
use super::data::{Data, Undo};
use super::journal::{Journal, JournalError};
use super::reply::Reply;
use crate::failure::with_causes;
use crate::log::Log;

/// Batches carried out before the journal is written.
const TOGETHER: usize = 256;
/// How often the journal is brought from the kernel to the disk.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// Commands of one connection, to be carried out in order.
pub(super) struct Batch {
    pub(super) commands: Vec<DataCommand>,
    pub(super) replies: oneshot::Sender<Vec<Reply>>,
}

/// A command that concerns the data.
pub(super) enum DataCommand {
    Read(ReadCommand),
    Write(WriteCommand),
}

/// Serves batches until nobody can send any more.
pub(super) async fn keep(
    mut data: Data,
    mut journal: Option<Journal>,
    mut batches: mpsc::Receiver<Batch>,
    log: Log,
    commands: Counter,
) {
    let mut waiting = Vec::with_capacity(TOGETHER);
    let mut sync_time = interval(SYNC_INTERVAL);
    sync_time.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unsynced = false;
    let mut syncing: Option<JoinHandle<()>> = None;
    loop {
        tokio::select! {
            count = batches.recv_many(&mut waiting, TOGETHER) => if count == 0 { break },
            _ = sync_time.tick() => {
                let idle = syncing.as_ref().is_none_or(JoinHandle::is_finished);
                if idle && std::mem::take(&mut unsynced) {
                    syncing = journal.as_ref().and_then(|journal| journal.file().ok()).map(|file| sync(file, log.clone()));
                }
                continue;
            }
        }
        commands.inc_by(
            waiting
                .iter()
                .map(|batch| batch.commands.len() as u64)
                .sum(),
        );
        unsynced |= carry_out(&mut data, journal.as_mut(), &mut waiting, &log);
        if let Some(journal) = journal.as_mut().filter(|journal| journal.is_long()) {
            tell_failure(journal.write_anew(&data), &log);
        }
    }
    // Its own failure is logged there; it cannot panic.
    if let Some(syncing) = syncing {
        syncing.await.ok();
    }
    if let Some(file) = journal.and_then(|journal| journal.file().ok()) {
        sync(file, log).await.ok();
    }
}

/// Carries out all batches, and says whether anything was written.
fn carry_out(
    data: &mut Data,
    journal: Option<&mut Journal>,
    batches: &mut Vec<Batch>,
    log: &Log,
) -> bool {
    let mut undo: Vec<Undo> = Vec::new();
    let mut writes = Vec::new();
    let mut answers = Vec::with_capacity(batches.len());
    for batch in batches.iter() {
        let mut replies = Vec::with_capacity(batch.commands.len());
        for command in &batch.commands {
            replies.push(match command {
                DataCommand::Read(read) => data.read(read),
                DataCommand::Write(write) => {
                    let written = data.write(write);
                    if !written.undo.is_empty() {
                        writes.push(write);
                        undo.extend(written.undo);
                    }
                    written.reply
                }
            });
        }
        answers.push(replies);
    }
    let kept = match journal {
        Some(journal) if !writes.is_empty() => journal.append(&writes),
        Some(_) | None => Ok(()),
    };
    let wrote = !writes.is_empty() && kept.is_ok();
    if let Err(error) = kept {
        // What reads of these batches saw is not so: all of them get the error.
        for change in undo.into_iter().rev() {
            data.undo(change);
        }
        let reply = Reply::Error(format!(
            "MISCONF nothing was changed: {}",
            with_causes(&error)
        ));
        for replies in &mut answers {
            replies.fill(reply.clone());
        }
        tell_failure(Err(error), log);
    }
    for (batch, replies) in batches.drain(..).zip(answers) {
        // A connection that is gone needs no answer.
        batch.replies.send(replies).ok();
    }
    wrote
}

fn tell_failure(result: Result<(), JournalError>, log: &Log) {
    if let Err(error) = result {
        let hint = error
            .hint()
            .map(|hint| format!(" ({hint})"))
            .unwrap_or_default();
        log.line(format!("{}{hint}", with_causes(&error)));
    }
}

fn sync(file: File, log: Log) -> JoinHandle<()> {
    tokio::task::spawn_blocking(move || {
        if let Err(error) = file.sync_data() {
            log.line(format!("cannot bring the journal to the disk: {error}"));
        }
    })
}
