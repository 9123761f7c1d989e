//! The client against a server that says exactly what a test has it say, over a socket in a folder of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::JoinHandle;

use client::{Client, Endpoint, Error, Request, Settings};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What a server does with one connection.
type Conversation = fn(UnixStream);

/// Serves each conversation on one connection, in turn.
fn serve(conversations: Vec<Conversation>) -> (TempDir, Endpoint, JoinHandle<()>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let serving = std::thread::spawn(move || {
        for conversation in conversations {
            conversation(listener.accept().unwrap().0);
        }
    });
    (folder, Endpoint::Unix(path), serving)
}

fn client(endpoint: Endpoint) -> Client {
    Client::new(endpoint, Settings::default()).unwrap()
}

/// Reads the head of a request and returns its first line.
fn head(reader: &mut BufReader<&UnixStream>) -> String {
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap() > 2 {
        line.clear();
    }
    first.trim().to_owned()
}

fn pinged(stream: &UnixStream, reader: &mut BufReader<&UnixStream>, version: &str) {
    assert_eq!(head(reader), "HEAD /_ping HTTP/1.1");
    let answer = format!(
        "HTTP/1.1 200 OK\r\nApi-Version: {version}\r\nOSType: linux\r\nContent-Length: 2\r\n\r\n"
    );
    (&*stream).write_all(answer.as_bytes()).unwrap();
}

fn answer(mut stream: &UnixStream, status: &str, body: &str) {
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn the_version_is_agreed_on_and_the_connection_kept() {
    let (_folder, endpoint, serving) = serve(vec![|stream| {
        let mut reader = BufReader::new(&stream);
        pinged(&stream, &mut reader, "1.41");
        assert_eq!(
            head(&mut reader),
            "GET /v1.41/containers/json?all=1&filters=a%20b HTTP/1.1"
        );
        answer(&stream, "200 OK", "[1]");
        assert_eq!(head(&mut reader), "GET /v1.41/containers/x/json HTTP/1.1");
        answer(
            &stream,
            "404 Not Found",
            "{\"message\":\"No such container: x\"}",
        );
    }]);
    let client = client(endpoint);
    let request = Request::get("/containers/json")
        .flag("all", true)
        .query("filters", "a b");
    let found: Vec<u8> = client.send(request).await.unwrap().json().await.unwrap();
    assert_eq!(found, [1]);
    let error = client
        .send(Request::get("/containers/x/json"))
        .await
        .unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(
        error.to_string(),
        "Error response from daemon: No such container: x"
    );
    serving.join().unwrap();
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_made_anew() {
    fn one(stream: UnixStream) {
        let mut reader = BufReader::new(&stream);
        assert_eq!(head(&mut reader), "GET /version HTTP/1.1");
        answer(&stream, "200 OK", "{}");
    }
    let (_folder, endpoint, serving) = serve(vec![one, one]);
    let client = client(endpoint);
    for _ in 0..2 {
        let request = Request::get("/version").unversioned();
        client.send(request).await.unwrap().bytes().await.unwrap();
    }
    serving.join().unwrap();
}

#[tokio::test]
async fn a_connection_taken_over_closes_one_way_at_a_time() {
    let (_folder, endpoint, serving) = serve(vec![|mut stream| {
        let mut reader = BufReader::new(&stream);
        assert_eq!(head(&mut reader), "POST /attach HTTP/1.1");
        // The answer and the first bytes of the stream in one.
        let upgraded =
            b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhello ";
        (&stream).write_all(upgraded).unwrap();
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        stream.write_all(said.to_uppercase().as_bytes()).unwrap();
    }]);
    let client = client(endpoint);
    let (mut stream, _) = client
        .hijack(Request::post("/attach").unversioned())
        .await
        .unwrap();
    stream.write_all(b"world").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "hello WORLD");
    serving.join().unwrap();
}

#[tokio::test]
async fn messages_come_one_by_one() {
    let (_folder, endpoint, serving) = serve(vec![|mut stream| {
        let mut reader = BufReader::new(&stream);
        head(&mut reader);
        let pieces = [
            "7\r\n{\"a\":1}\r\n",
            "6\r\n\r\n{\"a\"\r\n",
            "3\r\n:2}\r\n",
            "0\r\n\r\n",
        ];
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        for piece in pieces {
            stream.write_all(piece.as_bytes()).unwrap();
        }
    }]);
    let answer = client(endpoint)
        .send(Request::get("/events").unversioned())
        .await
        .unwrap();
    let mut messages = answer.messages();
    let mut found = Vec::new();
    while let Some(message) = messages.next::<serde_json::Value>().await.unwrap() {
        found.push(message["a"].clone());
    }
    assert_eq!(found, [1, 2]);
    serving.join().unwrap();
}

#[tokio::test]
async fn no_engine_is_told_with_its_address() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.sock");
    let error = client(Endpoint::Unix(path.clone()))
        .ping()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "Cannot connect to the Docker daemon at unix://{}. Is the docker daemon running?",
            path.display()
        )
    );
}
