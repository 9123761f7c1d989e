//! The file system: overlay, bind mounts, file systems in memory, and images that try to lead out.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use runtime::spec::{Mount, MountSource, Propagation, Root};

use crate::harness::{Bench, patient, run};

fn bind(source: impl Into<PathBuf>, target: &str, readonly: bool) -> Mount {
    Mount {
        target: PathBuf::from(target),
        source: MountSource::Bind {
            source: source.into(),
            recursive: true,
            propagation: Propagation::Rprivate,
        },
        readonly,
    }
}

fn tmpfs(target: &str, options: &str) -> Mount {
    Mount {
        target: PathBuf::from(target),
        source: MountSource::Tmpfs {
            options: options.to_owned(),
        },
        readonly: false,
    }
}

#[test]
fn an_overlay_keeps_its_layers_apart() {
    run(async {
        let mut bench = Bench::new(&[
            "sh",
            "-c",
            "cat /etc/which; echo changed >/etc/which; echo new >/new",
        ]);
        let at = |name: &str| bench.folder.path().join(name);
        for name in ["top/etc", "upper", "work"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        std::fs::write(at("top/etc/which"), "top\n").unwrap();
        std::fs::write(at("root/etc/which"), "bottom\n").unwrap();
        let (top, upper, work) = (at("top"), at("upper"), at("work"));
        bench.spec.root = Root::Overlay {
            lower: vec![top.clone(), bench.root()],
            upper: upper.clone(),
            work,
        };
        assert_eq!(bench.output().await, (0, "top\n".to_owned()));
        assert_eq!(
            std::fs::read_to_string(upper.join("etc/which")).unwrap(),
            "changed\n"
        );
        assert_eq!(std::fs::read_to_string(upper.join("new")).unwrap(), "new\n");
        assert_eq!(
            std::fs::read_to_string(top.join("etc/which")).unwrap(),
            "top\n"
        );
        // At once again: the kernel may still be letting go of the layers.
        assert_eq!(bench.run().await.code, 0);
    });
}

#[test]
fn an_image_may_have_more_layers_than_fit_a_line() {
    run(async {
        let mut bench = Bench::new(&["ls", "/layers"]);
        let mut lower = Vec::new();
        for number in 0..120 {
            let layer = bench
                .folder
                .path()
                .join(format!("a-long-name-for-a-layer-{number:03}"));
            std::fs::create_dir_all(layer.join("layers").join(number.to_string())).unwrap();
            lower.push(layer);
        }
        lower.push(bench.root());
        let at = |name: &str| bench.folder.path().join(name);
        std::fs::create_dir(at("upper")).unwrap();
        std::fs::create_dir(at("work")).unwrap();
        bench.spec.root = Root::Overlay {
            lower,
            upper: at("upper"),
            work: at("work"),
        };
        let (code, output) = bench.output().await;
        assert_eq!((code, output.lines().count()), (0, 120));
    });
}

#[test]
fn mounts_of_users() {
    run(async {
        let mut bench = Bench::new(&[
            "sh",
            "-c",
            "cat /data/file /etc/one; echo x >/data/out; echo y >/fixed/out || echo fixed; stat -c %a /scratch; \
             dd if=/dev/zero of=/scratch/big bs=1k count=100 2>/dev/null || echo full; mount | grep -c ' /dev/shm '",
        ]);
        let host = bench.folder.path().join("host");
        std::fs::create_dir(&host).unwrap();
        std::fs::write(host.join("file"), "bound\n").unwrap();
        bench.spec.mounts = vec![
            bind(&host, "/data", false),
            bind(host.join("file"), "/etc/one", true),
            bind(&host, "/fixed", true),
            tmpfs("/scratch", "size=64k,mode=1770"),
            tmpfs("/dev/shm", "size=1m"),
        ];
        let (code, output) = bench.output().await;
        let output = output.replace("sh: can't create /fixed/out: Read-only file system\n", "");
        assert_eq!(
            (code, output.as_str()),
            (0, "bound\nbound\nfixed\n1770\nfull\n1\n")
        );
        assert_eq!(std::fs::read_to_string(host.join("out")).unwrap(), "x\n");
    });
}

#[test]
fn a_missing_source_is_said() {
    run(async {
        let mut bench = Bench::new(&["true"]);
        bench.spec.mounts = vec![bind("/no/such/source", "/data", false)];
        let error = patient(bench.try_create()).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("bind source path does not exist: /no/such/source"),
            "{error}"
        );
    });
}

#[test]
fn a_folder_is_not_mounted_on_a_file() {
    run(async {
        let mut bench = Bench::new(&["true"]);
        bench.spec.mounts = vec![bind("/tmp", "/etc/passwd", false)];
        let error = patient(bench.try_create()).await.unwrap_err();
        assert!(error.to_string().contains("not a directory"), "{error}");
    });
}

