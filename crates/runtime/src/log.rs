//! The container's log in Docker's `json-file` format: how a line is written (pure), and the files, which rotate.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::spec::LogFile;

/// A longer line is written in pieces of this size, as Docker does.
const LONGEST_LINE: usize = 16 * 1024;

/// One of a process's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Standard output, and a terminal's only one.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Cuts output into lines, keeping what is not a whole one yet.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Appends to `text` the log lines for what was put out, at this time.
    pub(crate) fn push(&mut self, output: Output, bytes: &[u8], time_ns: u64, text: &mut Vec<u8>) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let mut piece = piece;
            while self.rest.len() + piece.len() > LONGEST_LINE {
                let (front, back) = piece.split_at(LONGEST_LINE - self.rest.len());
                self.rest.extend_from_slice(front);
                self.end_line(output, time_ns, text);
                piece = back;
            }
            self.rest.extend_from_slice(piece);
            if self.rest.ends_with(b"\n") {
                self.end_line(output, time_ns, text);
            }
        }
        if self.rest.is_empty() {
            self.rest = Vec::new();
        }
    }

    /// As [`Lines::push`], for what was left when the output ended.
    pub(crate) fn finish(&mut self, output: Output, time_ns: u64, text: &mut Vec<u8>) {
        if !self.rest.is_empty() {
            self.end_line(output, time_ns, text);
        }
    }

    fn end_line(&mut self, output: Output, time_ns: u64, text: &mut Vec<u8>) {
        text.extend_from_slice(b"{\"log\":\"");
        escape(&self.rest, text);
        text.extend_from_slice(match output {
            Output::Stdout => b"\",\"stream\":\"stdout\",\"time\":\"",
            Output::Stderr => b"\",\"stream\":\"stderr\",\"time\":\"",
        });
        write_time(time_ns, text);
        text.extend_from_slice(b"\"}\n");
        self.rest.clear();
    }
}

/// Writes bytes as the inside of a JSON string; what is not UTF-8 becomes U+FFFD, a character for each byte.
fn escape(bytes: &[u8], text: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => text.extend_from_slice(b"\\\""),
                '\\' => text.extend_from_slice(b"\\\\"),
                '\n' => text.extend_from_slice(b"\\n"),
                '\r' => text.extend_from_slice(b"\\r"),
                '\t' => text.extend_from_slice(b"\\t"),
                // As Go writes JSON, so that the text can stand in HTML and JavaScript.
                '\0'..' ' | '<' | '>' | '&' => {
                    let code = character as usize;
                    text.extend_from_slice(&[
                        b'\\',
                        b'u',
                        b'0',
                        b'0',
                        HEX[code >> 4],
                        HEX[code & 15],
                    ]);
                }
                '\u{2028}' => text.extend_from_slice(b"\\u2028"),
                '\u{2029}' => text.extend_from_slice(b"\\u2029"),
                other => text.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        for _ in chunk.invalid() {
            text.extend_from_slice(b"\\ufffd");
        }
    }
}

