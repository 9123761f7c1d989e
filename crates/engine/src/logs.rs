//! A container's output of before, and as it comes: what `docker logs` shows.
//!
//! ```text
//! files (rotated ones first) ──lines──▶ record ──select, render──▶ chunks of bytes
//!         ▲                                                            │
//!         └──────────── inotify on their folder, or the end ◀──────────┘ follow
//! ```
//!
//! The shim writes the files, in Docker's `json-file` format; this only reads them, so a follower can neither
//! hold a container back nor change its log. Memory is bounded by a chunk and the longest line. Nothing polls.

mod files;
mod record;

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use jiff::Timestamp;
use model::api::container::LogsOptions;
use rustix::fs::inotify;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use crate::Engine;
use crate::container::Condition;
use crate::error::{Error, Result};
use crate::moment;
use files::LogFiles;
use record::Record;

/// About how much goes to the client at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// How many chunks wait for a slow client at most.
const CHUNKS_WAITING: usize = 4;

/// How lines of several streams are told apart on one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Eight bytes before each: stream, three zeros, length.
    Multiplexed,
    /// They are not.
    Raw,
}

/// A container's log, for a client.
pub struct Logs {
    /// Bytes as they go to the client: framed unless the container has a terminal.
    pub chunks: Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>,
    /// Whether the container has a terminal.
    pub tty: bool,
}

impl Engine {
    /// What a container has written, and, if it is followed, writes until it ends.
    pub async fn container_logs(&self, name: &str, options: &LogsOptions) -> Result<Logs> {
        if !options.stdout && !options.stderr {
            return Err(Error::bad_parameter(
                "Bad parameters: you must choose at least one stream",
            ));
        }
        self.ready().await;
        let container = self.containers().find(name)?;
        let path = self.log_path(&container).ok_or_else(|| {
            Error::not_implemented("reading logs that the container's logging driver does not keep")
        })?;
        let tty = container.record().config.tty;
        let framing = if tty {
            Framing::Raw
        } else {
            Framing::Multiplexed
        };
        let mut condition = container.watch();
        let mut options = options.clone();
        let now = container.condition();
        // A container that does not run writes nothing more, even if it is started again.
        options.follow &= now.phase.is_running();
        let exits = now.exits;
        let ended = async move {
            let over = |condition: &Arc<Condition>| {
                condition.exits != exits || !condition.phase.is_running()
            };
            // A container that is gone has ended as well.
            drop(condition.wait_for(over).await);
        };
        let chunks = stream(&path, options, framing, ended);
        Ok(Logs {
            chunks: Box::pin(crate::stream::of_receiver(chunks)),
            tty,
        })
    }
}

/// The log at `path`, in chunks. A follower's ends when `ended` does and everything has been read.
///
/// Dropping the receiver ends the reading.
pub fn stream(
    path: &Path,
    options: LogsOptions,
    framing: Framing,
    ended: impl Future<Output = ()> + Send + 'static,
) -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
    let path = path.to_owned();
    drop(tokio::spawn(async move {
        if let Err(error) = pump(path, options, framing, ended, &sender).await {
            // A client that has gone does not want to know.
            drop(sender.send(Err(error)).await);
        }
    }));
    receiver
}

/// Where a reading stands after a chunk.
enum Progress {
    /// There is more to read at once.
    More,
    /// Everything that is there has been read.
    CaughtUp,
    /// Nothing that is wanted can come any more.
    Done,
}

struct Reading {
    files: LogFiles,
    options: LogsOptions,
    framing: Framing,
}

async fn pump(
    path: PathBuf,
    options: LogsOptions,
    framing: Framing,
    ended: impl Future<Output = ()> + Send,
    sender: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let follow = options.follow;
    let until_passes = passing(options.until);
    // The watch comes before the first look, so that nothing is written unnoticed between the two.
    let watch = if follow {
        Some(Watch::new(&path)?)
    } else {
        None
    };
    let mut reading = blocking(move || {
        let files = LogFiles::open(&path, options.tail)?;
        Ok(Reading {
            files,
            options,
            framing,
        })
    })
    .await?;
    let mut ending = std::pin::pin!(async {
        tokio::select! { () = ended => {}, () = until_passes => {} }
    });
    let mut over = !follow;
    loop {
        let (again, chunk, progress) = blocking(move || {
            let mut chunk = Vec::new();
            let progress = reading.read(&mut chunk)?;
            Ok((reading, chunk, progress))
        })
        .await?;
        reading = again;
        if !chunk.is_empty() && sender.send(Ok(chunk.into())).await.is_err() {
            return Ok(());
        }
        match (progress, &watch) {
            (Progress::More, _) => {}
            (Progress::Done, _) | (Progress::CaughtUp, None) => return Ok(()),
            (Progress::CaughtUp, Some(_)) if over => return Ok(()),
            (Progress::CaughtUp, Some(watch)) => tokio::select! {
                changed = watch.changed() => changed?,
                // Once more to the end: what was written last may have come since.
                () = &mut ending => over = true,
                () = sender.closed() => return Ok(()),
            },
        }
    }
}

impl Reading {
    /// Reads on until a chunk is full or there is nothing more.
    fn read(&mut self, chunk: &mut Vec<u8>) -> io::Result<Progress> {
        while chunk.len() < CHUNK_BYTES {
            let Some(line) = self.files.next_line()? else {
                if self.options.follow && self.files.follow_rotation()? {
                    continue;
                }
                return Ok(Progress::CaughtUp);
            };
            let Some(record) = Record::parse(line) else {
                continue;
            };
            let needs_time = self.options.since.is_some() || self.options.until.is_some();
            if needs_time && let Some(time) = record.moment() {
                if self.options.until.is_some_and(|until| time > until) {
                    return Ok(Progress::Done);
                }
                if self.options.since.is_some_and(|since| time < since) {
                    continue;
                }
            }
            record.render(&self.options, self.framing, chunk);
        }
        Ok(Progress::More)
    }
}

/// Wakes when something in the folder of a log changes: the log written to, or rotated.
struct Watch(AsyncFd<OwnedFd>);

impl Watch {
    fn new(path: &Path) -> io::Result<Self> {
        let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
        let watch = inotify::init(flags)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let changes = inotify::WatchFlags::MODIFY
            | inotify::WatchFlags::CREATE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::ONLYDIR;
        inotify::add_watch(&watch, folder, changes)?;
        #[expect(
            deprecated,
            reason = "what takes its place is unsafe, for descriptors that change; an owned one does not"
        )]
        let watch = AsyncFd::new(watch)?;
        Ok(Self(watch))
    }

    async fn changed(&self) -> io::Result<()> {
        let mut ready = self.0.readable().await?;
        let mut events = [0; 4096];
        // What changed does not matter: the files are looked at anyway.
        loop {
            match rustix::io::read(&self.0, &mut events) {
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        ready.clear_ready();
        Ok(())
    }
}

/// Ends when `moment` is over, if there is one.
async fn passing(moment: Option<Timestamp>) {
    match moment {
        Some(moment) => {
            let left = moment.duration_since(moment::now());
            let left_ms = u64::try_from(left.as_millis()).unwrap_or_default();
            tokio::time::sleep(std::time::Duration::from_millis(left_ms)).await;
        }
        None => std::future::pending().await,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(io::Error::other(error)),
    }
}

#[cfg(test)]
mod tests;
