//! What every test needs: a root with busybox, a container from it, and clearing up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runtime::capability::Capabilities;
use runtime::client::{Error, Launch, Shim, kill_leftover};
use runtime::host::{CgroupLayout, HostAbilities};
use runtime::program::ShimProgram;
use runtime::spec::{
    ContainerSpec, ExecSpec, Exit, LogFile, Namespaces, ProcessSpec, Resources, Root,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// How long anything may take on a busy machine before a test is lost.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the folders and cgroups of these tests begin with; the test's process id comes next.
const NAME: &str = "essaim-runtime-";

/// A container that a test makes, and everything around it.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) abilities: HostAbilities,
    pub(crate) program: ShimProgram,
    pub(crate) spec: ContainerSpec,
}

impl Bench {
    /// A container with busybox in its root, that would run this.
    pub(crate) fn new(args: &[&str]) -> Self {
        sweep();
        let prefix = format!("{NAME}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir().unwrap();
        let root = folder.path().join("root");
        for name in ["bin", "etc", "tmp", "root"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
        let applets = "sh true false cat echo sleep ls id pwd head tail stat mount dd kill ps env stty wc \
                       test touch seq hostname readlink grep mkdir ln sync nproc tty md5sum ip setsid ulimit yes";
        for applet in applets.split_whitespace() {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        std::fs::write(
            root.join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/tmp:/bin/sh\n",
        )
        .unwrap();
        std::fs::write(
            root.join("etc/group"),
            "root:x:0:\nann:x:1000:\nwheel:x:10:ann\n",
        )
        .unwrap();
        let id = folder
            .path()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_start_matches('.')
            .to_owned();
        let spec = ContainerSpec {
            id: id.clone(),
            root: Root::Directory(root),
            readonly_root: false,
            process: ProcessSpec {
                args: args.iter().map(|&arg| arg.to_owned()).collect(),
                env: vec!["PATH=/bin".to_owned()],
                cwd: PathBuf::from("/"),
                capabilities: Capabilities::docker_default(),
                ..ProcessSpec::default()
            },
            hostname: "box".to_owned(),
            domainname: String::new(),
            open_stdin: false,
            stdin_once: false,
            mounts: Vec::new(),
            namespaces: Namespaces {
                shm_size: 64 << 20,
                ..Namespaces::default()
            },
            privileged: false,
            devices: Vec::new(),
            device_rules: Vec::new(),
            masked_paths: [
                "/proc/kcore",
                "/proc/keys",
                "/proc/acpi",
                "/sys/firmware",
                "/proc/nosuch",
            ]
            .map(PathBuf::from)
            .to_vec(),
            readonly_paths: ["/proc/sys", "/proc/bus"].map(PathBuf::from).to_vec(),
            sysctls: BTreeMap::new(),
            resources: Resources::default(),
            cgroup: format!("{id}/box"),
            init: false,
            log: Some(LogFile {
                path: folder.path().join("log"),
                max_size: None,
                max_files: 1,
            }),
            exit_file: folder.path().join("exit.json"),
        };
        Self {
            folder,
            abilities: HostAbilities::probe(),
            program: ShimProgram::of_this_program().unwrap(),
            spec,
        }
    }

    /// The container's root on the host.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// The group that everything of this test is in.
    pub(crate) fn cgroup_parent(&self) -> String {
        self.spec.cgroup.trim_end_matches("/box").to_owned()
    }

    /// The folder of the shim's socket.
    pub(crate) fn directory(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    pub(crate) async fn try_create(&self) -> Result<Shim, Error> {
        Shim::create(Launch {
            spec: &self.spec,
            directory: &self.directory(),
            program: &self.program,
            abilities: &self.abilities,
            shim_cgroup: &format!("{}/shims", self.cgroup_parent()),
            kept: Vec::new(),
        })
        .await
    }

    pub(crate) async fn create(&self) -> Shim {
        patient(self.try_create()).await.unwrap()
    }

    pub(crate) async fn start(&self) -> Shim {
        let shim = self.create().await;
        patient(shim.start()).await.unwrap();
        shim
    }

    /// Runs the container to its end.
    pub(crate) async fn run(&self) -> Exit {
        let shim = self.start().await;
        patient(shim.wait()).await.unwrap()
    }

    /// Runs the container to its end, and gives its status and what it put out.
    pub(crate) async fn output(&self) -> (i32, String) {
        let exit = self.run().await;
        (exit.code, self.logged())
    }

    /// What is in the log, both outputs as they came.
    pub(crate) fn logged(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log"))
            .unwrap()
            .lines()
            .map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                line["log"].as_str().unwrap().to_owned()
            })
            .collect()
    }

    /// A process to run in the container.
    pub(crate) fn exec(&self, args: &[&str]) -> ExecSpec {
        ExecSpec {
            process: ProcessSpec {
                args: args.iter().map(|&arg| arg.to_owned()).collect(),
                ..self.spec.process.clone()
            },
            stdin: false,
            stdout: true,
            stderr: true,
            cgroup: self.spec.cgroup.clone(),
        }
    }

    /// The folders of the container's cgroup that are there.
    pub(crate) fn cgroup_folders(&self) -> Vec<PathBuf> {
        std::fs::read_dir("/sys/fs/cgroup")
            .unwrap()
            .map(|entry| entry.unwrap().path().join(&self.spec.cgroup))
            .chain([Path::new("/sys/fs/cgroup").join(&self.spec.cgroup)])
            .filter(|folder| folder.exists())
            .collect()
    }
}

/// Removes what tests left that were killed before they could clear up.
fn sweep() {
    let is_stale = |name: &str| {
        let owner = name
            .strip_prefix(NAME)
            .and_then(|rest| rest.split('-').next());
        owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
    };
    let names = |folder: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| is_stale(name))
            .collect()
    };
    let top = Path::new("/sys/fs/cgroup");
    for name in names(top).into_iter().chain(names(&top.join("pids"))) {
        clear(HostAbilities::probe(), name);
    }
    let mount = top.join("unified");
    for name in names(&mount) {
        let cgroups = CgroupLayout::V2 {
            mount: mount.clone(),
            controllers: Vec::new(),
        };
        clear(
            HostAbilities {
                cgroups,
                ..HostAbilities::probe()
            },
            name,
        );
    }
    for name in names(&std::env::temp_dir()) {
        drop(std::fs::remove_dir_all(std::env::temp_dir().join(name)));
    }
}