/// Writes a time since 1970 as RFC 3339 has it, in UTC, with as many digits of the second as say something.
fn write_time(time_ns: u64, text: &mut Vec<u8>) {
    let (seconds, nanoseconds) = (time_ns / 1_000_000_000, time_ns % 1_000_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_date(days);
    let clock = format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    text.extend_from_slice(clock.as_bytes());
    if nanoseconds > 0 {
        let digits = format!(".{nanoseconds:09}");
        text.extend_from_slice(digits.trim_end_matches('0').as_bytes());
    }
    text.push(b'Z');
}

/// Year, month and day of a day counted from 1970-01-01.
fn civil_date(days: u64) -> (u64, u64, u64) {
    // Years begin in March here, so that the leap day is a year's last; an era is 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The files of a log.
#[derive(Debug)]
pub(crate) struct Log {
    settings: LogFile,
    file: Option<File>,
    size: u64,
}

impl Log {
    /// Opens the newest file, at its end.
    pub(crate) fn open(settings: LogFile) -> io::Result<Self> {
        let file = append_to(&settings.path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            settings,
            file: Some(file),
            size,
        })
    }

    /// Writes whole lines. A line that doesn't fit on the disk is lost, as with Docker: a container is not held up by
    /// its log.
    pub(crate) fn write(&mut self, mut text: &[u8]) {
        while !text.is_empty() {
            if self.is_full() {
                self.rotate();
            }
            let piece = self.piece_for_this_file(text);
            if let Some(file) = &mut self.file {
                // What was written in part would spoil the line after it.
                if file.write_all(piece).is_err() {
                    drop(file.set_len(self.size));
                } else {
                    self.size += piece.len() as u64;
                }
            } else {
                self.file = append_to(&self.settings.path).ok();
            }
            text = &text[piece.len()..];
        }
    }

    fn is_full(&self) -> bool {
        self.settings.max_size.is_some_and(|most| self.size >= most)
    }

    /// As many whole lines as bring the file to its bound: Docker, too, writes the line that goes over it.
    fn piece_for_this_file<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        let Some(most) = self.settings.max_size else {
            return text;
        };
        let room = usize::try_from(most.saturating_sub(self.size)).unwrap_or(usize::MAX);
        if text.len() <= room {
            return text;
        }
        let end = text[room.saturating_sub(1)..]
            .iter()
            .position(|&byte| byte == b'\n');
        end.map_or(text, |end| &text[..=room.saturating_sub(1) + end])
    }

    fn rotate(&mut self) {
        let numbered = |number: u32| {
            let mut name = self.settings.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..self.settings.max_files.saturating_sub(1)).rev() {
            drop(std::fs::rename(numbered(number), numbered(number + 1)));
        }
        if self.settings.max_files > 1 {
            drop(std::fs::rename(&self.settings.path, numbered(1)));
        } else {
            drop(std::fs::remove_file(&self.settings.path));
        }
        self.file = append_to(&self.settings.path).ok();
        self.size = 0;
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::{Lines, Log, Output, civil_date, write_time};
    use crate::spec::LogFile;

    #[track_caller]
    fn check(pieces: &[&[u8]], expect: &str) {
        let (mut lines, mut text) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.push(Output::Stdout, piece, 0, &mut text);
        }
        lines.finish(Output::Stdout, 0, &mut text);
        let text = String::from_utf8(text).unwrap();
        let written = text.replace(
            "\",\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:00Z\"}\n",
            "|",
        );
        assert_eq!(written.replace("{\"log\":\"", ""), expect);
    }

    #[test]
    fn output_becomes_lines() {
        check(&[b"one\ntwo\n"], "one\\n|two\\n|");
        check(&[b"on", b"e\ntw", b"o"], "one\\n|two|");
        check(&[b"", b"\n\n"], "\\n|\\n|");
        check(
            &[b"\"\\\t\x01<&>\xff\xfe\xc3\xa9\n"],
            "\\\"\\\\\\t\\u0001\\u003c\\u0026\\u003e\\ufffd\\ufffd\u{e9}\\n|",
        );
    }

    #[test]
    fn long_lines_are_cut() {
        let (mut lines, mut text) = (Lines::default(), Vec::new());
        lines.push(Output::Stderr, &vec![b'x'; 40_000], 0, &mut text);
        lines.push(Output::Stderr, b"\n", 0, &mut text);
        let lengths: Vec<usize> = String::from_utf8(text)
            .unwrap()
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["log"]
                    .as_str()
                    .unwrap()
                    .len()
            })
            .collect();
        assert_eq!(lengths, [16_384, 16_384, 40_001 - 32_768]);
    }

    #[test]
    fn times_are_written_as_go_does() {
        let text = |time_ns| {
            let mut text = Vec::new();
            write_time(time_ns, &mut text);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(text(0), "1970-01-01T00:00:00Z");
        assert_eq!(text(1_709_210_096_120_000_000), "2024-02-29T12:34:56.12Z");
        assert_eq!(civil_date(19_782), (2024, 2, 29));
        assert_eq!(civil_date(20_818), (2026, 12, 31));
        assert_eq!(civil_date(11_016), (2000, 2, 29));
    }

    #[test]
    fn files_rotate_at_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x-json.log");
        let settings = LogFile {
            path: path.clone(),
            max_size: Some(10),
            max_files: 3,
        };
        let mut log = Log::open(settings.clone()).unwrap();
        log.write(b"aaaa\nbbbb\ncccc\n");
        log.write(b"dddd\n");
        let mut log = Log::open(settings).unwrap();
        log.write(b"eeee\nffff\ngggg\n");
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("x-json.log"), "gggg\n");
        assert_eq!(read("x-json.log.1"), "eeee\nffff\n");
        assert_eq!(read("x-json.log.2"), "cccc\ndddd\n");
        assert!(!folder.path().join("x-json.log.3").exists());
    }
}
