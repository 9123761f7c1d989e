//! Long work that tells how far it is: a line of JSON per step, and its failure as the last line.
//!
//! ```text
//! work ── messages (bounded) ──▶ lines ──▶ client
//!   └──── its end ─────────────▶ before the first message: the status; after it: an error line
//! ```
//!
//! The work is driven by whoever reads the answer, and ends when nobody does any more.

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use model::api::progress::Message;
use tokio::sync::mpsc;

use crate::body::{self, Body};
use crate::failure::{Failure, Result};

/// How many messages wait for a slow client before the work does.
const WAITING: usize = 64;

type Work = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// The answer to a request that `work` does.
pub(crate) async fn answer<F, W, E>(work: F) -> Result<Response<Body>>
where
    F: FnOnce(mpsc::Sender<Message>) -> W,
    W: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<Failure>,
{
    let (sender, receiver) = mpsc::channel(WAITING);
    let work = work(sender);
    let mut progress = Progress {
        work: Some(Box::pin(async move { work.await.map_err(Into::into) })),
        receiver,
    };
    let first = match progress.next().await {
        Some(Step::Failed(failure)) => return Err(failure),
        Some(Step::Message(message)) => Some(line(&message)),
        None => None,
    };
    let rest = stream::unfold(progress, async |mut progress| {
        let line = match progress.next().await? {
            Step::Message(message) => line(&message),
            Step::Failed(failure) => line(&Message::error(failure.message)),
        };
        Some((line, progress))
    });
    let lines = futures_util::StreamExt::chain(stream::iter(first), rest);
    let mut response = Response::new(body::stream(lines));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

struct Progress {
    /// Nothing once it has ended.
    work: Option<Work>,
    receiver: mpsc::Receiver<Message>,
}

enum Step {
    Message(Box<Message>),
    Failed(Failure),
}

impl Progress {
    /// The next step: every message before the failure, the failure last.
    async fn next(&mut self) -> Option<Step> {
        let Some(work) = &mut self.work else {
            return None;
        };
        let result = tokio::select! {
            biased;
            message = self.receiver.recv() => match message {
                Some(message) => return Some(Step::Message(Box::new(message))),
                None => work.await,
            },
            result = &mut *work => result,
        };
        // What was sent in the same breath as the end is still to be told, before the end is.
        if let Ok(message) = self.receiver.try_recv() {
            self.work = Some(Box::pin(std::future::ready(result)));
            return Some(Step::Message(Box::new(message)));
        }
        self.work = None;
        result.err().map(Step::Failed)
    }
}

/// A message as a line, ended as Docker ends them.
fn line(message: &Message) -> io::Result<Bytes> {
    let mut text = serde_json::to_vec(message)?;
    text.extend_from_slice(b"\r\n");
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use model::api::progress::Message;

    use crate::failure::Failure;

    async fn text(messages: usize, end: Result<(), Failure>) -> Result<String, Failure> {
        let response = super::answer(|sender| async move {
            for number in 0..messages {
                sender
                    .send(Message::status(number.to_string()))
                    .await
                    .map_err(|_| Failure::bad_request("nobody reads"))?;
            }
            end
        })
        .await?;
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_failure_at_once_is_the_status() {
        let failure = Failure::bad_request("no");
        assert_eq!(text(0, Err(failure.clone())).await, Err(failure));
    }

    #[tokio::test]
    async fn a_later_failure_is_the_last_line() {
        let failure = Failure::bad_request("no");
        assert_eq!(
            text(2, Err(failure)).await.unwrap(),
            "{\"status\":\"0\"}\r\n{\"status\":\"1\"}\r\n{\"errorDetail\":{\"message\":\"no\"},\"error\":\"no\"}\r\n"
        );
    }

    #[tokio::test]
    async fn more_messages_than_fit_all_come() {
        let lines = text(1000, Ok(())).await.unwrap();
        assert_eq!(lines.lines().count(), 1000);
        assert_eq!(text(0, Ok(())).await.unwrap(), "");
    }
}
