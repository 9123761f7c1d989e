//! Lines on standard output. A thread of its own writes them, so that a reader who stops reading (a
//! terminal on hold, a full pipe) never holds a service up; it must never hold more than a bounded number
//! of lines for that reader, and says how many it had to leave out.
//!
//! On a terminal, a footer may stand below the lines: what a person must still find when the lines have
//! scrolled away.

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
    /// Stands below all lines from now on; an empty one goes away.
    Footer(String),
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

impl Log {
    /// Shows a text of one line below all others, for a standard output that is a terminal; an empty text
    /// removes it.
    pub(crate) fn footer(&self, text: impl Into<String>) {
        // Left out if the reader is slow: it is there for comfort.
        self.lines.try_send(Message::Footer(text.into())).ok();
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
    let mut page = Page::default();
    while let Ok(first) = received.recv() {
        let mut ended = page.take(first);
        for message in received.try_iter().take(BATCH_LINES) {
            ended |= page.take(message);
        }
        let missing = left_out.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let remark = "log lines left out: the reader of this log is too slow";
            page.take(Message::Line(format!("{missing} {remark}")));
        }
        // Nobody is left to tell that standard output is gone.
        let mut output = std::io::stdout().lock();
        output
            .write_all(page.turn(terminal_width()).as_bytes())
            .and_then(|()| output.flush())
            .ok();
        if ended {
            return;
        }
    }
}

/// What is to be written next.
#[derive(Default)]
struct Page {
    lines: String,
    footer: String,
    /// Whether the footer stands on the terminal now.
    shown: bool,
}

impl Page {
    /// Takes a message in; true for the end.
    fn take(&mut self, message: Message) -> bool {
        match message {
            Message::Line(line) => {
                self.lines.push_str(&line);
                self.lines.push('\n');
                false
            }
            Message::Footer(text) => {
                self.footer = text;
                false
            }
            Message::End => {
                self.footer.clear();
                true
            }
        }
    }

    /// The text to write: lines over the old footer, and the footer below them, cut to one line.
    fn turn(&mut self, width: usize) -> String {
        let mut text = String::new();
        if std::mem::take(&mut self.shown) {
            text.push_str("\r\x1b[K");
        }
        text.push_str(&self.lines);
        self.lines.clear();
        if !self.footer.is_empty() {
            let cut: String = self.footer.chars().take(width.saturating_sub(1)).collect();
            text.push_str(&format!("\x1b[7m{cut}\x1b[0m"));
            self.shown = true;
        }
        text
    }
}

fn terminal_width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    // Some terminals say zero for "unknown".
    size.map_or(80, |size| usize::from(size.ws_col)).max(20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_footer_stays_below_the_lines() {
        let mut page = Page::default();
        page.take(Message::Line("one".into()));
        assert_eq!(page.turn(80), "one\n");
        page.take(Message::Footer("open the page".into()));
        assert_eq!(page.turn(80), "\x1b[7mopen the page\x1b[0m");
        page.take(Message::Line("two".into()));
        assert_eq!(page.turn(9), "\r\x1b[Ktwo\n\x1b[7mopen the\x1b[0m");
        assert!(page.take(Message::End));
        assert_eq!(page.turn(80), "\r\x1b[K");
    }
}
