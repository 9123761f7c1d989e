//! A computer with an engine: a network namespace, folders, a cgroup, and busybox as an image.

use std::fs;
use std::future::Future;
use std::io::{BufRead as _, BufReader};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use engine::settings::Settings;
use engine::{Engine, ShimProgram};
use model::api::container::{AttachOptions, Create, CreateOptions, RemoveOptions, WaitCondition};
use model::api::exec;
use model::api::inspect::Inspect;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;

/// How long anything may take on a busy machine before a test is lost.
const PATIENCE: Duration = Duration::from_mins(2);

/// A computer of a test's own.
pub(crate) struct Computer {
    runtime: Option<Runtime>,
    engine: Option<Engine>,
    settings: Settings,
    folder: TempDir,
    namespace: Child,
}

impl Computer {
    /// One whose engine runs and has the image `busybox`.
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// The same with other settings.
    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let namespace = network_namespace();
        let folder = tempfile::Builder::new()
            .prefix("essaim-")
            .tempdir()
            .unwrap();
        let mut settings = Settings::new(folder.path().join("data"), folder.path().join("run"));
        let name = folder.path().file_name().unwrap().to_str().unwrap();
        settings.cgroup_parent = format!("/essaim-test/{name}");
        change(&mut settings);
        let mut computer = Self {
            runtime: None,
            engine: None,
            settings,
            folder,
            namespace,
        };
        computer.start_daemon();
        computer.wait(load_busybox(computer.engine()));
        computer
    }

    /// Starts the engine again after [`Self::crash`].
    pub(crate) fn start_daemon(&mut self) {
        assert!(self.engine.is_none());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (settings, program) = (
            self.settings.clone(),
            ShimProgram::of_this_program().unwrap(),
        );
        let engine = runtime.block_on(async { Engine::open(settings, program).unwrap() });
        self.runtime = Some(runtime);
        self.engine = Some(engine);
        self.wait(self.engine().ready());
    }

    /// Ends the engine wherever it is: nothing that it has begun goes on.
    pub(crate) fn crash(&mut self) {
        self.engine = None;
        // Tasks end where they wait; the lock of the data root goes with the last of them.
        let runtime = self.runtime.take().unwrap();
        runtime.shutdown_timeout(PATIENCE);
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    pub(crate) fn data_root(&self) -> &Path {
        &self.settings.data_root
    }

    /// A path for the test's own use.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Waits for something, and fails the test if it never comes.
    #[track_caller]
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        let runtime = self.runtime.as_ref().unwrap();
        let place = std::panic::Location::caller();
        let in_time = runtime.block_on(async { tokio::time::timeout(PATIENCE, work).await });
        in_time.unwrap_or_else(|_| panic!("waited in vain at {place}"))
    }

    /// Waits until a container is as wanted.
    #[track_caller]
    pub(crate) fn until(&self, id: &str, wanted: impl Fn(&Inspect) -> bool) -> Inspect {
        let engine = self.engine().clone();
        let container = engine.containers().find(id).unwrap();
        let mut watch = container.watch();
        self.wait(async move {
            loop {
                watch.mark_unchanged();
                let inspect = engine
                    .inspect_container(&container.id.to_string(), false)
                    .await
                    .unwrap();
                if wanted(&inspect) {
                    return inspect;
                }
                watch.changed().await.unwrap();
            }
        })
    }

    /// Makes a container from what is given and busybox.
    pub(crate) fn try_create(
        &self,
        name: &str,
        spec: Value,
    ) -> Result<String, engine::error::Error> {
        let mut spec = spec;
        spec.as_object_mut()
            .unwrap()
            .entry("Image")
            .or_insert(json!("busybox"));
        let create: Create = serde_json::from_value(spec).unwrap();
        let options = CreateOptions {
            name: (!name.is_empty()).then(|| name.to_owned()),
            platform: None,
        };
        self.wait(self.engine().create_container(options, create))
            .map(|created| created.id)
    }

    #[track_caller]
    pub(crate) fn create(&self, name: &str, spec: Value) -> String {
        self.try_create(name, spec).unwrap()
    }

    /// A container without a network that runs a shell command.
    #[track_caller]
    pub(crate) fn create_shell(&self, name: &str, command: &str) -> String {
        self.create(
            name,
            json!({"Cmd": ["sh", "-c", command], "HostConfig": {"NetworkMode": "none"}}),
        )
    }

    #[track_caller]
    pub(crate) fn start(&self, id: &str) {
        self.wait(self.engine().start_container(id)).unwrap();
    }

    #[track_caller]
    pub(crate) fn inspect(&self, id: &str) -> Inspect {
        self.wait(self.engine().inspect_container(id, false))
            .unwrap()
    }

    /// Runs a container to its end: its status and what it put out.
    #[track_caller]
    pub(crate) fn run(&self, spec: Value) -> (i64, String) {
        let id = self.create("", spec);
        let engine = self.engine();
        let options = AttachOptions {
            stream: true,
            stdout: true,
            stderr: true,
            ..AttachOptions::default()
        };
        let (code, output) = self.wait(async {
            let attached = engine.attach_container(&id, &options).await.unwrap();
            let raw = attached.is_raw();
            let mut stream = attached.into_stream();
            let waited = engine
                .wait_container(&id, WaitCondition::NextExit)
                .await
                .unwrap();
            engine.start_container(&id).await.unwrap();
            let output = if raw {
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                all
            } else {
                read_frames(&mut stream).await
            };
            (waited.await.unwrap().status_code, output)
        });
        self.remove(&id);
        (code, String::from_utf8(output).unwrap())
    }

    /// Runs a further program in a container to its end: its status and what it put out.
    #[track_caller]
    pub(crate) fn exec(&self, id: &str, command: &[&str]) -> (i64, String) {
        self.exec_with(
            id,
            json!({"Cmd": command, "AttachStdout": true, "AttachStderr": true}),
            b"",
        )
    }

    #[track_caller]
    pub(crate) fn exec_with(&self, id: &str, spec: Value, input: &[u8]) -> (i64, String) {
        let create: exec::Create = serde_json::from_value(spec).unwrap();
        let engine = self.engine();
        self.wait(async {
            let exec = engine.create_exec(id, create).await.unwrap().id;
            let attached = engine
                .start_exec(&exec, &exec::Start::default())
                .await
                .unwrap()
                .unwrap();
            let mut stream = attached.into_stream();
            stream.write_all(input).await.unwrap();
            stream.shutdown().await.unwrap();
            let output = read_frames(&mut stream).await;
            loop {
                let inspect = engine.inspect_exec(&exec).await.unwrap();
                if let Some(code) = inspect.exit_code {
                    return (code, String::from_utf8(output).unwrap());
                }
                tokio::task::yield_now().await;
            }
        })
    }

    #[track_caller]
    pub(crate) fn remove(&self, id: &str) {
        self.wait(self.engine().remove_container(id, forced()))
            .unwrap();
    }

    /// What of the engine's cgroups is there, but for the shims' own.
    pub(crate) fn container_cgroups(&self) -> Vec<PathBuf> {
        self.cgroup_folders()
            .into_iter()
            .flat_map(|folder| fs::read_dir(folder).into_iter().flatten())
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().unwrap().is_dir() && entry.file_name() != "shims")
            .map(|entry| entry.path())
            .collect()
    }

    fn cgroup_folders(&self) -> Vec<PathBuf> {
        let parent = self.settings.cgroup_parent.trim_start_matches('/');
        let mounts = fs::read_dir("/sys/fs/cgroup").unwrap();
        mounts
            .map(|entry| entry.unwrap().path().join(parent))
            .chain([Path::new("/sys/fs/cgroup").join(parent)])
            .filter(|folder| folder.exists())
            .collect()
    }

    /// The processes in the engine's cgroups, shims included.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let mut processes = Vec::new();
        for folder in self.cgroup_folders() {
            let inner = fs::read_dir(&folder).into_iter().flatten().flatten();
            for folder in inner.map(|entry| entry.path()).chain([folder.clone()]) {
                let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
                processes.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
            }
        }
        processes.sort_unstable();
        processes.dedup();
        processes
    }

    /// The shim of the one container that runs.
    pub(crate) fn shim(&self) -> rustix::process::Pid {
        let shims = self.cgroup_folders().into_iter().find_map(|folder| {
            let text = fs::read_to_string(folder.join("shims/cgroup.procs")).ok()?;
            text.lines()
                .next()
                .and_then(|line| line.parse::<i32>().ok())
        });
        rustix::process::Pid::from_raw(shims.unwrap()).unwrap()
    }
}

