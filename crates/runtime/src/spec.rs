//! What a container is to be: plain data, resolved, with nothing left to decide.
//!
//! The engine makes these from what a user asked for and what an image says; the shim carries them out. Paths of the
//! host are as the daemon sees them; paths of the container are looked up beneath its root, never followed out of it.
//! Nothing here touches the system.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::capability::Capabilities;

/// A container, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a choice of its own that Docker's users make"
)]
pub struct ContainerSpec {
    /// The container's id, for messages and process titles.
    pub id: String,
    /// What it sees as `/`.
    pub root: Root,
    /// Whether its root is read-only.
    pub readonly_root: bool,
    /// Its first process.
    pub process: ProcessSpec,
    /// Its host name, set when it has a UTS namespace of its own; empty leaves the host's.
    pub hostname: String,
    /// Its NIS domain name; empty leaves the host's.
    pub domainname: String,
    /// Whether standard input is a pipe that stays open for clients; otherwise it is `/dev/null`.
    pub open_stdin: bool,
    /// Whether standard input ends when the first client that is attached to it ends.
    pub stdin_once: bool,
    /// Mounts beyond the default ones, in the order they are made. One whose target is that of a default mount
    /// (`/proc`, `/dev`, `/dev/shm`, `/dev/mqueue`, `/sys`) replaces it.
    pub mounts: Vec<Mount>,
    /// Which namespaces it has of its own.
    pub namespaces: Namespaces,
    /// Every device of the host, `/sys` and cgroups writable. Capabilities, seccomp and masks are said apart.
    pub privileged: bool,
    /// Devices of the host beyond the default ones.
    pub devices: Vec<Device>,
    /// Rules of device access beyond those that `devices` imply.
    pub device_rules: Vec<DeviceRule>,
    /// Paths that are hidden behind an empty file or folder.
    pub masked_paths: Vec<PathBuf>,
    /// Paths that are made read-only.
    pub readonly_paths: Vec<PathBuf>,
    /// Kernel parameters: `net.ipv4.ip_forward` and so on.
    pub sysctls: BTreeMap<String, String>,
    /// Limits.
    pub resources: Resources,
    /// Its cgroup, relative to each hierarchy: `essaim/<id>`.
    pub cgroup: String,
    /// Whether a small init is process 1 and the container's program its child.
    pub init: bool,
    /// Where its output is kept; `None` keeps it nowhere.
    pub log: Option<LogFile>,
    /// The file that says how it ended, written before anybody is told.
    pub exit_file: PathBuf,
}

/// What a container sees as `/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Root {
    /// Layers with a writable one on top.
    Overlay {
        /// The read-only layers, topmost first.
        lower: Vec<PathBuf>,
        /// The writable layer.
        upper: PathBuf,
        /// The folder that overlayfs works in, on the file system of `upper`.
        work: PathBuf,
    },
    /// A folder as it is.
    Directory(PathBuf),
}

/// A process: a container's first one, or one that joins it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSpec {
    /// Program and arguments; the program is looked up in the `PATH` of `env` if it has no slash.
    pub args: Vec<String>,
    /// The environment, `NAME=value` each, whole: only `HOME` is added where absent.
    pub env: Vec<String>,
    /// The working directory, made if it is not there (for a container's first process).
    pub cwd: PathBuf,
    /// The user as given, `user[:group]`, by names or numbers; looked up in the container's own files.
    pub user: String,
    /// Supplementary groups by name or number, beyond those of the user.
    pub groups: Vec<String>,
    /// Whether its standard streams are a terminal.
    pub tty: bool,
    /// The first size of the terminal, in rows and columns.
    pub console_size: Option<(u16, u16)>,
    /// The capabilities, intersected with what the daemon has.
    pub capabilities: Capabilities,
    /// Whether programs cannot gain privileges by running others.
    pub no_new_privileges: bool,
    /// The compiled filter of system calls; `None` filters nothing.
    #[serde(skip)]
    pub seccomp: Option<Arc<[u8]>>,
    /// Limits of the process.
    pub rlimits: Vec<Rlimit>,
    /// How readily the kernel kills it when memory runs out, as far as we are allowed to say.
    pub oom_score_adj: Option<i32>,
    /// The file mode creation mask; Docker's is 0o022.
    pub umask: Option<u32>,
}

/// A process that joins a running container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecSpec {
    /// The process. `seccomp` and `capabilities` are not inherited from the container's: say them again.
    pub process: ProcessSpec,
    /// Whether standard input comes from the stream.
    pub stdin: bool,
    /// Whether standard output goes to the stream.
    pub stdout: bool,
    /// Whether standard error goes to the stream.
    pub stderr: bool,
    /// The container's cgroup, as in its specification.
    pub cgroup: String,
}

/// Something mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where, in the container. Made if it is not there.
    pub target: PathBuf,
    /// What.
    pub source: MountSource,
    /// Whether it is read-only.
    pub readonly: bool,
}

