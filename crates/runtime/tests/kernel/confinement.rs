//! What a container must not be able to do.

use std::path::PathBuf;

use runtime::capability::Capabilities;
use runtime::seccomp;
use runtime::spec::{Device, DeviceRule};

use crate::harness::{Bench, patient, run};

/// A container as Docker's are by default, filter included.
fn confined(script: &str) -> Bench {
    let mut bench = Bench::new(&["sh", "-c", script]);
    bench.spec.process.seccomp = Some(seccomp::default_profile(bench.spec.process.capabilities));
    bench
}

#[test]
fn capabilities_are_dockers_default() {
    run(async {
        let bench = confined("grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status");
        let (code, output) = bench.output().await;
        let expect = "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n\
                      CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t2\n";
        assert_eq!((code, output.as_str()), (0, expect));
    });
}

#[test]
fn a_filter_and_no_new_privileges_for_a_plain_user() {
    run(async {
        let mut bench =
            confined("grep -E '^(CapPrm|CapBnd|NoNew|Seccomp:)' /proc/self/status; id -u");
        bench.spec.process.user = "ann".to_owned();
        bench.spec.process.no_new_privileges = true;
        bench.spec.process.capabilities = Capabilities::NONE;
        let (code, output) = bench.output().await;
        let expect = "CapPrm:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n1000\n";
        assert_eq!((code, output.as_str()), (0, expect));
    });
}

#[test]
fn forbidden_calls_fail() {
    run(async {
        let bench = confined(
            "mount -t tmpfs x /tmp 2>&1; hostname other 2>&1; dd if=/dev/kmsg 2>&1 | head -1",
        );
        let (_, output) = bench.output().await;
        assert!(
            output.contains("mount: permission denied")
                || output.contains("mount: mounting x on /tmp failed: Operation not permitted"),
            "{output}"
        );
        assert!(
            output.contains("hostname: sethostname: Operation not permitted"),
            "{output}"
        );
    });
}

#[test]
fn masked_and_read_only_paths() {
    run(async {
        let bench = confined(
            "wc -c </proc/keys; ls /proc/acpi /sys/firmware 2>/dev/null; head -c 1 /proc/kcore 2>/dev/null | wc -c; \
             echo 1 2>/dev/null >/proc/sys/kernel/msgmax || echo fixed; echo x 2>/dev/null >/sys/kernel/profiling || echo fixed; \
             mount | grep cgroup | grep -c rw",
        );
        let (_, output) = bench.output().await;
        let output = output
            .replace("/proc/acpi:\n\n", "")
            .replace("/sys/firmware:\n", "");
        assert_eq!(
            output.trim_start_matches("/sys/firmware\n").trim(),
            "0\n0\nfixed\nfixed\n0",
            "{output}"
        );
    });
}

#[test]
fn devices_are_the_few_that_are_allowed() {
    run(async {
        let script = "ls /dev; mknod /tmp/disk b 254 0 && head -c 1 /tmp/disk 2>&1 | grep -o 'Operation not permitted'; \
                      mknod /tmp/fuse c 10 229 && head -c 1 /tmp/fuse 2>&1 | grep -o 'Operation not permitted'; head -c 4 /dev/zero | wc -c";
        let bench = confined(script);
        std::os::unix::fs::symlink("busybox", bench.root().join("bin/mknod")).unwrap();
        let (_, output) = bench.output().await;
        let expect = "core|fd|full|mqueue|null|ptmx|pts|random|shm|stderr|stdin|stdout|tty|urandom|zero|\
                      Operation not permitted|Operation not permitted|4|";
        assert_eq!(
            output.replace('\n', "|").replace("core|", ""),
            expect.replace("core|", "")
        );
    });
}

#[test]
fn devices_that_are_given() {
    run(async {
        let mut bench = confined(
            "stat -c '%F %t:%T' /dev/given/one; head -c 3 /dev/given/one | wc -c; (echo x >/dev/given/one) 2>&1 | grep -o 'not permitted'",
        );
        bench.spec.devices = vec![Device {
            host_path: PathBuf::from("/dev/zero"),
            container_path: PathBuf::from("/dev/given/one"),
            access: "r".to_owned(),
        }];
        let (_, output) = bench.output().await;
        // It is one of the default devices, which may be written to.
        assert_eq!(output, "character special file 1:5\n3\n");
        bench.spec.device_rules = vec![DeviceRule {
            kind: 'c',
            major: Some(10),
            minor: None,
            access: "rwm".to_owned(),
        }];
        assert_eq!(bench.run().await.code, 1);
    });
}

