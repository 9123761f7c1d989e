//! Where the lines about long work go.

use model::api::progress::Message;
use tokio::sync::mpsc;

/// Takes the lines about long work, or drops them if nobody wants them.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    sender: Option<mpsc::Sender<Message>>,
}

impl Progress {
    /// Nobody listens.
    pub fn none() -> Self {
        Self::default()
    }

    /// The lines go to `sender`. When nobody receives any more, work goes on until something else stops it.
    pub fn to(sender: mpsc::Sender<Message>) -> Self {
        Self {
            sender: Some(sender),
        }
    }

    /// Whether somebody listened once and has gone.
    pub fn is_abandoned(&self) -> bool {
        self.sender.as_ref().is_some_and(mpsc::Sender::is_closed)
    }

    /// Says a line from async code.
    pub(crate) async fn tell(&self, message: Message) {
        if let Some(sender) = &self.sender {
            sender.send(message).await.ok();
        }
    }

    /// Says a line if there is room for it: for one of many that tell how far the work is.
    pub(crate) fn hint(&self, message: Message) {
        if let Some(sender) = &self.sender {
            sender.try_send(message).ok();
        }
    }
}
