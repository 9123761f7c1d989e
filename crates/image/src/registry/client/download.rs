//! A blob fetched into a file, hashed on the way, taken up again where it broke off.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use model::digest::Digest;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::error::RegistryError;
use super::session::Session;
use crate::error::{Error, Result};
use crate::manifest::Descriptor;

/// How often a download is taken up again, and what is waited before; it doubles each time.
const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Pieces that wait to be written.
const WAITING: usize = 32;

/// What the writer is told.
enum Piece {
    Data(Bytes),
    /// It begins again.
    Restart,
}

/// Fetches a blob to `path`; `told` hears how much is there.
pub(super) async fn download(
    session: &Session<'_>,
    blob: &Descriptor,
    path: &Path,
    told: &(dyn Fn(u64) + Sync),
) -> Result<()> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let target: PathBuf = path.to_owned();
    let writer = tokio::task::spawn_blocking(move || write(&target, receiver));
    let fetched = fetch(session, blob, &sender, told).await;
    drop(sender);
    let written = writer.await.map_err(|_| Error::Stopped {
        what: "the thread that writes a download",
    })?;
    // A full disk ends the fetch too; what the writer says is the cause.
    let digest = written.map_err(|source| Error::file("write", path, source))?;
    fetched?;
    if digest == blob.digest {
        Ok(())
    } else {
        Err(Error::WrongDigest {
            what: "layer".to_owned(),
            expected: blob.digest,
            actual: digest,
        })
    }
}

async fn fetch(
    session: &Session<'_>,
    blob: &Descriptor,
    sender: &mpsc::Sender<Piece>,
    told: &(dyn Fn(u64) + Sync),
) -> Result<()> {
    let mut have = 0;
    let mut pause = FIRST_PAUSE;
    let mut attempts = 0;
    loop {
        let before = have;
        match fetch_from(session, blob, &mut have, sender, told).await {
            Ok(()) => return Ok(()),
            Err(error) if !error.is_passing() => return Err(error.into()),
            Err(error) => {
                // As long as it gets on, it may break off as often as it likes.
                attempts = if have > before { 1 } else { attempts + 1 };
                if attempts >= ATTEMPTS {
                    return Err(RegistryError::BrokeOff {
                        digest: blob.digest.to_string(),
                        attempts,
                        source: Box::new(error),
                    }
                    .into());
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

async fn fetch_from(
    session: &Session<'_>,
    blob: &Descriptor,
    have: &mut u64,
    sender: &mpsc::Sender<Piece>,
    told: &(dyn Fn(u64) + Sync),
) -> Result<(), RegistryError> {
    let url = session.url(&format!("blobs/{}", blob.digest))?;
    let mut headers = Vec::new();
    if *have > 0 {
        let range = format!("bytes={have}-");
        if let Ok(value) = HeaderValue::from_str(&range) {
            headers.push((header::RANGE, value));
        }
    }
    let mut answer = session.get(url, &headers).await?;
    let goes_on = answer.status() == StatusCode::PARTIAL_CONTENT
        && answer
            .header("content-range")
            .is_some_and(|range| range.starts_with(&format!("bytes {have}-")));
    if !goes_on {
        if *have > 0 {
            *have = 0;
            sender.send(Piece::Restart).await.ok();
        }
        if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE
            || answer.status() == StatusCode::PARTIAL_CONTENT
        {
            return Err(RegistryError::connection(
                &answer.method,
                &answer.url,
                std::io::Error::other("the server cannot go on where it broke off"),
            ));
        }
    }
    if !answer.status().is_success() {
        return Err(session.refusal(answer).await);
    }
    while let Some(piece) = answer.piece().await? {
        *have += piece.len() as u64;
        if *have > blob.size {
            return Err(RegistryError::TooLong { limit: blob.size });
        }
        if sender.send(Piece::Data(piece)).await.is_err() {
            // The writer has failed, and tells why.
            return Ok(());
        }
        told(*have);
    }
    if *have < blob.size {
        return Err(RegistryError::connection(
            &answer.method,
            &answer.url,
            std::io::ErrorKind::UnexpectedEof,
        ));
    }
    Ok(())
}

fn write(path: &Path, mut pieces: mpsc::Receiver<Piece>) -> std::io::Result<Digest> {
    let mut file = File::create_new(path)?;
    let mut hasher = Sha256::new();
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Data(data) => {
                hasher.update(&data);
                file.write_all(&data)?;
            }
            Piece::Restart => {
                hasher = Sha256::new();
                file.seek(SeekFrom::Start(0))?;
                file.set_len(0)?;
            }
        }
    }
    Ok(Digest::from_bytes(hasher.finalize().into()))
}
