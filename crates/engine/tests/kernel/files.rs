//! Files of containers read and written from outside, and their logs.

use std::io::Read as _;
use std::path::Path;

use engine::error::{Error, Kind};
use futures_util::StreamExt as _;
use model::api::container::{ArchivePutOptions, LogsOptions};
use serde_json::json;

use crate::computer::Computer;

/// What `archive_get` gives: names, and the contents of files.
fn get(computer: &Computer, id: &str, path: &str) -> Result<Vec<(String, String)>, Error> {
    computer.wait(async {
        let (_, stream) = computer.engine().archive_get(id, path).await?;
        let chunks: Vec<_> = stream.collect().await;
        let chunks: Result<Vec<_>, _> = chunks.into_iter().collect();
        // What was there may be gone when it is read.
        let bytes = chunks.map_err(|error| Error::io("read", error))?.concat();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entries = archive.entries().unwrap();
        Ok(entries
            .map(|entry| {
                let mut entry = entry.unwrap();
                let name = entry.path().unwrap().display().to_string();
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                (name, text)
            })
            .collect())
    })
}

fn put(computer: &Computer, id: &str, path: &str, name: &str, text: &str) -> Result<(), Error> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    archive
        .append_data(&mut header, name, text.as_bytes())
        .unwrap();
    let bytes = std::io::Cursor::new(archive.into_inner().unwrap());
    let options = ArchivePutOptions {
        path: path.to_owned(),
        ..ArchivePutOptions::default()
    };
    computer.wait(computer.engine().archive_put(id, options, bytes))
}

#[track_caller]
fn check(computer: &Computer, id: &str, path: &str, expect: &[(&str, &str)]) {
    let found = get(computer, id, path).unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    assert_eq!(found, expect, "{path}");
}

#[test]
fn files_go_in_and_out_whether_it_runs_or_not() {
    let computer = Computer::new();
    let spec = json!({
        "Cmd": ["sleep", "1000"],
        "HostConfig": {"NetworkMode": "none", "Binds": ["data:/data", "sealed:/sealed:ro"]},
    });
    let id = computer.create("one", spec);
    for round in ["stopped", "running"] {
        let error = put(&computer, &id, "/none", "file", round).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        put(&computer, &id, "/tmp", "file", round).unwrap();
        put(&computer, &id, "/data", "file", round).unwrap();
        check(&computer, &id, "/tmp/file", &[("file", round)]);
        check(&computer, &id, "/data/file", &[("file", round)]);
        let error = put(&computer, &id, "/sealed", "file", round).unwrap_err();
        assert_eq!(error.kind(), Kind::Forbidden, "{error}");
        let error = put(&computer, &id, "/tmp/file", "file", round).unwrap_err();
        assert_eq!(error.kind(), Kind::BadParameter, "{error}");
        let error = get(&computer, &id, "/none").unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        let stat = computer.wait(computer.engine().archive_stat(&id, "/tmp/"));
        assert_eq!(stat.unwrap().mode, 1 << 31 | 1 << 20 | 0o777);
        if round == "stopped" {
            computer.start(&id);
        }
    }
    let volume = computer.data_root().join("volumes/data/_data/file");
    assert_eq!(std::fs::read_to_string(volume).unwrap(), "running");
    let (_, seen) = computer.exec(&id, &["cat", "/tmp/file", "/data/file"]);
    assert_eq!(seen, "runningrunning");
}

#[test]
fn a_read_only_root_is_not_written_to() {
    let computer = Computer::new();
    let spec = json!({
        "Cmd": ["sleep", "1000"],
        "HostConfig": {"NetworkMode": "none", "ReadonlyRootfs": true, "Binds": ["data:/data"]},
    });
    let id = computer.create("one", spec);
    for _ in ["stopped", "running"] {
        let error = put(&computer, &id, "/tmp", "file", "x").unwrap_err();
        assert_eq!(error.kind(), Kind::Forbidden, "{error}");
        put(&computer, &id, "/data", "file", "x").unwrap();
        // The second time it runs already.
        drop(computer.wait(computer.engine().start_container(&id)));
    }
}

