//! One line of a log: `{"log":"text\n","stream":"stdout","time":"2024-…Z"}`. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use model::api::container::LogsOptions;
use serde::Deserialize;

use super::Framing;
use crate::moment;

/// What one line holds.
#[derive(Debug, Deserialize)]
pub(super) struct Record<'a> {
    /// The text; without a line's end if it is only a part of a line.
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(borrow, default)]
    time: Cow<'a, str>,
    #[serde(default)]
    attrs: BTreeMap<String, String>,
}

/// How every line begins.
const BEGINNING: &[u8] = br#"{"log":""#;

impl<'a> Record<'a> {
    /// Reads a line; nothing if it is none. After a crash in the middle of a line, the next one follows on it
    /// directly: then that is what is read.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let whole = serde_json::from_slice(line).ok();
        whole.or_else(|| {
            let after = line.get(1..)?;
            let places = after.windows(BEGINNING.len());
            let torn_off = places.rev().position(|place| place == BEGINNING)?;
            let from = after.len() - BEGINNING.len() - torn_off;
            serde_json::from_slice(&after[from..]).ok()
        })
    }

    /// When it was written.
    pub(super) fn moment(&self) -> Option<Timestamp> {
        self.time.parse().ok()
    }

    /// Appends it to `chunk` as the client wants it, if it wants its stream at all.
    pub(super) fn render(&self, options: &LogsOptions, framing: Framing, chunk: &mut Vec<u8>) {
        let (number, wanted) = match self.stream.as_ref() {
            "stderr" => (2, options.stderr),
            _ => (1, options.stdout),
        };
        if !wanted {
            return;
        }
        let header = chunk.len();
        if framing == Framing::Multiplexed {
            chunk.extend_from_slice(&[number, 0, 0, 0, 0, 0, 0, 0]);
        }
        let text = chunk.len();
        if options.timestamps {
            fixed_width(&self.time, chunk);
            chunk.push(b' ');
        }
        if options.details {
            let mut separator: &[u8] = b"";
            for (key, value) in &self.attrs {
                chunk.extend_from_slice(separator);
                escape(key, chunk);
                chunk.push(b'=');
                escape(value, chunk);
                separator = b",";
            }
            chunk.push(b' ');
        }
        chunk.extend_from_slice(self.log.as_bytes());
        if framing == Framing::Multiplexed {
            let length = u32::try_from(chunk.len() - text).unwrap_or(u32::MAX);
            chunk[header + 4..header + 8].copy_from_slice(&length.to_be_bytes());
        }
    }
}

/// The time with nine digits after the point, so that lines stand below each other.
fn fixed_width(time: &str, chunk: &mut Vec<u8>) {
    let Some(before) = time.strip_suffix('Z') else {
        match time.parse() {
            Ok(moment) => chunk.extend_from_slice(moment::fixed_width(moment).as_bytes()),
            Err(_) => chunk.extend_from_slice(time.as_bytes()),
        }
        return;
    };
    let (seconds, fraction) = before.split_once('.').unwrap_or((before, ""));
    chunk.extend_from_slice(seconds.as_bytes());
    chunk.push(b'.');
    chunk.extend_from_slice(fraction.as_bytes());
    chunk.resize(chunk.len() + 9_usize.saturating_sub(fraction.len()), b'0');
    chunk.push(b'Z');
}

/// As in the query of a URL.
fn escape(text: &str, chunk: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => chunk.push(byte),
            b' ' => chunk.push(b'+'),
            _ => chunk.extend_from_slice(&[
                b'%',
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::api::container::LogsOptions;

    use super::{Framing, Record};

    fn all() -> LogsOptions {
        LogsOptions {
            stdout: true,
            stderr: true,
            ..LogsOptions::default()
        }
    }

    fn render(line: &str, options: &LogsOptions, framing: Framing) -> String {
        let mut chunk = Vec::new();
        if let Some(record) = Record::parse(line.as_bytes()) {
            record.render(options, framing, &mut chunk);
        }
        String::from_utf8(chunk).unwrap()
    }

    const LINE: &str = r#"{"log":"a\n\u003cb\n","stream":"stderr","attrs":{"tag":"x y","a":"1"},"time":"2024-05-01T12:00:00.5Z"}"#;

    #[test]
    fn a_line_is_rendered_as_asked() {
        let options = all();
        assert_eq!(render(LINE, &options, Framing::Raw), "a\n<b\n");
        assert_eq!(
            render(LINE, &options, Framing::Multiplexed),
            "\u{2}\0\0\0\0\0\0\u{5}a\n<b\n"
        );
        let options = LogsOptions {
            timestamps: true,
            details: true,
            ..all()
        };
        assert_eq!(
            render(LINE, &options, Framing::Raw),
            "2024-05-01T12:00:00.500000000Z a=1,tag=x+y a\n<b\n"
        );
        let options = LogsOptions {
            stderr: false,
            ..all()
        };
        assert_eq!(render(LINE, &options, Framing::Raw), "");
    }

    #[test]
    fn torn_lines_lose_only_themselves() {
        let check = |line: &str, expect: &str| {
            assert_eq!(render(line, &all(), Framing::Raw), expect, "{line}");
        };
        check(&format!("{}{LINE}", &LINE[..20]), "a\n<b\n");
        check(&LINE[..40], "");
        check("", "");
        check("\0\0\0\0", "");
        check(&format!("\0\0\0{LINE}"), "a\n<b\n");
    }
}
