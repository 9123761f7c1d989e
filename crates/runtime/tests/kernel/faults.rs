//! Daemons and shims that die, and what they leave.

use runtime::client::{Error, Shim, kill_leftover, read_exit};

use crate::harness::{Bench, patient, run};

/// The parent of a process.
fn parent_of(pid: u32) -> i32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:\t"))
        .unwrap();
    line.parse().unwrap()
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_killed_shim_is_noticed_and_cleared_up_after() {
    run(async {
        let bench = Bench::new(&["sleep", "1000"]);
        let shim = bench.start().await;
        kill(parent_of(shim.pid()));
        assert!(matches!(patient(shim.wait()).await, Err(Error::Lost)));
        assert!(
            patient(Shim::reconnect(&bench.directory(), &bench.abilities))
                .await
                .unwrap()
                .is_none()
        );
        // The container itself still runs.
        assert!(std::path::Path::new(&format!("/proc/{}", shim.pid())).exists());
        let exit = patient(kill_leftover(
            &bench.abilities,
            &bench.spec.cgroup,
            &bench.spec.exit_file,
        ))
        .await
        .unwrap();
        assert_eq!(exit.code, 137);
        assert_eq!(read_exit(&bench.spec.exit_file), Some(exit));
        assert!(bench.cgroup_folders().is_empty());
        // Again, there is nothing to do, and what was recorded stays.
        let again = patient(kill_leftover(
            &bench.abilities,
            &bench.spec.cgroup,
            &bench.spec.exit_file,
        ))
        .await
        .unwrap();
        assert_eq!(again, exit);
        // The same container can be started in the same place.
        let shim = bench.start().await;
        patient(shim.kill_all()).await.unwrap();
        assert_eq!(patient(shim.wait()).await.unwrap().code, 137);
    });
}

#[test]
fn a_daemon_that_is_gone_misses_nothing() {
    run(async {
        let bench = Bench::new(&["sh", "-c", "sleep 0.3; echo later; exit 6"]);
        let shim = bench.start().await;
        let pid = shim.pid();
        drop(shim);
        patient(async {
            while !bench.spec.exit_file.exists() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
        assert_eq!(read_exit(&bench.spec.exit_file).unwrap().code, 6);
        assert_eq!(bench.logged(), "later\n");
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    });
}

#[test]
fn a_container_that_was_never_started_ends_with_its_daemon() {
    run(async {
        let bench = Bench::new(&["sleep", "1000"]);
        let shim = bench.create().await;
        let pid = shim.pid();
        drop(shim);
        patient(async {
            while std::path::Path::new(&format!("/proc/{pid}")).exists()
                || !bench.cgroup_folders().is_empty()
            {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
        assert!(!bench.spec.exit_file.exists());
    });
}

#[test]
fn a_create_that_nobody_waits_for_leaves_nothing() {
    run(async {
        let bench = Bench::new(&["sleep", "1000"]);
        for step in 0..20 {
            // Dropped at every place where it waits.
            let mut creating = Box::pin(bench.try_create());
            for _ in 0..step {
                if let std::task::Poll::Ready(shim) = futures_poll(creating.as_mut()).await {
                    drop(shim.unwrap());
                    break;
                }
            }
        }
        patient(async {
            while !bench.cgroup_folders().is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
    });
}

/// Polls once, and lets others go on.
async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    let polled =
        std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context))).await;
    tokio::task::yield_now().await;
    polled
}

#[test]
fn a_full_disk_costs_log_lines_and_nothing_else() {
    run(async {
        let mut bench = Bench::new(&["sh", "-c", "seq 1 20000; exit 2"]);
        // A device that is always full stands for the disk.
        if let Some(log) = &mut bench.spec.log {
            log.path = "/dev/full".into();
        }
        assert_eq!(bench.run().await.code, 2);
    });
}

#[test]
fn signals_before_the_start() {
    run(async {
        let bench = Bench::new(&["sleep", "1000"]);
        let shim = bench.create().await;
        // A first process of a namespace takes no signal that it does not handle.
        patient(shim.signal(libc::SIGTERM)).await.unwrap();
        patient(shim.start()).await.unwrap();
        patient(shim.signal(libc::SIGKILL)).await.unwrap();
        assert_eq!(patient(shim.wait()).await.unwrap().code, 137);

        let shim = bench.create().await;
        patient(shim.signal(libc::SIGKILL)).await.unwrap();
        assert_eq!(patient(shim.wait()).await.unwrap().code, 137);
        assert!(patient(shim.start()).await.is_err());
    });
}
