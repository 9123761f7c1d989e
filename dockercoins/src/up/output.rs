//! The lines of a child, each behind its prefix. It must never hold a line without bound, nor let a child
//! write to the terminal other than in whole lines.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use crate::log::Log;

/// Longer lines are broken up.
const LONGEST_LINE: u64 = 8 * 1024;

/// Passes lines on until the child closes its end.
pub(super) async fn pass_on(from: impl AsyncRead + Unpin, prefix: String, log: Log) {
    let mut lines = BufReader::with_capacity(1024, from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut lines)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
            .await
        {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                log.line(format!("{prefix}{}", text.trim_end_matches(['\n', '\r'])));
            }
        }
    }
}
