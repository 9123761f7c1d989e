//! The same on cgroups v2, where this computer has a hierarchy of it beside those of v1: it has no controllers then, but
//! births into groups, freezing, killing and device programs are there.

use std::path::{Path, PathBuf};

use runtime::host::CgroupLayout;

use crate::harness::{Bench, patient, run};

/// A container on v2; `None` where there is none beside v1, and everything else is tested on v2 anyway.
fn unified(script: &str) -> Option<Bench> {
    let mount = PathBuf::from("/sys/fs/cgroup/unified");
    if !mount.join("cgroup.procs").exists() {
        return None;
    }
    let mut bench = Bench::new(&["sh", "-c", script]);
    bench.abilities.cgroups = CgroupLayout::V2 {
        mount,
        controllers: Vec::new(),
    };
    Some(bench)
}

fn group_of(pid: u32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    text.lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .unwrap()
        .to_owned()
}

#[test]
fn processes_are_born_into_their_group() {
    run(async {
        let Some(bench) = unified("cat /proc/self/cgroup | grep 0::; exec sleep 1000") else {
            return;
        };
        let shim = bench.create().await;
        let mut stream = patient(shim.attach(false, true, false)).await.unwrap();
        patient(shim.start()).await.unwrap();
        crate::harness::read_until(&mut stream, "0::/\n").await;
        let mut exec = patient(shim.exec(&bench.exec(&["sh", "-c", "echo in; exec sleep 1000"])))
            .await
            .unwrap();
        assert_eq!(group_of(shim.pid()), bench.spec.cgroup);
        assert_eq!(group_of(exec.pid()), bench.spec.cgroup);
        let status = std::fs::read_to_string(format!("/proc/{}/status", shim.pid())).unwrap();
        let parent = status
            .lines()
            .find_map(|line| line.strip_prefix("PPid:\t"))
            .unwrap();
        assert_eq!(
            group_of(parent.parse().unwrap()),
            format!("{}/shims", bench.cgroup_parent())
        );
        crate::harness::read_until(&mut exec.take_stream().unwrap(), "in\n").await;
        patient(shim.kill_all()).await.unwrap();
        assert_eq!(patient(exec.wait()).await.unwrap(), 137);
        assert_eq!(patient(shim.wait()).await.unwrap().code, 137);
        assert!(
            !Path::new("/sys/fs/cgroup/unified")
                .join(&bench.spec.cgroup)
                .exists()
        );
    });
}

#[test]
fn devices_are_the_few_that_are_allowed() {
    run(async {
        let Some(bench) = unified(
            "mknod /tmp/fuse c 10 229; head -c 1 /tmp/fuse 2>&1 | grep -o 'not permitted'; head -c 3 /dev/zero | wc -c; \
             mount | grep -c 'cgroup2 (ro'",
        ) else {
            return;
        };
        std::os::unix::fs::symlink("busybox", bench.root().join("bin/mknod")).unwrap();
        let (_, output) = bench.output().await;
        assert_eq!(output, "not permitted\n3\n1\n");
    });
}

#[test]
fn a_paused_container_can_be_killed() {
    run(async {
        let Some(bench) = unified("while :; do :; done") else {
            return;
        };
        let shim = bench.start().await;
        patient(shim.pause()).await.unwrap();
        patient(shim.resume()).await.unwrap();
        patient(shim.pause()).await.unwrap();
        patient(shim.kill_all()).await.unwrap();
        assert_eq!(patient(shim.wait()).await.unwrap().code, 137);
    });
}

#[test]
fn a_container_can_be_run_to_its_end_again_and_again() {
    run(async {
        let Some(bench) = unified("exit 4") else {
            return;
        };
        for _ in 0..3 {
            assert_eq!(bench.run().await.code, 4);
        }
    });
}
