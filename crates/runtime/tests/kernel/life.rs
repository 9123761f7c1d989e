//! From create to exit: status, log, identity, namespaces, files left behind.

use std::path::PathBuf;

use runtime::client::{Phase, Shim};
use runtime::failure::FailureKind;
use runtime::spec::{Namespace, Rlimit};

use crate::harness::{Bench, patient, read_frames, run};

#[test]
fn a_container_runs_and_ends() {
    run(async {
        let bench = Bench::new(&["sh", "-c", "echo out; echo err >&2; exit 7"]);
        let exit = bench.run().await;
        assert_eq!((exit.code, exit.oom_killed), (7, false));
        let mut lines: Vec<String> = bench.logged().lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(lines, ["err", "out"]);
        assert_eq!(
            runtime::client::read_exit(&bench.spec.exit_file),
            Some(exit)
        );
        assert!(bench.cgroup_folders().is_empty());
        assert!(!bench.directory().join("shim.sock").exists());
    });
}

#[test]
fn it_waits_between_create_and_start() {
    run(async {
        let bench = Bench::new(&["echo", "started"]);
        let shim = bench.create().await;
        assert_eq!(shim.phase(), Phase::Created);
        assert!(shim.network_namespace().exists());
        assert_eq!(bench.logged(), "");
        patient(shim.start()).await.unwrap();
        let exit = patient(shim.wait()).await.unwrap();
        assert_eq!((exit.code, shim.phase()), (0, Phase::Exited(exit)));
        assert_eq!(bench.logged(), "started\n");
        assert!(patient(shim.start()).await.is_err());
    });
}

#[test]
fn it_has_namespaces_of_its_own() {
    run(async {
        let mut bench = Bench::new(&[
            "sh",
            "-c",
            "echo $$; hostname; ls /sys/class/net; cat /proc/self/cgroup | grep -c ..",
        ]);
        bench.spec.domainname = "example".to_owned();
        let (code, output) = bench.output().await;
        assert_eq!(code, 0);
        assert!(output.starts_with("1\nbox\nlo\n"), "{output}");
    });
}

