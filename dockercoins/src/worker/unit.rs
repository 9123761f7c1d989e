//! One unit of work: wait, get bytes, have them hashed, see whether the hash is a coin. It must never
//! trust an answer: what goes into the wallet is checked here first.

use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::StatusCode;
use ping::{Answer, ExchangeError, LookupError};
use sha2::{Digest, Sha256};

use super::services::{Lane, Services};
use crate::burn::burn;
use crate::datastore::Coin;
use crate::delay;

/// How a unit of work goes.
#[derive(Clone, Debug)]
pub(super) struct UnitSettings {
    pub(super) delay: Duration,
    pub(super) burn: Duration,
    pub(super) chunk_bytes: usize,
    pub(super) coin_prefix: String,
}

/// Why a unit of work was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnitError {
    #[error("{service} cannot be found")]
    Lookup {
        service: &'static str,
        source: LookupError,
    },
    #[error("{service} fails")]
    Exchange {
        service: &'static str,
        source: ExchangeError,
    },
    #[error("{service} answers {status}{said}", said = quoted(.body))]
    Status {
        service: &'static str,
        status: StatusCode,
        body: Bytes,
    },
    #[error("rng gave {got} bytes where {wanted} were asked for")]
    Bytes { got: usize, wanted: usize },
    #[error("hasher gave no SHA-256 hash but \"{}\"", .0.escape_debug())]
    NoHash(String),
    #[error("hasher gave {got} for bytes whose SHA-256 is {right}")]
    WrongHash { got: String, right: String },
}

impl UnitError {
    /// The service that the error is of.
    pub(super) fn service(&self) -> &'static str {
        match self {
            Self::Lookup { service, .. }
            | Self::Exchange { service, .. }
            | Self::Status { service, .. } => service,
            Self::Bytes { .. } => "rng",
            Self::NoHash(_) | Self::WrongHash { .. } => "hasher",
        }
    }

    /// What to do about it.
    pub(super) fn hint(&self) -> String {
        let service = self.service();
        match self {
            Self::Lookup { .. } => "is a service of that name on this network?".to_owned(),
            Self::Exchange {
                source: ExchangeError::Connect { .. } | ExchangeError::ConnectTimeout { .. },
                ..
            } => format!("is {service} running?"),
            Self::Exchange {
                source: ExchangeError::AnswerTimeout { .. },
                ..
            } => format!("{service} has too much to do, or hangs: try `dockercoins ping` on it"),
            Self::Exchange { .. } | Self::Status { .. } => format!("see the log of {service}"),
            Self::Bytes { .. } | Self::NoHash(_) | Self::WrongHash { .. } => {
                format!("is something else answering in place of {service}?")
            }
        }
    }
}

/// Does one unit, and returns the coin if it gave one.
pub(super) async fn work_once(
    services: &Services,
    lane: &mut Lane,
    settings: &UnitSettings,
) -> Result<Option<Coin>, UnitError> {
    delay(settings.delay).await;
    burn(settings.burn).await;
    let bytes = random_bytes(
        services
            .rng
            .get(&mut lane.rng, settings.chunk_bytes)
            .await?,
        settings,
    )?;
    let answer = services
        .hasher
        .post(&mut lane.hasher, bytes.clone())
        .await?;
    let hash = hash(answer)?;
    if hash.starts_with(&settings.coin_prefix) {
        coin(hash, bytes).map(Some)
    } else {
        Ok(None)
    }
}

fn random_bytes(answer: Answer, settings: &UnitSettings) -> Result<Bytes, UnitError> {
    let body = successful("rng", answer)?;
    if body.len() == settings.chunk_bytes {
        Ok(body)
    } else {
        Err(UnitError::Bytes {
            got: body.len(),
            wanted: settings.chunk_bytes,
        })
    }
}

fn hash(answer: Answer) -> Result<String, UnitError> {
    let body = successful("hasher", answer)?;
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let text = String::from_utf8_lossy(&body).into_owned();
    if body.len() == 64 && body.iter().all(digit) {
        Ok(text)
    } else {
        Err(UnitError::NoHash(text))
    }
}

/// A coin enters the wallet only if it is one.
fn coin(hash: String, bytes: Bytes) -> Result<Coin, UnitError> {
    let right = HEXLOWER.encode(&Sha256::digest(&bytes));
    if hash == right {
        Ok(Coin { hash, bytes })
    } else {
        Err(UnitError::WrongHash { got: hash, right })
    }
}

fn successful(service: &'static str, answer: Answer) -> Result<Bytes, UnitError> {
    if answer.status == StatusCode::OK {
        Ok(answer.body)
    } else {
        Err(UnitError::Status {
            service,
            status: answer.status,
            body: answer.body,
        })
    }
}

/// The first line of what a service said, if that can be shown.
fn quoted(body: &Bytes) -> String {
    let text = String::from_utf8_lossy(body);
    match text.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() && line.chars().all(|c| !c.is_control()) => {
            format!(", \"{line}\"")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            head_bytes: 0,
            body: Bytes::copy_from_slice(body.as_bytes()),
            took: Duration::ZERO,
        }
    }

    #[track_caller]
    fn check(result: Result<impl std::fmt::Debug, UnitError>, expect: &str) {
        assert_eq!(result.unwrap_err().to_string(), expect);
    }

    #[test]
    fn answers_are_not_trusted() {
        let settings = UnitSettings {
            delay: Duration::ZERO,
            burn: Duration::ZERO,
            chunk_bytes: 3,
            coin_prefix: "0".into(),
        };
        assert_eq!(random_bytes(answer(200, "abc"), &settings).unwrap(), "abc");
        check(
            random_bytes(answer(200, "ab"), &settings),
            "rng gave 2 bytes where 3 were asked for",
        );
        check(
            random_bytes(answer(500, "out of entropy\nmore"), &settings),
            "rng answers 500 Internal Server Error, \"out of entropy\"",
        );
        check(
            hash(answer(200, "nothing")),
            "hasher gave no SHA-256 hash but \"nothing\"",
        );
        check(hash(answer(404, "")), "hasher answers 404 Not Found");
        let upper = "A".repeat(64);
        check(
            hash(answer(200, &upper)),
            &format!("hasher gave no SHA-256 hash but \"{upper}\""),
        );
        hash(answer(200, &"0".repeat(64))).unwrap();
    }

    #[test]
    fn only_true_coins_are_kept() {
        let right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let bytes = Bytes::from_static(b"abc");
        assert_eq!(coin(right.into(), bytes.clone()).unwrap().hash, right);
        let wrong = coin("0".repeat(64), bytes).unwrap_err();
        assert!(matches!(wrong, UnitError::WrongHash { .. }));
        assert_eq!(wrong.service(), "hasher");
    }
}
