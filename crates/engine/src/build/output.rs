//! What a build says.

use model::api::build::Outcome;
use model::api::progress::{ErrorDetail, Message};
use model::digest::ImageId;
use tokio::sync::mpsc;

use crate::error::{Error, Result};

/// Tells the client; nothing but the end where it asked for quiet.
#[derive(Debug, Clone)]
pub(super) struct Output {
    progress: mpsc::Sender<Message>,
    is_quiet: bool,
}

impl Output {
    pub(super) fn new(progress: mpsc::Sender<Message>, is_quiet: bool) -> Self {
        Self { progress, is_quiet }
    }

    /// Text, as it is to be shown.
    pub(super) async fn text(&self, text: impl Into<String>) -> Result<()> {
        if self.is_quiet {
            return Ok(());
        }
        self.send(Message::stream(text)).await
    }

    /// The image that a stage has come to.
    pub(super) async fn stage(&self, id: ImageId) -> Result<()> {
        if self.is_quiet {
            return Ok(());
        }
        let outcome = Outcome { id: id.to_string() };
        let value = serde_json::to_value(outcome)
            .map_err(|cause| Error::internal("encode a build's outcome").because(cause))?;
        self.send(Message::aux(value)).await
    }

    /// All that a quiet build says.
    pub(super) async fn quiet_end(&self, id: ImageId) -> Result<()> {
        if self.is_quiet {
            self.send(Message::stream(format!("{id}\n"))).await
        } else {
            Ok(())
        }
    }

    /// The end of a build whose command failed, with the command's own code for the client to exit with.
    pub(super) async fn failure(&self, message: String, code: i64) -> Result<()> {
        let mut last = Message::error(message);
        if let Some(detail) = &mut last.error_detail {
            *detail = ErrorDetail {
                code: Some(code),
                message: std::mem::take(&mut detail.message),
            };
        }
        self.send(last).await
    }

    /// Where the progress of a pull goes.
    pub(super) fn of_pull(&self) -> mpsc::Sender<Message> {
        if self.is_quiet {
            let (nowhere, mut ignored) = mpsc::channel(1);
            drop(tokio::spawn(async move {
                while ignored.recv().await.is_some() {}
            }));
            nowhere
        } else {
            self.progress.clone()
        }
    }

    async fn send(&self, message: Message) -> Result<()> {
        self.progress
            .send(message)
            .await
            .map_err(|_| Error::unavailable("the client of the build has gone"))
    }
}

/// Text that comes in pieces, which may end within a character.
#[derive(Debug, Default)]
pub(super) struct Text {
    rest: Vec<u8>,
}

impl Text {
    /// What can be shown once this piece has come.
    pub(super) fn push(&mut self, piece: &[u8]) -> String {
        self.rest.extend_from_slice(piece);
        let mut shown = String::new();
        loop {
            match std::str::from_utf8(&self.rest) {
                Ok(text) => {
                    shown.push_str(text);
                    self.rest.clear();
                    return shown;
                }
                Err(error) => {
                    let (good, bad) = self.rest.split_at(error.valid_up_to());
                    shown.push_str(&String::from_utf8_lossy(good));
                    let Some(length) = error.error_len() else {
                        self.rest = bad.to_vec();
                        return shown;
                    };
                    shown.push(char::REPLACEMENT_CHARACTER);
                    self.rest = bad[length..].to_vec();
                }
            }
        }
    }

    /// What is left at the end.
    pub(super) fn finish(self) -> String {
        String::from_utf8_lossy(&self.rest).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Text;
    use proptest::prelude::*;

    #[test]
    fn a_character_in_two_pieces_is_one() {
        let mut text = Text::default();
        assert_eq!(text.push(b"caf\xc3"), "caf");
        assert_eq!(text.push(b"\xa9 \xff!"), "é \u{fffd}!");
        assert_eq!(text.push(b"\xe2\x82"), "");
        assert_eq!(text.finish(), "\u{fffd}");
    }

    proptest! {
        #[test]
        fn any_pieces_come_to_the_same(bytes: Vec<u8>, at: prop::sample::Index) {
            let at = if bytes.is_empty() { 0 } else { at.index(bytes.len()) };
            let mut text = Text::default();
            let mut shown = text.push(&bytes[..at]);
            shown += &text.push(&bytes[at..]);
            shown += &text.finish();
            prop_assert_eq!(shown, String::from_utf8_lossy(&bytes));
        }
    }
}