#[test]
fn it_can_share_the_hosts_namespaces() {
    run(async {
        let mut bench = Bench::new(&[
            "sh",
            "-c",
            "for n in net pid ipc uts; do readlink /proc/self/ns/$n; done",
        ]);
        bench.spec.namespaces.network = Namespace::Host;
        bench.spec.namespaces.pid = Namespace::Host;
        bench.spec.namespaces.ipc = Namespace::Host;
        bench.spec.namespaces.uts = Namespace::Host;
        let (code, output) = bench.output().await;
        let host: Vec<String> = ["net", "pid", "ipc", "uts"]
            .iter()
            .map(|name| {
                std::fs::read_link(format!("/proc/self/ns/{name}"))
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(
            (code, output.lines().map(str::to_owned).collect::<Vec<_>>()),
            (0, host)
        );
    });
}

#[test]
fn the_hosts_shared_memory_comes_with_its_namespace() {
    run(async {
        let name = tempfile::Builder::new().tempfile_in("/dev/shm").unwrap();
        std::fs::write(name.path(), "of the host").unwrap();
        let mut bench = Bench::new(&["cat", name.path().to_str().unwrap()]);
        bench.spec.namespaces.ipc = Namespace::Host;
        assert_eq!(bench.output().await, (0, "of the host".to_owned()));
    });
}

#[test]
fn it_can_share_another_containers_namespaces() {
    run(async {
        let first = Bench::new(&["sh", "-c", "echo shared >/dev/shm/file; exec sleep 1000"]);
        let shim = first.start().await;
        let mut second = Bench::new(&[
            "sh",
            "-c",
            "until [ -s /dev/shm/file ]; do sleep 0.1; done; cat /dev/shm/file; ps | grep -c 'sleep 1000'; readlink /proc/self/ns/net",
        ]);
        second.spec.namespaces.network = Namespace::Path(shim.network_namespace());
        second.spec.namespaces.ipc = Namespace::Join(shim.pid());
        second.spec.namespaces.pid = Namespace::Join(shim.pid());
        let (code, output) = second.output().await;
        let network = std::fs::read_link(shim.network_namespace()).unwrap();
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(
            (code, lines[0], lines[2]),
            (0, "shared", network.to_str().unwrap()),
            "{output}"
        );
        assert_ne!(lines[1], "0");
        patient(shim.signal(libc::SIGKILL)).await.unwrap();
        assert_eq!(patient(shim.wait()).await.unwrap().code, 137);
    });
}

#[test]
fn users_and_groups_come_from_the_root() {
    run(async {
        let mut bench = Bench::new(&[
            "sh",
            "-c",
            "id -u; id -g; id -G; echo $HOME; grep CapEff /proc/self/status; echo x > /dev/stdout",
        ]);
        bench.spec.process.user = "ann".to_owned();
        bench.spec.process.groups = vec!["77".to_owned()];
        let (code, output) = bench.output().await;
        assert_eq!(
            (code, output.as_str()),
            (
                0,
                "1000\n1000\n1000 10 77\n/tmp\nCapEff:\t0000000000000000\nx\n"
            )
        );
    });
}

#[test]
fn an_unknown_user_is_said_in_dockers_words() {
    run(async {
        let mut bench = Bench::new(&["true"]);
        bench.spec.process.user = "eve".to_owned();
        let error = patient(bench.try_create()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "unable to find user eve: no matching entries in passwd file"
        );
        assert_gone(&bench).await;
    });
}

/// Waits until nothing is left of a container that could not be made.
async fn assert_gone(bench: &Bench) {
    patient(async {
        while Shim::reconnect(&bench.directory(), &bench.abilities)
            .await
            .unwrap()
            .is_some()
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(bench.cgroup_folders().is_empty());
    assert!(!bench.spec.exit_file.exists());
}

#[track_caller]
fn check_program(args: &[&str], kind: FailureKind, code: Option<i32>, message: &str) {
    run(async {
        let bench = Bench::new(args);
        std::fs::write(bench.root().join("bin/plain"), "text").unwrap();
        let error = patient(bench.try_create()).await.unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.exit_code()),
            (message, code)
        );
        let runtime::client::Error::Failed(failure) = error else {
            panic!("{error:?}")
        };
        assert_eq!(failure.kind, kind);
        assert_gone(&bench).await;
    });
}

#[test]
fn a_missing_program_is_said_in_dockers_words() {
    check_program(
        &["nosuch"],
        FailureKind::ProgramNotFound,
        Some(127),
        "exec: \"nosuch\": executable file not found in $PATH",
    );
    check_program(
        &["/nosuch"],
        FailureKind::ProgramNotFound,
        Some(127),
        "exec: \"/nosuch\": stat /nosuch: no such file or directory",
    );
    check_program(
        &["/bin/plain"],
        FailureKind::ProgramNotExecutable,
        Some(126),
        "exec: \"/bin/plain\": permission denied",
    );
}

#[test]
fn a_program_of_no_format_fails_to_start() {
    run(async {
        use std::os::unix::fs::PermissionsExt;
        let bench = Bench::new(&["/bin/nonsense"]);
        let path = bench.root().join("bin/nonsense");
        std::fs::write(&path, "\x7fELFnonsense").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let shim = bench.create().await;
        let error = patient(shim.start()).await.unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.exit_code()),
            ("exec /bin/nonsense: exec format error", Some(126))
        );
        assert_eq!(patient(shim.wait()).await.unwrap().code, 126);
        patient(shim.kill_all()).await.unwrap();
    });
}

#[test]
fn the_working_directory_is_made() {
    run(async {
        let mut bench = Bench::new(&["pwd"]);
        bench.spec.process.cwd = PathBuf::from("/srv/made/here");
        assert_eq!(bench.output().await, (0, "/srv/made/here\n".to_owned()));
    });
}

#[test]
fn limits_and_parameters_are_set() {
    run(async {
        let mut bench = Bench::new(&[
            "sh",
            "-c",
            "ulimit -n; ulimit -c; cat /proc/sys/kernel/msgmax; umask; touch /tmp/x; stat -c %a /tmp/x",
        ]);
        bench.spec.process.rlimits = vec![
            Rlimit {
                name: "nofile".to_owned(),
                soft: 100,
                hard: 200,
            },
            Rlimit {
                name: "core".to_owned(),
                soft: u64::MAX,
                hard: u64::MAX,
            },
        ];
        bench
            .spec
            .sysctls
            .insert("kernel.msgmax".to_owned(), "4321".to_owned());
        assert_eq!(
            bench.output().await,
            (0, "100\nunlimited\n4321\n0022\n644\n".to_owned())
        );
    });
}