/// What a mount shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountSource {
    /// A file or folder of the host.
    Bind {
        /// The host's path; it must exist.
        source: PathBuf,
        /// Whether what is mounted beneath the source comes along.
        recursive: bool,
        /// How later mounts beneath it spread.
        propagation: Propagation,
    },
    /// A file system in memory.
    Tmpfs {
        /// Options as `mount -o` takes them: `rw,noexec,nosuid,size=65536k,mode=1777`.
        options: String,
    },
}

/// How mounts made later on one side of a bind mount show on the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Propagation {
    /// Not at all.
    #[default]
    Private,
    /// Not at all, nor beneath it.
    Rprivate,
    /// From the host to the container.
    Slave,
    /// From the host to the container, also beneath it.
    Rslave,
    /// Both ways.
    Shared,
    /// Both ways, also beneath it.
    Rshared,
}

/// Which namespaces a container has of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    /// The network.
    pub network: Namespace,
    /// Process ids.
    pub pid: Namespace,
    /// Shared memory, semaphores, message queues. With [`Namespace::Join`] `/dev/shm` is the other's, too.
    pub ipc: Namespace,
    /// Host name. [`Namespace::Join`] joins the other's.
    pub uts: Namespace,
    /// The view of cgroups.
    pub cgroup: Namespace,
    /// The size of `/dev/shm` in bytes; Docker's default is 64 MiB. Zero leaves `/dev/shm` out.
    pub shm_size: u64,
}

/// One namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Namespace {
    /// One of its own.
    #[default]
    New,
    /// The daemon's.
    Host,
    /// That of the process with this id (the first process of another container).
    Join(u32),
    /// The one that this file is: `/proc/<pid>/ns/net`, `/run/netns/x`.
    Path(PathBuf),
}

/// A device of the host, put into the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The device on the host.
    pub host_path: PathBuf,
    /// Where it is in the container.
    pub container_path: PathBuf,
    /// What the container may do: a selection of `r`, `w` and `m`.
    pub access: String,
}

/// A rule of device access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRule {
    /// `c`, `b`, or `a` for both.
    pub kind: char,
    /// The major number; `None` means every one.
    pub major: Option<u32>,
    /// The minor number; `None` means every one.
    pub minor: Option<u32>,
    /// A selection of `r`, `w` and `m`.
    pub access: String,
}

/// A limit of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// `nofile`, `nproc` and so on, lower-case, without `RLIMIT_`.
    pub name: String,
    /// The soft limit; `u64::MAX` is none.
    pub soft: u64,
    /// The hard limit; `u64::MAX` is none.
    pub hard: u64,
}

/// Limits of a container. `None` leaves the kernel's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Memory, in bytes.
    pub memory: Option<i64>,
    /// Memory and swap together, in bytes; -1 is no limit of swap.
    pub memory_swap: Option<i64>,
    /// Memory that it is pushed back to when memory is scarce, in bytes.
    pub memory_reservation: Option<i64>,
    /// Kernel memory for TCP buffers is not offered; this is how readily it is swapped, 0 to 100 (v1 only).
    pub memory_swappiness: Option<u64>,
    /// Whether it waits instead of being killed when memory runs out (v1 only).
    pub oom_kill_disable: bool,
    /// Weight of its CPU time, 2 to 262144; 1024 is the default.
    pub cpu_shares: Option<u64>,
    /// The period of the CPU quota, in microseconds.
    pub cpu_period: Option<u64>,
    /// CPU time in each period, in microseconds; -1 is no limit.
    pub cpu_quota: Option<i64>,
    /// CPUs it may use: `0-2,5`.
    pub cpuset_cpus: Option<String>,
    /// Memory nodes it may use: `0-1`.
    pub cpuset_mems: Option<String>,
    /// Processes and threads; -1 is no limit.
    pub pids: Option<i64>,
    /// Weight of its block I/O, 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// Limits of block I/O per device.
    pub blkio_limits: Vec<BlockLimit>,
}

/// A limit of block I/O on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockLimit {
    /// The device's path on the host.
    pub device: PathBuf,
    /// What is limited.
    pub kind: BlockLimitKind,
    /// Bytes or operations per second.
    pub rate: u64,
}

/// What a [`BlockLimit`] limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockLimitKind {
    /// Bytes read.
    ReadBytes,
    /// Bytes written.
    WriteBytes,
    /// Read operations.
    ReadOperations,
    /// Write operations.
    WriteOperations,
}

/// A log in Docker's `json-file` format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    /// The newest file; older ones are `<path>.1`, `<path>.2`, …
    pub path: PathBuf,
    /// How large a file may grow, in bytes, before a new one is begun; `None` is without bound.
    pub max_size: Option<u64>,
    /// How many files are kept, at least 1.
    pub max_files: u32,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit status, or 128 and the number of the signal that killed it.
    pub code: i32,
    /// Whether the kernel killed a process of the container for want of memory.
    pub oom_killed: bool,
    /// When, in nanoseconds since 1970.
    pub at: u64,
}
