//! What befalls an engine: a disk that is full, requests that nobody should send.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not as it expects"
)]

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    time::Duration,
};

use blackbox::{
    api::Api,
    command::{installed, run},
    engine::{CLIENT_LIMIT, Engine as _},
    essaim_engine::EssaimEngine,
    sandbox::Sandbox,
};
use serde_json::Value;

#[test]
fn a_full_disk_is_told_and_can_be_emptied() {
    let sandbox = Sandbox::new("essaim");
    let data = sandbox.folder().join("data");
    fs::create_dir(&data).unwrap();
    // A file system of its own, in the sandbox' mounts alone, and gone with them.
    let mut mount = sandbox.enter("mount");
    mount
        .args(["-t", "tmpfs", "-o", "size=48m", "tmpfs"])
        .arg(&data);
    run(&mut mount, CLIENT_LIMIT).success();
    let mut engine = EssaimEngine::start(sandbox, &[]);
    engine.load(&["busybox"]);
    engine.docker(&["run", "-d", "--name", "stays", "busybox", "sleep", "1000"]);
    let fill = [
        "run",
        "--name",
        "fills",
        "busybox",
        "sh",
        "-c",
        "cat /dev/zero > /file",
    ];
    let answer = run(
        engine.client(installed("docker", "docker.io")).args(fill),
        CLIENT_LIMIT,
    );
    assert!(
        answer.stderr.contains("No space left on device"),
        "{answer:?}"
    );

    // Nothing more can be kept, and whoever asks is told so.
    let archive = blackbox::debian_image::archive("nginx");
    let load = ["load", "-i", archive.to_str().unwrap()];
    let answer = run(
        engine.client(installed("docker", "docker.io")).args(load),
        CLIENT_LIMIT,
    );
    assert!(!answer.status.success(), "{answer:?}");
    let said = answer.stderr.to_lowercase();
    assert!(said.contains("no space left on device"), "{answer:?}");
    engine.kill();
    engine.start_again();
    assert_eq!(engine.docker(&["exec", "stays", "echo", "lives"]), "lives");

    engine.docker(&["rm", "-f", "fills"]);
    engine.docker(&["rm", "-f", "stays"]);
    assert_eq!(engine.docker(&["ps", "-aq"]), "");
    assert_eq!(
        engine.docker(&["run", "--rm", "busybox", "echo", "again"]),
        "again"
    );
}

/// What the daemon answers to bytes that are no client's: everything until it hangs up.
fn answer_to(engine: &EssaimEngine, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(engine.socket()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    // It may hang up before it has everything.
    let _sent = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ended = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(path: &str, content_type: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn requests_that_make_no_sense_are_refused_and_change_nothing() {
    const JSON: &str = "application/json";
    let engine = EssaimEngine::alone();
    engine.load(&["busybox"]);
    let long = format!("{{\"Image\":\"{}\"}}", "x".repeat(32 << 20));
    let deep = "[".repeat(100_000);
    let create = "/v1.41/containers/create";
    for (what, request, status) in [
        ("no JSON", post(create, JSON, "{\"Image\":"), "400"),
        ("another kind of JSON", post(create, JSON, "[1]"), "400"),
        (
            "another type of content",
            post(create, "text/plain", "{}"),
            "400",
        ),
        ("nothing", post(create, JSON, ""), "400"),
        ("no image", post(create, JSON, "{}"), "400"),
        ("a body without end", post(create, JSON, &long), "4"),
        ("a deep document", post(create, JSON, &deep), "400"),
        (
            "a name that is none",
            post(
                "/v1.41/containers/create?name=../up",
                JSON,
                "{\"Image\":\"busybox\"}",
            ),
            "400",
        ),
        (
            "an option that nobody knows how to meet",
            post(
                create,
                JSON,
                "{\"Image\":\"busybox\",\"HostConfig\":{\"Memory\":-7}}",
            ),
            "400",
        ),
        (
            "chunks that are none",
            format!(
                "POST {create} HTTP/1.1\r\nHost: d\r\nContent-Type: {JSON}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
            ),
            "400",
        ),
        (
            "a version to come",
            post("/v1.99/containers/create", JSON, "{}"),
            "400",
        ),
        (
            "a version that was",
            post("/v1.2/containers/create", JSON, "{}"),
            "400",
        ),
        ("nowhere", post("/v1.41/nowhere", JSON, "{}"), "404"),
        (
            "an archive that is none",
            post("/v1.41/images/load", "application/x-tar", "no tar"),
            "",
        ),
        (
            "no HTTP at all",
            "\u{1}\u{2}\u{3}\r\n\r\n".to_owned(),
            "400",
        ),
    ] {
        let answer = answer_to(&engine, request.as_bytes());
        let found = answer.split(' ').nth(1).unwrap_or_default();
        assert!(
            found.starts_with(status) && !found.starts_with('5'),
            "{what}: {answer}"
        );
    }
    assert_eq!(engine.docker(&["ps", "-aq"]), "");
    assert_eq!(
        engine.docker(&["images", "--format", "{{.Repository}}"]),
        "busybox"
    );
    let mut api = Api::connect(&engine.socket()).unwrap();
    let version = api.json("GET", "/version", &Value::Null);
    assert_eq!(version["ApiVersion"], "1.50");
}