impl Drop for Computer {
    fn drop(&mut self) {
        if let (Some(engine), Some(runtime)) = (self.engine.take(), self.runtime.take()) {
            runtime.block_on(async {
                for container in engine.containers().all() {
                    let id = container.id.to_string();
                    let removing = engine.remove_container(&id, forced());
                    drop(tokio::time::timeout(PATIENCE, removing).await);
                }
            });
            drop(engine);
            runtime.shutdown_timeout(PATIENCE);
        }
        for process in self.processes() {
            if let Some(pid) = rustix::process::Pid::from_raw(process) {
                // It may have ended just now.
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            }
        }
        for folder in self.cgroup_folders() {
            for inner in fs::read_dir(&folder).into_iter().flatten().flatten() {
                drop(fs::remove_dir(inner.path()));
            }
            drop(fs::remove_dir(folder));
        }
        drop(self.namespace.kill());
        drop(self.namespace.wait());
    }
}

fn forced() -> RemoveOptions {
    RemoveOptions {
        volumes: true,
        force: true,
        link: false,
    }
}

/// Moves this thread, and all that it starts, into a network namespace that ends with the answer.
fn network_namespace() -> Child {
    let mut process = Command::new("unshare")
        .args([
            "--net",
            "--",
            "sh",
            "-c",
            "ip link set lo up && echo ready && read end",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = process.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let file = fs::File::open(format!("/proc/{}/ns/net", process.id())).unwrap();
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    process
}

async fn load_busybox(engine: &Engine) {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/test-images");
    let output = tokio::process::Command::new(tool)
        .arg("busybox")
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let path = String::from_utf8(output.stdout).unwrap();
    let archive = tokio::fs::File::open(path.trim()).await.unwrap();
    let (progress, mut told) = tokio::sync::mpsc::channel(16);
    let loading = engine.load_images(archive, true, progress);
    let listening = async { while told.recv().await.is_some() {} };
    let (loaded, ()) = tokio::join!(loading, listening);
    loaded.unwrap();
}

/// What is in Docker's frames, both outputs as they came.
async fn read_frames(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let mut header = [0; 8];
    while stream.read_exact(&mut header).await.is_ok() {
        let length = u32::from_be_bytes(header[4..].try_into().unwrap());
        let start = all.len();
        all.resize(start + length as usize, 0);
        stream.read_exact(&mut all[start..]).await.unwrap();
    }
    all
}
