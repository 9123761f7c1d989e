//! Processes that join a running container.

use std::path::PathBuf;

use runtime::seccomp;
use tokio::io::AsyncWriteExt;

use crate::harness::{Bench, patient, read_frames, read_until, run, write};

#[test]
fn a_process_joins() {
    run(async {
        let bench = Bench::new(&["sleep", "1000"]);
        let shim = bench.start().await;
        let mut spec = bench.exec(&["sh", "-c", "hostname; ps | grep -c 'sleep 1000'; pwd; echo err >&2; grep CapEff /proc/self/status; exit 5"]);
        spec.process.cwd = PathBuf::from("/tmp");
        spec.process.seccomp = Some(seccomp::default_profile(spec.process.capabilities));
        let mut exec = patient(shim.exec(&spec)).await.unwrap();
        let mut stream = exec.take_stream().unwrap();
        let (out, err) = read_frames(&mut stream).await;
        assert_eq!(patient(exec.wait()).await.unwrap(), 5);
        let out = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(
            (lines[0], lines[2], lines[3]),
            ("box", "/tmp", "CapEff:\t00000000a80425fb")
        );
        assert_ne!(lines[1], "0");
        assert_eq!(err, b"err\n");
    });
}

#[test]
fn it_is_in_the_containers_cgroup() {
    run(async {
        let bench = Bench::new(&["sleep", "1000"]);
        let shim = bench.start().await;
        let mut spec = bench.exec(&["sleep", "1000"]);
        (spec.stdout, spec.stderr) = (false, false);
        let exec = patient(shim.exec(&spec)).await.unwrap();
        let mut processes = shim.processes().unwrap();
        let mut expect = [shim.pid(), exec.pid()];
        processes.sort_unstable();
        expect.sort_unstable();
        assert_eq!(processes, expect);
        let one = std::fs::read_to_string(format!("/proc/{}/cgroup", shim.pid())).unwrap();
        let other = std::fs::read_to_string(format!("/proc/{}/cgroup", exec.pid())).unwrap();
        assert_eq!(one, other);
        patient(exec.signal(libc::SIGTERM)).await.unwrap();
        assert_eq!(patient(exec.wait()).await.unwrap(), 143);
    });
}

#[test]
fn input_goes_in_and_ends() {
    run(async {
        let bench = Bench::new(&["sleep", "1000"]);
        let shim = bench.start().await;
        let mut spec = bench.exec(&["cat"]);
        spec.stdin = true;
        let mut exec = patient(shim.exec(&spec)).await.unwrap();
        let mut stream = exec.take_stream().unwrap();
        write(&mut stream, b"to and fro").await;
        stream.shutdown().await.unwrap();
        assert_eq!(read_frames(&mut stream).await.0, b"to and fro");
        assert_eq!(patient(exec.wait()).await.unwrap(), 0);
    });
}

#[test]
fn a_terminal_of_its_own() {
    run(async {
        let bench = Bench::new(&["sleep", "1000"]);
        let shim = bench.start().await;
        let mut spec = bench.exec(&[
            "sh",
            "-c",
            "tty; stty size; read line; stty size; echo got $line; exec cat",
        ]);
        (spec.stdin, spec.process.tty) = (true, true);
        spec.process.console_size = Some((33, 77));
        let mut exec = patient(shim.exec(&spec)).await.unwrap();
        let mut stream = exec.take_stream().unwrap();
        let seen = read_until(&mut stream, "33 77").await;
        assert!(seen.contains("/dev/pts/"), "{seen}");
        patient(exec.resize(20, 40)).await.unwrap();
        write(&mut stream, b"word\n").await;
        read_until(&mut stream, "got word").await;
        write(&mut stream, b"\x03").await;
        assert_eq!(patient(exec.wait()).await.unwrap(), 130);
    });
}

#[test]
fn failures_are_told_and_leave_nothing() {
    run(async {
        let bench = Bench::new(&["sleep", "1000"]);
        let shim = bench.start().await;
        let error = patient(shim.exec(&bench.exec(&["nosuch"])))
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "exec: \"nosuch\": executable file not found in $PATH"
        );
        assert_eq!(error.exit_code(), Some(127));
        let mut spec = bench.exec(&["true"]);
        spec.process.cwd = PathBuf::from("/nosuch");
        let error = patient(shim.exec(&spec)).await.unwrap_err();
        assert!(
            error.to_string().contains("no such file or directory"),
            "{error}"
        );
        spec.process.cwd = PathBuf::from("/proc/self/fd/3");
        assert!(patient(shim.exec(&spec)).await.is_err());
        assert_eq!(shim.processes().unwrap(), [shim.pid()]);
    });
}

#[test]
fn execs_end_with_their_container() {
    run(async {
        let bench = Bench::new(&["sleep", "1000"]);
        let shim = bench.start().await;
        let exec = patient(shim.exec(&bench.exec(&["sleep", "1000"])))
            .await
            .unwrap();
        patient(shim.signal(libc::SIGKILL)).await.unwrap();
        assert_eq!(patient(exec.wait()).await.unwrap(), 137);
        assert_eq!(patient(shim.wait()).await.unwrap().code, 137);
        let error = patient(shim.exec(&bench.exec(&["true"])))
            .await
            .unwrap_err();
        assert!(!error.to_string().is_empty());
    });
}

#[test]
fn what_an_exec_leaves_running_does_not_hold_it_up() {
    run(async {
        let bench = Bench::new(&["sleep", "1000"]);
        let shim = bench.start().await;
        let mut exec = patient(shim.exec(&bench.exec(&["sh", "-c", "sleep 1000 & echo done"])))
            .await
            .unwrap();
        let mut stream = exec.take_stream().unwrap();
        assert_eq!(read_frames(&mut stream).await.0, b"done\n");
        assert_eq!(patient(exec.wait()).await.unwrap(), 0);
    });
}

#[test]
fn short_ones_are_never_taken_for_failures() {
    run(async {
        // On one CPU a program may have ended before the maker of its process has.
        let mut one = rustix::thread::CpuSet::new();
        let all = rustix::thread::sched_getaffinity(None).unwrap();
        one.set(
            (0..rustix::thread::CpuSet::MAX_CPU)
                .find(|&cpu| all.is_set(cpu))
                .unwrap(),
        );
        rustix::thread::sched_setaffinity(None, &one).unwrap();
        let bench = Bench::new(&["sleep", "1000"]);
        let shim = bench.start().await;
        for _ in 0..100 {
            let mut spec = bench.exec(&["true"]);
            (spec.stdout, spec.stderr) = (false, false);
            let exec = patient(shim.exec(&spec)).await.unwrap();
            assert_eq!(patient(exec.wait()).await.unwrap(), 0);
        }
    });
}
