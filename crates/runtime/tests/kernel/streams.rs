//! Standard streams: attach, terminals, floods, clients that misbehave.

use std::time::Duration;

use runtime::spec::LogFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Bench, patient, read_frames, read_until, run, write};

#[test]
fn output_comes_in_frames() {
    run(async {
        let bench = Bench::new(&["sh", "-c", "echo out; echo err >&2"]);
        let shim = bench.create().await;
        let mut both = patient(shim.attach(false, true, true)).await.unwrap();
        let mut errors = patient(shim.attach(false, false, true)).await.unwrap();
        patient(shim.start()).await.unwrap();
        assert_eq!(
            read_frames(&mut both).await,
            (b"out\n".to_vec(), b"err\n".to_vec())
        );
        assert_eq!(
            read_frames(&mut errors).await,
            (Vec::new(), b"err\n".to_vec())
        );
    });
}

#[test]
fn input_ends_with_the_first_client_if_it_is_to() {
    run(async {
        let mut bench = Bench::new(&["cat"]);
        (bench.spec.open_stdin, bench.spec.stdin_once) = (true, true);
        let shim = bench.create().await;
        let mut stream = patient(shim.attach(true, true, true)).await.unwrap();
        patient(shim.start()).await.unwrap();
        write(&mut stream, b"hello").await;
        stream.shutdown().await.unwrap();
        assert_eq!(read_frames(&mut stream).await.0, b"hello");
        assert_eq!(patient(shim.wait()).await.unwrap().code, 0);
    });
}

#[test]
fn input_stays_open_for_the_next_client() {
    run(async {
        let mut bench = Bench::new(&["cat"]);
        bench.spec.open_stdin = true;
        let shim = bench.start().await;
        for text in ["one\n", "two\n"] {
            let mut stream = patient(shim.attach(true, true, true)).await.unwrap();
            write(&mut stream, text.as_bytes()).await;
            read_until(&mut stream, text).await;
        }
        patient(shim.close_stdin()).await.unwrap();
        assert_eq!(patient(shim.wait()).await.unwrap().code, 0);
        assert_eq!(bench.logged(), "one\ntwo\n");
    });
}

#[test]
fn without_input_it_is_at_its_end() {
    run(async {
        let bench = Bench::new(&["cat"]);
        assert_eq!(bench.output().await, (0, String::new()));
    });
}

#[test]
fn a_real_terminal() {
    run(async {
        let script = "trap 'echo caught; exit 4' INT; test -t 0 && stty size; read line; stty size; echo $line; \
                      while :; do sleep 0.05; done";
        let mut bench = Bench::new(&["sh", "-c", script]);
        (bench.spec.process.tty, bench.spec.open_stdin) = (true, true);
        bench.spec.process.console_size = Some((24, 80));
        let shim = bench.create().await;
        let mut stream = patient(shim.attach(true, true, true)).await.unwrap();
        patient(shim.start()).await.unwrap();
        read_until(&mut stream, "24 80").await;
        patient(shim.resize(50, 132)).await.unwrap();
        write(&mut stream, b"word\n").await;
        // Once as the terminal's echo, once from the shell.
        let seen = read_until(&mut stream, "50 132\r\nword\r\n").await;
        assert!(
            seen.starts_with("\r\nword") || seen.contains("word\r\n50 132"),
            "{seen}"
        );
        write(&mut stream, b"\x03").await;
        read_until(&mut stream, "caught").await;
        assert_eq!(patient(shim.wait()).await.unwrap().code, 4);
    });
}