#[test]
fn a_container_starts_again_in_the_same_place() {
    run(async {
        let bench = Bench::new(&["sh", "-c", "echo again"]);
        for _ in 0..3 {
            assert_eq!(bench.run().await.code, 0);
        }
        assert_eq!(bench.logged(), "again\nagain\nagain\n");
    });
}

#[test]
fn an_init_reaps_and_passes_signals_on() {
    run(async {
        let mut bench = Bench::new(&[
            "sh",
            "-c",
            "trap 'exit 9' TERM; echo $$ $(cat /proc/1/cmdline | tr '\\0' ' '); (sleep 0.1 & ) ; echo ready; while :; do sleep 0.05; done",
        ]);
        std::os::unix::fs::symlink("busybox", bench.root().join("bin/tr")).unwrap();
        bench.spec.init = true;
        // The init lives under the container's filter, which hides `clone3`.
        bench.spec.process.seccomp = Some(runtime::seccomp::default_profile(
            bench.spec.process.capabilities,
        ));
        let shim = bench.create().await;
        let mut stream = patient(shim.attach(false, true, true)).await.unwrap();
        patient(shim.start()).await.unwrap();
        crate::harness::read_until(&mut stream, "ready").await;
        let first = bench.logged();
        assert!(first.contains("/sbin/docker-init -- /bin/sh -c"), "{first}");
        assert!(!first.starts_with("1 "), "{first}");
        patient(shim.signal(libc::SIGTERM)).await.unwrap();
        assert_eq!(patient(shim.wait()).await.unwrap().code, 9);
    });
}

#[test]
fn orphans_are_reaped_by_the_containers_own_first_process() {
    run(async {
        // Nobody in the container waits for the grandchild; its parent there is process 1, and outside nothing is left.
        let bench = Bench::new(&["sh", "-c", "(setsid sh -c 'sleep 1000' &) ; exit 3"]);
        assert_eq!(bench.run().await.code, 3);
        assert!(bench.cgroup_folders().is_empty());
    });
}

#[test]
fn what_a_container_leaves_in_the_hosts_processes_is_killed() {
    run(async {
        let mut bench = Bench::new(&["sh", "-c", "(setsid sh -c 'sleep 1000' &) ; exit 3"]);
        bench.spec.namespaces.pid = Namespace::Host;
        assert_eq!(bench.run().await.code, 3);
        assert!(bench.cgroup_folders().is_empty());
    });
}

#[test]
fn kept_descriptors_come_back_to_a_new_daemon() {
    run(async {
        let bench = Bench::new(&["sleep", "1000"]);
        let shim = bench.start().await;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        patient(shim.keep("port", vec![theirs.into()]))
            .await
            .unwrap();
        let many = (0..250).map(|_| ours.try_clone().unwrap().into());
        patient(shim.keep("many", many.collect())).await.unwrap();
        assert_eq!(patient(shim.kept("many")).await.unwrap().len(), 250);
        assert!(patient(shim.kept("other")).await.unwrap().is_empty());
        let pid = shim.pid();
        drop(shim);
        let again = patient(Shim::reconnect(&bench.directory(), &bench.abilities))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((again.pid(), again.phase()), (pid, Phase::Running));
        let kept = patient(again.kept("port")).await.unwrap();
        let theirs = std::os::unix::net::UnixStream::from(kept.into_iter().next().unwrap());
        std::io::Write::write_all(&mut &theirs, b"!").unwrap();
        let mut byte = [0];
        std::io::Read::read_exact(&mut &ours, &mut byte).unwrap();
        assert_eq!(byte, *b"!");
        patient(again.kill_all()).await.unwrap();
        assert_eq!(patient(again.wait()).await.unwrap().code, 137);
        assert!(
            patient(Shim::reconnect(&bench.directory(), &bench.abilities))
                .await
                .unwrap()
                .is_none()
        );
    });
}

#[test]
fn many_may_wait_and_attach_over_sockets_of_their_own() {
    run(async {
        let bench = Bench::new(&["echo", "hello"]);
        let shim = bench.create().await;
        let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
        patient(shim.attach_over(theirs.into_std().unwrap(), false, true, true))
            .await
            .unwrap();
        let waiting: Vec<_> = (0..5)
            .map(|_| {
                let shim = shim.clone();
                tokio::spawn(async move { shim.wait().await.unwrap().code })
            })
            .collect();
        patient(shim.start()).await.unwrap();
        let mut ours = ours;
        assert_eq!(read_frames(&mut ours).await.0, b"hello\n");
        for one in waiting {
            assert_eq!(patient(one).await.unwrap(), 0);
        }
    });
}
