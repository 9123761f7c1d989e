//! The messages of long work, pull, push, load, build, as lines that move on a terminal and as plain ones
//! elsewhere. Pure.

use std::collections::BTreeMap;

use model::api::progress::{Detail, ErrorDetail, Message};

use super::units::{float, precise_size};

/// The bar is shown where the terminal is wider.
const WIDTH_FOR_BAR: usize = 110;
/// How many characters a full bar has.
const BAR: usize = 50;

/// Where messages are shown, and which line belongs to what.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The width of the terminal; none elsewhere.
    width: Option<usize>,
    lines: BTreeMap<String, usize>,
}

impl Progress {
    /// For a terminal of this width, or for no terminal.
    pub(crate) fn new(width: Option<usize>) -> Self {
        Self {
            width,
            lines: BTreeMap::new(),
        }
    }

    /// The text for one message, or the error that it tells.
    pub(crate) fn show(&mut self, message: &Message) -> Result<String, ErrorDetail> {
        if let Some(detail) = &message.error_detail {
            return Err(detail.clone());
        }
        if let Some(error) = &message.error {
            return Err(ErrorDetail {
                code: None,
                message: error.clone(),
            });
        }
        let id = message.id.as_deref().unwrap_or_default();
        let moves = message.progress_detail.is_some() || message.progress.is_some();
        let Some(width) = self.width else {
            return Ok(plain(message, id));
        };
        if id.is_empty() || !moves {
            self.lines.clear();
            return Ok(words(message, id, width));
        }
        let mut text = String::new();
        let count = self.lines.len();
        let line = *self.lines.entry(id.to_owned()).or_insert_with(|| {
            text.push('\n');
            count
        });
        let up = self.lines.len() - line;
        text.push_str(&format!("\x1b[{up}A\x1b[2K\r"));
        text.push_str(&words(message, id, width));
        text.push_str(&format!("\x1b[{up}B"));
        Ok(text)
    }
}

fn plain(message: &Message, id: &str) -> String {
    // A bar that cannot move would be thousands of lines.
    let moving = message
        .progress_detail
        .as_ref()
        .is_some_and(|detail| !numbers(detail).is_empty());
    if moving {
        return String::new();
    }
    match (&message.stream, &message.status) {
        // Builders colour what a step writes to its standard error.
        (Some(stream), _) => stream.replace("\x1b[91m", "").replace("\x1b[0m", ""),
        (None, Some(status)) => format!("{}{status}\n", prefix(id)),
        (None, None) => String::new(),
    }
}

fn words(message: &Message, id: &str, width: usize) -> String {
    if let Some(stream) = &message.stream {
        return stream.clone();
    }
    let Some(status) = &message.status else {
        return String::new();
    };
    let start = format!("{}{status}", prefix(id));
    match &message.progress_detail {
        None => format!("{start}\n"),
        Some(detail) => format!("{start} {}\r", bar(detail, width)),
    }
}

fn prefix(id: &str) -> String {
    if id.is_empty() {
        String::new()
    } else {
        format!("{id}: ")
    }
}

fn numbers(detail: &Detail) -> String {
    let number = |amount: u64| precise_size(float(i64::try_from(amount).unwrap_or(i64::MAX)));
    match (
        detail.current.unwrap_or_default(),
        detail.total.unwrap_or_default(),
    ) {
        (0, 0) => String::new(),
        (current, total) if total == 0 || current > total => format!("{:>8}", number(current)),
        (current, total) => format!("{:>8}/{}", number(current), number(total)),
    }
}

fn bar(detail: &Detail, width: usize) -> String {
    let numbers = numbers(detail);
    let total = detail.total.unwrap_or_default();
    if numbers.is_empty() || total == 0 || width <= WIDTH_FOR_BAR {
        return numbers;
    }
    let part = u128::from(detail.current.unwrap_or_default()) * 50 / u128::from(total);
    let done = usize::try_from(part).unwrap_or(BAR).min(BAR);
    format!(
        "[{}>{}] {numbers}",
        "=".repeat(done),
        " ".repeat(BAR - done)
    )
}

#[cfg(test)]
mod tests {
    use model::api::progress::Message;

    use super::Progress;

    fn shown(width: Option<usize>, messages: &[Message]) -> String {
        let mut progress = Progress::new(width);
        messages
            .iter()
            .map(|message| progress.show(message).unwrap())
            .collect()
    }

    #[test]
    fn without_a_terminal_there_are_lines() {
        let messages = [
            Message {
                id: Some("latest".into()),
                ..Message::status("Pulling from a")
            },
            Message::layer("abc", "Waiting"),
            Message::layer_progress("abc", "Downloading", 500, Some(1000)),
            Message::layer("abc", "Pull complete"),
            Message::status("Done"),
            Message::stream("Step 1/1\n"),
        ];
        assert_eq!(
            shown(None, &messages),
            "latest: Pulling from a\nabc: Waiting\nabc: Pull complete\nDone\nStep 1/1\n"
        );
    }

    #[test]
    fn on_a_terminal_each_layer_has_its_line() {
        let messages = [
            Message::layer("a", "Waiting"),
            Message::layer("b", "Waiting"),
            Message::layer_progress("a", "Downloading", 500, Some(1000)),
        ];
        assert_eq!(
            shown(Some(80), &messages),
            "\n\x1b[1A\x1b[2K\ra: Waiting \r\x1b[1B\n\x1b[1A\x1b[2K\rb: Waiting \r\x1b[1B\x1b[2A\x1b[2K\ra: Downloading     500B/1kB\r\x1b[2B"
        );
    }

    #[test]
    fn a_wide_terminal_has_bars() {
        let text = shown(
            Some(120),
            &[Message::layer_progress("a", "Downloading", 500, Some(1000))],
        );
        assert!(text.contains(&format!(
            "a: Downloading [{}>{}]     500B/1kB",
            "=".repeat(25),
            " ".repeat(25)
        )));
    }

    #[test]
    fn an_error_ends_it() {
        let mut progress = Progress::new(None);
        let told = progress.show(&Message::error("no")).unwrap_err();
        assert_eq!(told.message, "no");
    }
}
