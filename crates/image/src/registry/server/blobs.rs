//! Blobs: whole, in parts, removed.

use std::io::SeekFrom;

use axum::body::Body;
use axum::response::Response;
use bytes::BytesMut;
use futures_util::stream;
use http::{HeaderMap, StatusCode, header};
use model::digest::Digest;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::Registry;
use super::answer::{Code, Refusal};
use super::route::Name;

/// Read from a file and sent at once.
const PIECE: usize = 128 * 1024;

pub(super) async fn get(
    registry: &Registry,
    name: Name,
    digest: Digest,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let size = registry
        .on_storage(move |storage| Ok(storage.blob_size(&name, digest)?))
        .await?
        .ok_or_else(unknown)?;
    let range = headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok())
        .map(|text| part(text, size));
    let mut response = Response::builder()
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::ACCEPT_RANGES, "bytes")
        .header("docker-content-digest", digest.to_string());
    let (start, length) = match range {
        None | Some(Part::Whole) => (0, size),
        Some(Part::From(start, end)) => {
            response = response
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_RANGE, format!("bytes {start}-{end}/{size}"));
            (start, end + 1 - start)
        }
        Some(Part::Outside) => {
            return Err(Refusal::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                Code::SizeInvalid,
                format!("the blob has {size} bytes"),
            ));
        }
    };
    let path = registry.storage().blob_path(digest);
    let mut file = tokio::fs::File::open(path).await.map_err(|_| unknown())?;
    if start > 0 {
        file.seek(SeekFrom::Start(start))
            .await
            .map_err(|error| Refusal::internal(error.to_string()))?;
    }
    let pieces = stream::try_unfold(file.take(length), |mut file| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        let count = file.read_buf(&mut piece).await?;
        Ok::<_, std::io::Error>((count > 0).then(|| (piece.freeze(), file)))
    });
    response
        .header(header::CONTENT_LENGTH, length)
        .body(Body::from_stream(pieces))
        .map_err(|error| Refusal::internal(error.to_string()))
}

pub(super) async fn delete(
    registry: &Registry,
    name: Name,
    digest: Digest,
) -> Result<Response, Refusal> {
    let removed = registry
        .on_storage(move |storage| Ok(storage.unlink_blob(&name, digest)?))
        .await?;
    if removed {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::ACCEPTED;
        Ok(response)
    } else {
        Err(unknown())
    }
}

fn unknown() -> Refusal {
    Refusal::not_found(Code::BlobUnknown, "blob unknown to registry")
}

/// Which part of a blob is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    /// First and last byte.
    From(u64, u64),
    Outside,
}

/// Reads a range; of several, or in other units, the whole is given, as the protocol allows.
fn part(text: &str, size: u64) -> Part {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Part::Whole;
    };
    let number = |text: &str| text.parse::<u64>().ok();
    match (number(first), last) {
        (Some(first), _) if first >= size => Part::Outside,
        (Some(first), "") => Part::From(first, size - 1),
        (Some(first), last) => match number(last) {
            Some(last) if last >= first => Part::From(first, last.min(size - 1)),
            _ => Part::Whole,
        },
        (None, _) => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, part};

    #[test]
    fn ranges_are_read() {
        for (text, expect) in [
            ("bytes=0-", Part::From(0, 9)),
            ("bytes=3-", Part::From(3, 9)),
            ("bytes=3-5", Part::From(3, 5)),
            ("bytes=3-50", Part::From(3, 9)),
            ("bytes=10-", Part::Outside),
            ("bytes=5-3", Part::Whole),
            ("bytes=-3", Part::Whole),
            ("bytes=1-2,4-5", Part::Whole),
            ("lines=1-2", Part::Whole),
        ] {
            assert_eq!(part(text, 10), expect, "{text}");
        }
    }
}