#[test]
fn links_lead_nowhere_but_into_the_container() {
    let computer = Computer::new();
    let secret = computer.path("secret");
    std::fs::create_dir(&secret).unwrap();
    std::fs::write(secret.join("file"), "the host's").unwrap();
    let host = secret.display();
    // A program that swaps a directory for a link out of the container as fast as it can.
    let command = format!(
        "mkdir -p /a /b; echo own > /a/file; ln -s {host} /out; ln -s ../../../../../../..{host} /up; \
         while true; do mv /a /c; ln -s {host} /a; rm /a; mv /c /a; done"
    );
    let id = computer.create_shell("one", &command);
    computer.start(&id);
    while computer.exec(&id, &["test", "-L", "/up"]).0 != 0 {}
    for path in ["/out/file", "/up/file"] {
        let error = get(&computer, &id, path).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound, "{path}");
    }
    for _ in 0..200 {
        if let Ok(found) = get(&computer, &id, "/a/file") {
            assert_eq!(found, [("file".to_owned(), "own\n".to_owned())]);
        }
        drop(put(&computer, &id, "/a", "written", "x"));
    }
    assert!(!secret.join("written").exists());
    let engine = computer.engine();
    computer.wait(engine.kill_container(&id, None)).unwrap();
    computer.until(&id, |now| !now.state.running);
    for path in ["/out", "/up"] {
        let error = put(&computer, &id, path, "written", "x").unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound, "{path}");
    }
    assert!(!secret.join("written").exists());
}

#[test]
fn changes_are_told_and_committed() {
    let computer = Computer::new();
    let id = computer.create_shell("one", "mkdir /new; echo x > /new/file; rm /etc/group");
    computer.start(&id);
    computer.until(&id, |now| now.state.status == "exited");
    let engine = computer.engine();
    let changes = computer.wait(engine.container_changes(&id)).unwrap();
    let changes: Vec<_> = changes
        .iter()
        .map(|change| (change.kind, change.path.as_str()))
        .collect();
    assert_eq!(
        changes,
        [
            (0, "/etc"),
            (2, "/etc/group"),
            (1, "/new"),
            (1, "/new/file")
        ]
    );
    let options = model::api::container::CommitOptions {
        container: id.clone(),
        repository: Some("made".to_owned()),
        changes: vec!["CMD [\"cat\", \"/new/file\"]".to_owned()],
        ..Default::default()
    };
    computer.wait(engine.commit_container(options)).unwrap();
    let (code, output) =
        computer.run(json!({"Image": "made", "HostConfig": {"NetworkMode": "none"}}));
    assert_eq!((code, output.as_str()), (0, "x\n"));
    let (code, _) = computer.run(json!({
        "Image": "made", "Cmd": ["test", "-e", "/etc/group"], "HostConfig": {"NetworkMode": "none"}
    }));
    assert_eq!(code, 1);
    let exported = computer.wait(async {
        let stream = engine.export_container(&id).await.unwrap();
        let chunks: Vec<_> = stream.map(Result::unwrap).collect().await;
        chunks.concat()
    });
    let mut exported = tar::Archive::new(exported.as_slice());
    let paths: Vec<_> = exported
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().into_owned())
        .collect();
    assert!(paths.iter().any(|path| path == Path::new("new/file")));
    assert!(!paths.iter().any(|path| path == Path::new("etc/group")));
}

#[test]
fn a_log_is_followed_to_the_containers_end() {
    let computer = Computer::new();
    let command = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; echo end >&2";
    let id = computer.create(
        "one",
        json!({
            "Cmd": ["sh", "-c", command],
            "HostConfig": {
                "NetworkMode": "none",
                "LogConfig": {"Type": "json-file", "Config": {"max-size": "20k", "max-file": "30"}},
            },
        }),
    );
    computer.start(&id);
    let read = |options: LogsOptions| {
        computer.wait(async {
            let logs = computer.engine().container_logs(&id, &options).await;
            let chunks: Vec<_> = logs.unwrap().chunks.map(Result::unwrap).collect().await;
            chunks.concat()
        })
    };
    let all = LogsOptions {
        stdout: true,
        stderr: true,
        follow: true,
        ..LogsOptions::default()
    };
    let lines = |frames: &[u8]| {
        let mut lines = Vec::new();
        let mut left = frames;
        while let [stream, 0, 0, 0, a, b, c, d, rest @ ..] = left {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            lines.push((*stream, String::from_utf8(rest[..length].to_vec()).unwrap()));
            left = &rest[length..];
        }
        lines
    };
    let followed = lines(&read(all.clone()));
    let expected = (0..2000).map(|number| (1, format!("line {number}\n")));
    let expected: Vec<_> = expected.chain([(2, "end\n".to_owned())]).collect();
    // The two streams are two pipes: where they meet is not said.
    let of = |wanted: u8, lines: &[(u8, String)]| -> Vec<String> {
        let of_stream = lines.iter().filter(|(stream, _)| *stream == wanted);
        of_stream.map(|(_, text)| text.clone()).collect()
    };
    for stream in [1, 2] {
        assert_eq!(of(stream, &followed), of(stream, &expected));
    }
    let tail = LogsOptions {
        tail: Some(1),
        follow: false,
        ..all
    };
    assert_eq!(lines(&read(tail)).len(), 1);
}