/// Kills everything in a group and removes it.
fn clear(abilities: HostAbilities, cgroup: String) {
    let work = move || {
        let exit_file = tempfile::NamedTempFile::new().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        drop(runtime.block_on(kill_leftover(&abilities, &cgroup, exit_file.path())));
    };
    // On a thread of its own: the test's may be in a runtime already.
    drop(std::thread::spawn(work).join());
}

impl Drop for Bench {
    fn drop(&mut self) {
        clear(self.abilities.clone(), self.cgroup_parent());
    }
}

/// Waits for something, and fails the test if it never comes.
#[track_caller]
pub(crate) fn patient<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        let done = tokio::time::timeout(PATIENCE, work).await;
        done.unwrap_or_else(|_| panic!("waited in vain at {place}"))
    }
}

/// Runs a test with an async runtime on this thread.
pub(crate) fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

/// Reads a framed stream to its end: what came on standard output and on standard error.
pub(crate) async fn read_frames(stream: &mut (impl AsyncReadExt + Unpin)) -> (Vec<u8>, Vec<u8>) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut head = [0; 8];
    while patient(stream.read_exact(&mut head)).await.is_ok() {
        let length = u32::from_be_bytes(head[4..].try_into().unwrap());
        let mut body = vec![0; usize::try_from(length).unwrap()];
        patient(stream.read_exact(&mut body)).await.unwrap();
        match head[0] {
            1 => out.extend(body),
            2 => err.extend(body),
            other => panic!("there is no stream {other}"),
        }
    }
    (out, err)
}

/// Reads a raw stream until this text has come, and gives all that came.
pub(crate) async fn read_until(stream: &mut UnixStream, text: &str) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let so_far = String::from_utf8_lossy(&all).into_owned();
        if so_far.contains(text) {
            return so_far;
        }
        let count = patient(stream.read(&mut buffer)).await.unwrap();
        assert!(count > 0, "the stream ended before {text:?}: {so_far:?}");
        all.extend(&buffer[..count]);
    }
}

/// Writes all of it.
pub(crate) async fn write(stream: &mut UnixStream, bytes: &[u8]) {
    patient(stream.write_all(bytes)).await.unwrap();
}
