//! From create to exit: status, log, files left behind.

use crate::harness::{Bench, run};

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