#[test]
fn a_gigabyte_goes_through_unharmed() {
    run(async {
        const CHUNK: usize = 1 << 20;
        // The whole gigabyte takes its time in an unoptimised shim; the optimised one is put to it by the black-box tests.
        const CHUNKS: usize = 24;
        let mut bench = Bench::new(&["cat"]);
        (bench.spec.open_stdin, bench.spec.stdin_once) = (true, true);
        bench.spec.log = None;
        let shim = bench.create().await;
        let stream = patient(shim.attach(true, true, true)).await.unwrap();
        patient(shim.start()).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let chunk = |number: usize| -> Vec<u8> {
            (0..CHUNK)
                .map(|place| u8::try_from((place * 31 + place / 251 + number * 7) % 256).unwrap())
                .collect()
        };
        let writing = tokio::spawn(async move {
            for number in 0..CHUNKS {
                writer.write_all(&chunk(number)).await.unwrap();
            }
            writer.shutdown().await.unwrap();
            writer
        });
        let (mut number, mut place, mut expect) = (0, 0, chunk(0));
        let mut head = [0; 8];
        let mut body = Vec::new();
        while patient(reader.read_exact(&mut head)).await.is_ok() {
            assert_eq!(head[0], 1);
            body.resize(
                u32::from_be_bytes(head[4..].try_into().unwrap()) as usize,
                0,
            );
            patient(reader.read_exact(&mut body)).await.unwrap();
            let mut rest = body.as_slice();
            while !rest.is_empty() {
                let count = rest.len().min(CHUNK - place);
                assert!(
                    rest[..count] == expect[place..place + count],
                    "byte {} is not what was sent",
                    number * CHUNK + place
                );
                (rest, place) = (&rest[count..], place + count);
                if place == CHUNK {
                    (number, place) = (number + 1, 0);
                    expect = chunk(number);
                }
            }
        }
        assert_eq!((number, place), (CHUNKS, 0));
        drop(writing.await.unwrap());
        assert_eq!(patient(shim.wait()).await.unwrap().code, 0);
    });
}

#[test]
fn a_client_that_does_not_read_holds_the_container_back_and_no_more() {
    run(async {
        let mut bench = Bench::new(&[
            "sh",
            "-c",
            "dd if=/dev/zero bs=64k count=100 2>/dev/null; echo through >&2",
        ]);
        bench.spec.log = None;
        let shim = bench.create().await;
        let lazy = patient(shim.attach(false, true, false)).await.unwrap();
        let mut errors = patient(shim.attach(false, false, true)).await.unwrap();
        patient(shim.start()).await.unwrap();
        // 6.4 MB don't fit a bound of one: the writer must come to a stop, with the shim's memory within bounds.
        let early =
            tokio::time::timeout(Duration::from_millis(500), read_frames(&mut errors)).await;
        assert!(early.is_err());
        drop(lazy);
        // With the client gone the container goes on.
        assert_eq!(read_frames(&mut errors).await.1, b"through\n");
        assert_eq!(patient(shim.wait()).await.unwrap().code, 0);
    });
}

#[test]
fn a_slow_client_does_not_delay_the_exit() {
    run(async {
        let bench = Bench::new(&[
            "sh",
            "-c",
            "dd if=/dev/zero bs=64k count=14 2>/dev/null; exit 3",
        ]);
        let shim = bench.create().await;
        let mut lazy = patient(shim.attach(false, true, true)).await.unwrap();
        patient(shim.start()).await.unwrap();
        assert_eq!(patient(shim.wait()).await.unwrap().code, 3);
        // And yet it gets everything.
        assert_eq!(read_frames(&mut lazy).await.0.len(), 14 * 65_536);
    });
}

#[test]
fn a_flood_is_kept_within_bounds() {
    run(async {
        let mut bench = Bench::new(&["sh", "-c", "seq 1 200000"]);
        let path = bench.folder.path().join("log");
        bench.spec.log = Some(LogFile {
            path: path.clone(),
            max_size: Some(100_000),
            max_files: 3,
        });
        assert_eq!(bench.run().await.code, 0);
        let mut text = String::new();
        for name in ["log.2", "log.1", "log"] {
            let file = std::fs::read_to_string(bench.folder.path().join(name)).unwrap();
            assert!(file.len() < 100_200, "{name} {}", file.len());
            text.push_str(&file);
        }
        assert!(!bench.folder.path().join("log.3").exists());
        // Whole lines, none missing from the first that is there to the last.
        let numbers: Vec<u32> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["log"]
                    .as_str()
                    .unwrap()
                    .trim()
                    .parse()
                    .unwrap()
            })
            .collect();
        assert_eq!(numbers.last(), Some(&200_000));
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
    });
}
