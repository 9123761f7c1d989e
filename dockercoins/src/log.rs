//! Lines on standard output. A thread of its own writes them, so that a reader who stops reading (a
//! terminal on hold, a full pipe) never holds a service up; it must never hold more than a bounded number
//! of lines for that reader, and says how many it had to leave out.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Lines held for a reader that is slow: seconds of the busiest service in lab mode.
const HELD_LINES: usize = 4096;
/// Lines written with one system call.
const BATCH_LINES: usize = 256;

/// Where the lines go; cheap to clone.
#[derive(Clone)]
pub(crate) struct Log {
    lines: SyncSender<Message>,
    left_out: Arc<AtomicU64>,
}

/// Ends the log; see [`Writer::finish`].
pub(crate) struct Writer {
    lines: SyncSender<Message>,
    thread: JoinHandle<()>,
}

enum Message {
    Line(String),
    End,
}

impl Log {
    /// Starts the thread that writes.
    pub(crate) fn start() -> (Self, Writer) {
        let (lines, received) = sync_channel(HELD_LINES);
        let left_out = Arc::new(AtomicU64::new(0));
        let for_thread = Arc::clone(&left_out);
        let thread = std::thread::spawn(move || write_all(&received, &for_thread));
        let log = Self {
            lines: lines.clone(),
            left_out,
        };
        (log, Writer { lines, thread })
    }

    /// Writes a line, soon; the text has no line end.
    pub(crate) fn line(&self, text: impl Into<String>) {
        if self.lines.try_send(Message::Line(text.into())).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Writer {
    /// Waits until all lines are written, at most a second: a reader that doesn't read must not keep a
    /// process from ending.
    pub(crate) fn finish(self) {
        let step = Duration::from_millis(5);
        let mut end = Message::End;
        for _ in 0..200 {
            match self.lines.try_send(end) {
                Ok(()) => break,
                Err(error) => {
                    end = match error {
                        std::sync::mpsc::TrySendError::Full(message)
                        | std::sync::mpsc::TrySendError::Disconnected(message) => message,
                    };
                    std::thread::sleep(step);
                }
            }
        }
        for _ in 0..200 {
            if self.thread.is_finished() {
                return;
            }
            std::thread::sleep(step);
        }
    }
}

fn write_all(received: &Receiver<Message>, left_out: &AtomicU64) {
    let mut text = String::new();
    while let Ok(first) = received.recv() {
        text.clear();
        let mut ended = !push(&mut text, first);
        for message in received.try_iter().take(BATCH_LINES) {
            ended |= !push(&mut text, message);
        }
        let missing = left_out.swap(0, Ordering::Relaxed);
        if missing > 0 {
            text.push_str(&format!(
                "{missing} log lines left out: the reader of this log is too slow\n"
            ));
        }
        // Nobody is left to tell that standard output is gone.
        let mut output = std::io::stdout().lock();
        output
            .write_all(text.as_bytes())
            .and_then(|()| output.flush())
            .ok();
        if ended {
            return;
        }
    }
}

/// Appends a line; false for the end.
fn push(text: &mut String, message: Message) -> bool {
    match message {
        Message::Line(line) => {
            text.push_str(&line);
            text.push('\n');
            true
        }
        Message::End => false,
    }
}
