//! Limits: memory, processes, CPUs; pause; what is used.

use runtime::spec::Resources;

use crate::harness::{Bench, patient, run};

#[test]
fn memory_that_runs_out_kills_and_is_told() {
    run(async {
        let mut bench = Bench::new(&["sh", "-c", "x=x; while :; do x=$x$x; done"]);
        bench.spec.resources = Resources {
            memory: Some(16 << 20),
            memory_swap: Some(16 << 20),
            ..Resources::default()
        };
        let exit = bench.run().await;
        assert_eq!((exit.code, exit.oom_killed), (137, true));
    });
}

#[test]
fn a_fork_bomb_stays_within_its_limit() {
    run(async {
        let mut bench = Bench::new(&[
            "sh",
            "-c",
            "bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 1000",
        ]);
        bench.spec.resources.pids = Some(32);
        let shim = bench.start().await;
        patient(async {
            while shim.statistics().unwrap().pids.current < 16 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
        let statistics = shim.statistics().unwrap();
        assert_eq!(statistics.pids.limit, 32);
        assert!(statistics.pids.current <= 32, "{}", statistics.pids.current);
        patient(shim.kill_all()).await.unwrap();
        assert_eq!(patient(shim.wait()).await.unwrap().code, 137);
        assert!(bench.cgroup_folders().is_empty());
    });
}

#[test]
fn limits_are_in_the_files_and_can_be_changed() {
    run(async {
        let mut bench = Bench::new(&["sleep", "1000"]);
        bench.spec.resources = Resources {
            memory: Some(64 << 20),
            memory_swap: Some(64 << 20),
            cpu_quota: Some(50_000),
            cpu_period: Some(100_000),
            cpuset_cpus: Some("0".to_owned()),
            ..Resources::default()
        };
        let shim = bench.start().await;
        assert_eq!(shim.statistics().unwrap().memory.limit, 64 << 20);
        let status = std::fs::read_to_string(format!("/proc/{}/status", shim.pid())).unwrap();
        assert!(status.contains("Cpus_allowed_list:\t0\n"), "{status}");
        let more = Resources {
            memory: Some(128 << 20),
            memory_swap: Some(128 << 20),
            pids: Some(50),
            ..Resources::default()
        };
        patient(shim.update(&more)).await.unwrap();
        let statistics = shim.statistics().unwrap();
        assert_eq!(
            (statistics.memory.limit, statistics.pids.limit),
            (128 << 20, 50)
        );
        let less = Resources {
            memory: Some(32 << 20),
            memory_swap: Some(32 << 20),
            ..Resources::default()
        };
        patient(shim.update(&less)).await.unwrap();
        assert_eq!(shim.statistics().unwrap().memory.limit, 32 << 20);
    });
}

#[test]
fn a_paused_container_does_nothing_and_can_be_killed() {
    run(async {
        let bench = Bench::new(&["sh", "-c", "while :; do :; done"]);
        let shim = bench.start().await;
        patient(shim.pause()).await.unwrap();
        let used = || shim.statistics().unwrap().cpu.total_ns;
        let before = used();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!(used(), before);
        patient(shim.resume()).await.unwrap();
        patient(async {
            while used() == before {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        })
        .await;
        patient(shim.pause()).await.unwrap();
        patient(shim.kill_all()).await.unwrap();
        assert_eq!(patient(shim.wait()).await.unwrap().code, 137);
    });
}

#[test]
fn what_is_used_is_told() {
    run(async {
        let bench = Bench::new(&[
            "sh",
            "-c",
            "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo ready; exec sleep 1000",
        ]);
        let shim = bench.create().await;
        let mut stream = patient(shim.attach(false, true, true)).await.unwrap();
        patient(shim.start()).await.unwrap();
        crate::harness::read_until(&mut stream, "ready").await;
        let statistics = shim.statistics().unwrap();
        assert!(statistics.cpu.total_ns > 0);
        assert!(statistics.memory.usage > 0);
        assert_eq!(
            (statistics.pids.current, statistics.pids.limit),
            (1, u64::MAX)
        );
        assert!(
            statistics
                .memory
                .details
                .iter()
                .any(|(name, _)| name == "inactive_file")
        );
    });
}