#[test]
fn a_missing_device_is_said() {
    run(async {
        let mut bench = confined("true");
        let device = |path: &str| Device {
            host_path: PathBuf::from(path),
            container_path: PathBuf::from("/dev/x"),
            access: "rwm".to_owned(),
        };
        bench.spec.devices = vec![device("/dev/nosuch")];
        let error = patient(bench.try_create()).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("error gathering device information"),
            "{error}"
        );
    });
}

#[test]
fn a_privileged_container_has_what_we_have() {
    run(async {
        let mut bench = Bench::new(&[
            "sh",
            "-c",
            "grep CapEff /proc/self/status; test -c /dev/kmsg && echo kmsg; mount -t tmpfs x /tmp && echo mounted; test -w /sys/kernel && echo sys",
        ]);
        bench.spec.privileged = true;
        bench.spec.process.capabilities = Capabilities::ALL;
        bench.spec.masked_paths.clear();
        bench.spec.readonly_paths.clear();
        let (_, output) = bench.output().await;
        let ours = std::fs::read_to_string("/proc/self/status").unwrap();
        let ours = ours
            .lines()
            .find(|line| line.starts_with("CapEff"))
            .unwrap()
            .to_owned();
        assert_eq!(output, format!("{ours}\nkmsg\nmounted\nsys\n"));
    });
}

#[test]
fn nothing_of_ours_is_left_open() {
    run(async {
        let bench =
            confined("for fd in /proc/$$/fd/*; do test -e $fd && echo ${fd##*/}; done; env");
        let (_, output) = bench.output().await;
        let (descriptors, environment): (Vec<&str>, Vec<&str>) =
            output.lines().partition(|line| !line.contains('='));
        assert_eq!(descriptors, ["0", "1", "2"]);
        for variable in environment {
            assert!(
                ["PATH=/bin", "HOME=/root", "SHLVL=1", "PWD=/"].contains(&variable),
                "{variable}"
            );
        }
    });
}

#[test]
fn a_working_directory_through_a_descriptor_leads_nowhere() {
    run(async {
        for number in 0..12 {
            let mut bench = confined("pwd; ls ..");
            bench.spec.process.cwd = PathBuf::from(format!("/proc/self/fd/{number}"));
            bench.abilities.cgroups = runtime::host::CgroupLayout::Absent;
            let error = patient(bench.try_create()).await.unwrap_err();
            assert!(
                error.to_string().contains("chdir to cwd"),
                "{number}: {error}"
            );
        }
    });
}

#[test]
fn our_program_cannot_be_written_through_a_process() {
    run(async {
        // The init is our program, and the container's root user owns it as far as it can see.
        let mut bench = confined(
            "(echo x >/proc/1/exe) 2>&1; (echo x >>/proc/1/exe) 2>&1; head -c 4 /proc/1/exe | tail -c 3; cat /proc/1/exe | md5sum",
        );
        bench.spec.init = true;
        bench.spec.process.capabilities = Capabilities::ALL;
        bench.spec.process.seccomp = None;
        let (_, before) = bench.output().await;
        assert!(
            before.contains("ELF") || before.contains("denied") || before.contains("nonexistent"),
            "{before}"
        );
        assert!(!before.is_empty());
        // What the next container runs from is what it was.
        std::fs::remove_file(bench.folder.path().join("log")).unwrap();
        let (_, after) = bench.output().await;
        assert_eq!(before, after);
    });
}

#[test]
fn old_32_bit_programs_are_filtered_too() {
    // The filter's answer for them is tested where it is compiled; here, that the kernel takes such a filter at all.
    run(async {
        let profile = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
            {"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":17}]}"#;
        let mut bench = Bench::new(&["mkdir", "/tmp/new"]);
        bench.spec.process.seccomp = Some(seccomp::profile(profile, Capabilities::NONE).unwrap());
        let (code, output) = bench.output().await;
        assert_eq!(
            (code, output.as_str()),
            (1, "mkdir: can't create directory '/tmp/new': File exists\n")
        );
    });
}
