//! A log read through and followed.

use std::fs;
use std::io::Write as _;

use jiff::Timestamp;
use model::api::container::LogsOptions;
use tokio::sync::{mpsc, oneshot};

use super::{Framing, stream};

fn line(text: &str, stream: &str, second: u32) -> String {
    format!(
        r#"{{"log":"{text}\n","stream":"{stream}","time":"2024-05-01T12:00:{second:02}.000000001Z"}}"#
    ) + "\n"
}

fn all() -> LogsOptions {
    LogsOptions {
        stdout: true,
        stderr: true,
        ..LogsOptions::default()
    }
}

async fn collect(mut chunks: mpsc::Receiver<std::io::Result<bytes::Bytes>>) -> String {
    let mut all = Vec::new();
    while let Some(chunk) = chunks.recv().await {
        all.extend_from_slice(&chunk.unwrap());
    }
    String::from_utf8(all).unwrap()
}

#[tokio::test]
async fn a_log_is_read_between_two_moments() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c-json.log");
    let lines: String = (0..10).map(|n| line(&n.to_string(), "stdout", n)).collect();
    fs::write(&path, lines).unwrap();
    // Noon of that day.
    let second = |number: i64| Timestamp::from_second(1_714_564_800 + number).ok();
    let options = LogsOptions {
        since: second(3),
        until: second(6),
        ..all()
    };
    let log = collect(stream(&path, options, Framing::Raw, std::future::pending())).await;
    assert_eq!(log, "3\n4\n5\n");
}

#[tokio::test]
async fn a_follower_gets_what_is_written_until_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c-json.log");
    fs::write(&path, line("0", "stdout", 0) + &line("1", "stdout", 1)).unwrap();
    let (end, ended) = oneshot::channel::<()>();
    let options = LogsOptions {
        follow: true,
        tail: Some(1),
        ..all()
    };
    let mut chunks = stream(&path, options, Framing::Raw, async {
        drop(ended.await);
    });
    assert_eq!(chunks.recv().await.unwrap().unwrap(), "1\n");
    let mut file = fs::File::options().append(true).open(&path).unwrap();
    file.write_all(line("2", "stderr", 2).as_bytes()).unwrap();
    assert_eq!(chunks.recv().await.unwrap().unwrap(), "2\n");
    // Rotated, and written to on both sides of it.
    file.write_all(line("3", "stdout", 3).as_bytes()).unwrap();
    fs::rename(&path, folder.path().join("c-json.log.1")).unwrap();
    fs::write(&path, line("4", "stdout", 4)).unwrap();
    end.send(()).unwrap();
    assert_eq!(collect(chunks).await, "3\n4\n");
}

#[tokio::test]
async fn a_follower_that_goes_ends_the_reading() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c-json.log");
    fs::write(&path, "").unwrap();
    let (held, holder) = oneshot::channel::<()>();
    let options = LogsOptions {
        follow: true,
        ..all()
    };
    let chunks = stream(&path, options, Framing::Raw, async move {
        let _held = held;
        std::future::pending::<()>().await;
    });
    drop(chunks);
    assert!(holder.await.is_err());
}