#[test]
fn a_read_only_root_has_writable_mounts_only() {
    run(async {
        let mut bench = Bench::new(&[
            "sh",
            "-c",
            "touch /x 2>&1; touch /tmp/y && echo wrote; touch /dev/z && echo dev",
        ]);
        bench.spec.readonly_root = true;
        bench.spec.mounts = vec![tmpfs("/tmp", "")];
        let (_, output) = bench.output().await;
        assert_eq!(output, "touch: /x: Read-only file system\nwrote\ndev\n");
    });
}

/// What is outside a container's root, and must stay as it is.
fn outside(bench: &Bench) -> PathBuf {
    let outside = bench.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    outside
}

#[test]
fn mount_targets_that_are_links_stay_inside() {
    run(async {
        let mut bench = Bench::new(&["sh", "-c", "ls /data; mount | grep -c /outside"]);
        let outside = outside(&bench);
        symlink(&outside, bench.root().join("data")).unwrap();
        symlink("/..", bench.root().join("up")).unwrap();
        bench.spec.mounts = vec![tmpfs("/data", ""), tmpfs("/up/up/caught", "")];
        // The first link's target doesn't exist beneath the root, and making it up would be wrong.
        assert!(patient(bench.try_create()).await.is_err());
        std::fs::create_dir_all(bench.root().join(outside.strip_prefix("/").unwrap())).unwrap();
        let (code, _) = bench.output().await;
        assert_eq!(code, 0);
        assert!(bench.root().join("caught").is_dir());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    });
}

#[test]
fn links_in_place_of_dev_and_its_files_mean_nothing() {
    run(async {
        let bench = Bench::new(&[
            "sh",
            "-c",
            "echo x >/dev/null && ls -l /dev/null /dev/console 2>&1",
        ]);
        let outside = outside(&bench);
        std::fs::write(outside.join("null"), "precious").unwrap();
        // The image's `/dev` itself is a link, and what it leads to has links.
        std::fs::create_dir(bench.root().join("elsewhere")).unwrap();
        symlink("elsewhere", bench.root().join("dev")).unwrap();
        symlink(outside.join("null"), bench.root().join("elsewhere/null")).unwrap();
        symlink(outside.join("null"), bench.root().join("elsewhere/console")).unwrap();
        let (_, output) = bench.output().await;
        assert!(output.contains("crw-rw-rw-"), "{output}");
        assert!(
            output.contains("/dev/console: No such file or directory"),
            "{output}"
        );
        assert_eq!(
            std::fs::read_to_string(outside.join("null")).unwrap(),
            "precious"
        );
        assert_eq!(
            std::fs::read_dir(bench.root().join("elsewhere"))
                .unwrap()
                .count(),
            2
        );
    });
}

#[test]
fn a_dev_that_leads_out_is_caught_inside() {
    run(async {
        let bench = Bench::new(&["true"]);
        let outside = outside(&bench);
        symlink(&outside, bench.root().join("dev")).unwrap();
        assert!(patient(bench.try_create()).await.is_err());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    });
}

#[test]
fn links_in_place_of_proc_and_sys_are_refused() {
    for name in ["proc", "sys"] {
        run(async {
            let bench = Bench::new(&["true"]);
            symlink("/tmp", bench.root().join(name)).unwrap();
            let error = patient(bench.try_create()).await.unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        });
    }
}

#[test]
fn a_terminals_console_is_no_file_of_the_image() {
    run(async {
        let mut bench = Bench::new(&["sh", "-c", "ls -l /dev/console; tty"]);
        bench.spec.process.tty = true;
        let (code, output) = bench.output().await;
        assert_eq!(code, 0);
        assert!(output.starts_with("crw"), "{output}");
        assert!(output.contains("/dev/pts/0"), "{output}");
    });
}

#[test]
fn nothing_of_a_container_shows_in_the_hosts_mounts() {
    run(async {
        let bench = Bench::new(&["sleep", "1000"]);
        let shim = bench.start().await;
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(
            !mounts.contains(bench.folder.path().to_str().unwrap()),
            "{mounts}"
        );
        // Nor the host's tree in the container's.
        let inside = std::fs::read_to_string(format!("/proc/{}/mountinfo", shim.pid())).unwrap();
        assert!(!inside.contains("/sys/fs/cgroup/memory"), "{inside}");
        assert_eq!(
            Path::new(&format!("/proc/{}/root", shim.pid()))
                .metadata()
                .unwrap()
                .ino(),
            bench.root().metadata().unwrap().ino()
        );
    });
}
