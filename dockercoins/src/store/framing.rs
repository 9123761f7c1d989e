//! Where one request ends and the next begins. The protocol crate decodes requests; this looks ahead at
//! lengths alone, so that a request is decoded once and whole, however many pieces it comes in, and so
//! that no client can make the decoder recurse (arrays in arrays) or reserve (huge counts) without bound.
//! Pure; it must never look inside an argument.

/// The longest request: thousands of coins at once, and far from what a process has.
pub(super) const LONGEST_REQUEST: usize = 4 * 1024 * 1024;
/// The most arguments of a request.
const MOST_ARGUMENTS: usize = 65_536;
/// The longest line: a length, or a command typed by hand.
const LONGEST_LINE: usize = 4096;

/// What the buffer begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Nothing whole yet.
    Incomplete,
    /// A request as clients send it, an array of strings, of so many bytes.
    Request(usize),
    /// A line as a person types it, of so many bytes with its end.
    Line(usize),
}

/// Why the bytes are no request. The texts are Redis's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FramingError {
    #[error("Protocol error: invalid multibulk length")]
    Count,
    #[error("Protocol error: invalid bulk length")]
    Length,
    #[error("Protocol error: expected '$'")]
    NotAString,
    #[error("Protocol error: too big inline request")]
    Line,
    #[error("Protocol error: too big mbulk count string")]
    Request,
}

/// How far the first frame of the buffer reaches.
pub(super) fn frame(buffer: &[u8]) -> Result<Frame, FramingError> {
    if buffer.is_empty() {
        return Ok(Frame::Incomplete);
    }
    let Some((first, mut at)) = line(buffer, 0)? else {
        return Ok(Frame::Incomplete);
    };
    let Some(count) = first.strip_prefix(b"*") else {
        return Ok(Frame::Line(at));
    };
    let count = number(count)
        .filter(|count| *count <= MOST_ARGUMENTS)
        .ok_or(FramingError::Count)?;
    for _ in 0..count {
        let Some((header, body)) = line(buffer, at)? else {
            return Ok(Frame::Incomplete);
        };
        let length = header.strip_prefix(b"$").ok_or(FramingError::NotAString)?;
        let length = number(length)
            .filter(|length| *length <= LONGEST_REQUEST)
            .ok_or(FramingError::Length)?;
        at = body + length + 2;
        if at > LONGEST_REQUEST {
            return Err(FramingError::Request);
        }
        if at > buffer.len() {
            return Ok(Frame::Incomplete);
        }
    }
    Ok(Frame::Request(at))
}

/// The line that begins at `from`, without its end, and where the next begins.
fn line(buffer: &[u8], from: usize) -> Result<Option<(&[u8], usize)>, FramingError> {
    let rest = buffer.get(from..).unwrap_or_default();
    match rest
        .iter()
        .take(LONGEST_LINE)
        .position(|byte| *byte == b'\n')
    {
        Some(end) => {
            let text = &rest[..end];
            Ok(Some((
                text.strip_suffix(b"\r").unwrap_or(text),
                from + end + 1,
            )))
        }
        None if rest.len() >= LONGEST_LINE => Err(FramingError::Line),
        None => Ok(None),
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(digits).ok()?;
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(bytes: &str, expect: Result<Frame, FramingError>) {
        assert_eq!(frame(bytes.as_bytes()), expect, "{bytes:?}");
    }

    #[test]
    fn requests_and_lines() {
        let get = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
        check(get, Ok(Frame::Request(get.len())));
        check(&format!("{get}*1"), Ok(Frame::Request(get.len())));
        check("PING\r\nx", Ok(Frame::Line(6)));
        check("PING\n", Ok(Frame::Line(5)));
        check("*0\r\n", Ok(Frame::Request(4)));
        for end in 0..get.len() {
            check(&get[..end], Ok(Frame::Incomplete));
        }
    }

    #[test]
    fn hostile_lengths_are_refused_before_anything_is_reserved() {
        check("*99999999999999999999\r\n", Err(FramingError::Count));
        check("*2147483647\r\n", Err(FramingError::Count));
        check("*-1\r\n", Err(FramingError::Count));
        check("*1\r\n$-5\r\n", Err(FramingError::Length));
        check("*1\r\n$1000000000\r\n", Err(FramingError::Length));
        check("*1\r\n*1\r\n*1\r\n", Err(FramingError::NotAString));
        check("*2\r\n$4000000\r\n", Ok(Frame::Incomplete));
        check(&"x".repeat(LONGEST_LINE), Err(FramingError::Line));
        let two_halves = format!(
            "*2\r\n$3000000\r\n{}\r\n$3000000\r\n",
            "x".repeat(3_000_000)
        );
        check(&two_halves, Err(FramingError::Request));
    }

    proptest! {
        #[test]
        fn never_reaches_past_the_buffer(bytes in proptest::collection::vec(prop_oneof![
            Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), b'0'..=b'9', any::<u8>()
        ], 0..60)) {
            if let Ok(Frame::Request(end) | Frame::Line(end)) = frame(&bytes) {
                prop_assert!(end <= bytes.len());
            }
        }
    }
}
