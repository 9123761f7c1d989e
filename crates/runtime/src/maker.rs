//! The short-lived child of the shim that makes a process: in a new container, or in one that runs.
//!
//! ```text
//! shim ── fork ──▶ maker: reads the specification, makes the cgroup, joins namespaces
//!                    └─ clone, as the shim's child ──▶ the process: enters the cgroup, makes mounts, looks things up,
//!                                                      says it is ready, waits for the word, becomes the program
//! ```
//!
//! All that the specification takes in memory goes with the maker and the process; the shim never reads it.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::net::{RecvFlags, SendFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use serde::{Deserialize, Serialize};

use crate::beneath::{self, Missing};
use crate::cgroup::{self, Cgroup};
use crate::devices;
use crate::failure::{Failure, FailureKind};
use crate::mounts;
use crate::process;
use crate::protocol::{self, ShimSettings};
use crate::spec::{ContainerSpec, ExecSpec, Namespace, ProcessSpec};
use crate::syscall::{self, CloneOptions, Forked};

/// What a maker and its process tell the shim.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// The process's id, told by the maker.
    Pid(i32),
    /// The process waits for the word; beside it comes its terminal, if it has one: our side, then its side.
    Ready,
    /// It did not work; nothing more will come.
    Failed(Failure),
}

/// The word that lets a ready process go on.
pub(crate) const GO: &[u8] = b"go";

/// What a new process has for input, output and errors; `None` is a terminal.
pub(crate) type Streams = Option<[OwnedFd; 3]>;

/// What is to be made.
#[derive(Debug)]
pub(crate) enum Task<'a> {
    /// A container.
    Container(&'a ShimSettings),
    /// A process in one whose first process this is.
    Exec {
        /// The container's.
        settings: &'a ShimSettings,
        /// Its first process.
        first: BorrowedFd<'a>,
    },
}

/// Everything that the maker does, in the forked child. The result is its exit status.
pub(crate) fn run(
    task: &Task<'_>,
    oom_score: Option<i32>,
    payload: BorrowedFd<'_>,
    streams: &Streams,
    line: BorrowedFd<'_>,
) -> i32 {
    syscall::reset_signals();
    process::set_oom_score(oom_score);
    let mut kept: Vec<RawFd> = vec![payload.as_raw_fd(), line.as_raw_fd()];
    kept.extend(streams.iter().flatten().map(AsRawFd::as_raw_fd));
    if let Task::Exec { first, .. } = task {
        kept.push(first.as_raw_fd());
    }
    close_all_but(kept);
    let made = match task {
        Task::Container(settings) => make_container(settings, payload, streams, line),
        Task::Exec { settings, first } => make_exec(settings, *first, payload, streams, line),
    };
    match made {
        Ok(pid) => i32::from(tell(line, &Report::Pid(pid), &[]).is_err()),
        Err(failure) => {
            drop(tell(line, &Report::Failed(failure), &[]));
            1
        }
    }
}

/// Nothing that the shim has open may come near the container.
fn close_all_but(mut kept: Vec<RawFd>) {
    kept.sort_unstable();
    let mut next = 3;
    for fd in kept {
        if fd > next {
            syscall::close_range(next, fd - 1);
        }
        next = next.max(fd + 1);
    }
    syscall::close_from(next);
}

fn tell(
    line: BorrowedFd<'_>,
    report: &Report,
    descriptors: &[BorrowedFd<'_>],
) -> std::io::Result<()> {
    protocol::send(line, report, descriptors, SendFlags::empty())
}

fn make_container(
    settings: &ShimSettings,
    payload: BorrowedFd<'_>,
    streams: &Streams,
    line: BorrowedFd<'_>,
) -> Result<i32, Failure> {
    let (spec, filter): (ContainerSpec, Vec<u8>) = protocol::read_payload(payload)
        .map_err(|error| Failure::system("read the specification", error))?;
    let cgroup = Cgroup::new(settings.layout.clone(), &settings.cgroup);
    let limit = |error: cgroup::CgroupError| Failure::new(FailureKind::Limit, error.to_string());
    cgroup.make().map_err(limit)?;
    cgroup.limit(&spec.resources).map_err(limit)?;
    let rules = devices::rules_of(&spec).map_err(|(path, error)| {
        let message = format!(
            "error gathering device information while adding custom device {}: {error}",
            path.display()
        );
        Failure::new(FailureKind::Mount, message)
    })?;
    cgroup.allow_devices(&rules).map_err(limit)?;
    let (entrances, handle) = (
        cgroup.entrances().map_err(limit)?,
        cgroup.handle().map_err(limit)?,
    );

    let shared_memory = shared_memory_of(&spec.namespaces.ipc)?;
    let mut flags = libc::CLONE_NEWNS;
    let namespaces = [
        (&spec.namespaces.network, "net", libc::CLONE_NEWNET),
        (&spec.namespaces.ipc, "ipc", libc::CLONE_NEWIPC),
        (&spec.namespaces.uts, "uts", libc::CLONE_NEWUTS),
        (&spec.namespaces.pid, "pid", libc::CLONE_NEWPID),
    ];
    for (namespace, name, flag) in namespaces {
        match namespace {
            Namespace::New => flags |= flag,
            Namespace::Host => {}
            Namespace::Join(process) => {
                join(&PathBuf::from(format!("/proc/{process}/ns/{name}")), flag)?;
            }
            Namespace::Path(path) => join(path, flag)?,
        }
    }
    // The init's program: opened here, where `/proc` still shows this process.
    let init = if spec.init {
        let program = rustix::fs::open(
            "/proc/self/exe",
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        Some(program.map_err(|error| Failure::system("open the init", error))?)
    } else {
        None
    };
    let options = CloneOptions {
        flags: as_flags(flags | libc::CLONE_PARENT),
        cgroup: handle.as_ref().map(AsFd::as_fd),
    };
    match syscall::clone_process(options)
        .map_err(|error| Failure::system("make namespaces", error))?
    {
        Forked::Parent(pid) => Ok(pid),
        Forked::Child => {
            let first = || -> Result<(ProcessSpec, process::Prepared), Failure> {
                let terminal =
                    enter_container(&spec, settings, &entrances, shared_memory, streams)?;
                finish(&spec.process, terminal, streams, init, line)
            };
            become_program(first(), &filter, line)
        }
    }
}

fn as_flags(flags: i32) -> u64 {
    u64::from(flags.unsigned_abs())
}

fn join(path: &Path, flag: i32) -> Result<(), Failure> {
    let enter =
        || -> std::io::Result<()> { syscall::join_namespaces(File::open(path)?.as_fd(), flag) };
    enter()
        .map_err(|error| Failure::system(&format!("join the namespace {}", path.display()), error))
}

/// A copy of the mount of `/dev/shm` that belongs to the IPC namespace: the host's, or that of the container whose
/// namespace is joined, fetched from its mount namespace.
fn shared_memory_of(ipc: &Namespace) -> Result<Option<OwnedFd>, Failure> {
    use rustix::mount::OpenTreeFlags;
    let process = match ipc {
        Namespace::Join(process) => process,
        // The host's, where it has one.
        Namespace::Host => {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            return Ok(rustix::mount::open_tree(rustix::fs::CWD, "/dev/shm", flags).ok());
        }
        Namespace::New | Namespace::Path(_) => return Ok(None),
    };
    let fetch = || -> std::io::Result<OwnedFd> {
        let ours = File::open("/proc/self/ns/mnt")?;
        syscall::join_namespaces(
            File::open(format!("/proc/{process}/ns/mnt"))?.as_fd(),
            libc::CLONE_NEWNS,
        )?;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let copy = rustix::mount::open_tree(rustix::fs::CWD, "/dev/shm", flags);
        syscall::join_namespaces(ours.as_fd(), libc::CLONE_NEWNS)?;
        Ok(copy?)
    };
    fetch()
        .map(Some)
        .map_err(|error| Failure::system("share /dev/shm with the other container", error))
}

/// A terminal: our side, and the container's.
#[derive(Debug)]
struct Terminal {
    ours: OwnedFd,
    theirs: OwnedFd,
}

fn enter_container(
    spec: &ContainerSpec,
    settings: &ShimSettings,
    entrances: &[File],
    shared_memory: Option<OwnedFd>,
    streams: &Streams,
) -> Result<Option<Terminal>, Failure> {
    let step = |what: &'static str| move |error: std::io::Error| Failure::system(what, error);
    let errno = |what: &'static str| move |error: rustix::io::Errno| Failure::system(what, error);
    cgroup::enter(entrances).map_err(step("enter the cgroup"))?;
    if spec.namespaces.cgroup == Namespace::New {
        syscall::unshare(libc::CLONE_NEWCGROUP).map_err(step("make a cgroup namespace"))?;
    }
    process::set_oom_score(spec.process.oom_score_adj);
    rustix::process::setsid().map_err(errno("begin a session"))?;
    if spec.namespaces.network == Namespace::New {
        syscall::loopback_up().map_err(step("bring the loopback interface up"))?;
    }
    if spec.namespaces.uts == Namespace::New {
        if !spec.hostname.is_empty() {
            rustix::system::sethostname(spec.hostname.as_bytes()).map_err(errno("sethostname"))?;
        }
        if !spec.domainname.is_empty() {
            rustix::system::setdomainname(spec.domainname.as_bytes())
                .map_err(errno("setdomainname"))?;
        }
    }
    rustix::process::umask(Mode::empty());
    let sources = mounts::sources(spec, shared_memory)?;
    mounts::cut_off()?;
    let made = mounts::make(spec, &settings.layout, sources, &settings.directory)?;
    let terminal = match (streams, &made.terminals) {
        (Some(_), _) => None,
        (None, Some(terminals)) => Some(
            open_terminal(terminals.as_fd(), &spec.process).map_err(errno("open a terminal"))?,
        ),
        (None, None) => {
            let terminals = beneath::find(made.root.as_fd(), Path::new("/dev/pts"))
                .map_err(errno("find /dev/pts"))?;
            Some(
                open_terminal(terminals.as_fd(), &spec.process)
                    .map_err(errno("open a terminal"))?,
            )
        }
    };
    if let Some(terminal) = &terminal {
        mount_console(made.root.as_fd(), &terminal.theirs).map_err(errno("mount /dev/console"))?;
    }
    mounts::become_root(&made.root)?;
    Ok(terminal)
}

fn open_terminal(terminals: BorrowedFd<'_>, spec: &ProcessSpec) -> rustix::io::Result<Terminal> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let ours = rustix::fs::openat(terminals, "ptmx", flags, Mode::empty())?;
    // In a container that runs, somebody may have put something else in its place.
    let status = rustix::fs::fstat(&ours)?;
    if status.st_rdev != rustix::fs::makedev(5, 2) {
        return Err(rustix::io::Errno::NOTTY);
    }
    rustix::pty::unlockpt(&ours)?;
    let theirs = rustix::pty::ioctl_tiocgptpeer(
        &ours,
        OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
    )?;
    if let Some((rows, columns)) = spec.console_size {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&ours, size)?;
    }
    Ok(Terminal { ours, theirs })
}

fn mount_console(root: BorrowedFd<'_>, terminal: &OwnedFd) -> rustix::io::Result<()> {
    use rustix::mount::{MoveMountFlags, OpenTreeFlags};
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let copy = rustix::mount::open_tree(terminal, "", flags)?;
    let target = beneath::find_or_make(root, Path::new("/dev/console"), Missing::File)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(&copy, "", &target, "", flags)
}

fn make_exec(
    settings: &ShimSettings,
    first: BorrowedFd<'_>,
    payload: BorrowedFd<'_>,
    streams: &Streams,
    line: BorrowedFd<'_>,
) -> Result<i32, Failure> {
    let (spec, filter): (ExecSpec, Vec<u8>) = protocol::read_payload(payload)
        .map_err(|error| Failure::system("read the specification", error))?;
    let cgroup = Cgroup::new(settings.layout.clone(), &settings.cgroup);
    let limit = |error: cgroup::CgroupError| Failure::new(FailureKind::Limit, error.to_string());
    let (entrances, handle) = (
        cgroup.entrances().map_err(limit)?,
        cgroup.handle().map_err(limit)?,
    );
    process::set_oom_score(spec.process.oom_score_adj);
    let all = libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    syscall::join_namespaces(first, all)
        .map_err(|error| Failure::system("join the container", error))?;
    let options = CloneOptions {
        flags: as_flags(libc::CLONE_PARENT),
        cgroup: handle.as_ref().map(AsFd::as_fd),
    };
    match syscall::clone_process(options)
        .map_err(|error| Failure::system("make a process", error))?
    {
        Forked::Parent(pid) => Ok(pid),
        Forked::Child => {
            let joined = || -> Result<(ProcessSpec, process::Prepared), Failure> {
                let errno = |what: &'static str| {
                    move |error: rustix::io::Errno| Failure::system(what, error)
                };
                cgroup::enter(&entrances)
                    .map_err(|error| Failure::system("enter the cgroup", error))?;
                rustix::process::setsid().map_err(errno("begin a session"))?;
                let terminal = if streams.is_none() {
                    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                    let top =
                        rustix::fs::open("/", flags, Mode::empty()).map_err(errno("open /"))?;
                    let terminals = beneath::find(top.as_fd(), Path::new("/dev/pts"))
                        .map_err(errno("find /dev/pts"))?;
                    Some(
                        open_terminal(terminals.as_fd(), &spec.process)
                            .map_err(errno("open a terminal"))?,
                    )
                } else {
                    None
                };
                finish(&spec.process, terminal, streams, None, line)
            };
            become_program(joined(), &filter, line)
        }
    }
}

/// Takes the standard streams, lets go of everything else, looks up what is to run, and waits for the word.
fn finish(
    spec: &ProcessSpec,
    terminal: Option<Terminal>,
    streams: &Streams,
    init: Option<OwnedFd>,
    line: BorrowedFd<'_>,
) -> Result<(ProcessSpec, process::Prepared), Failure> {
    let step = |what: &'static str| move |error: std::io::Error| Failure::system(what, error);
    // Out of the way of the standard streams, and of what is closed below.
    let high =
        |fd: BorrowedFd<'_>| syscall::duplicate_above(fd, 64).map_err(step("move a descriptor"));
    let mut beside = Vec::new();
    match (&terminal, streams) {
        (Some(terminal), _) => {
            syscall::take_terminal(terminal.theirs.as_fd()).map_err(step("take the terminal"))?;
            beside = vec![high(terminal.ours.as_fd())?, high(terminal.theirs.as_fd())?];
            for target in 0..3 {
                syscall::duplicate_onto(terminal.theirs.as_fd(), target)
                    .map_err(step("set up the terminal"))?;
            }
        }
        (None, Some(streams)) => {
            let moved = streams
                .iter()
                .map(|fd| high(fd.as_fd()))
                .collect::<Result<Vec<_>, _>>()?;
            for (target, fd) in (0..).zip(&moved) {
                syscall::duplicate_onto(fd.as_fd(), target)
                    .map_err(step("set up standard streams"))?;
            }
        }
        (None, None) => {
            return Err(Failure::new(
                FailureKind::System,
                "there are no standard streams",
            ));
        }
    }
    drop(terminal);
    let init = init.map(|init| high(init.as_fd())).transpose()?;
    let mut kept = vec![line.as_raw_fd()];
    kept.extend(init.iter().chain(&beside).map(AsRawFd::as_raw_fd));
    close_all_but(kept);
    let prepared = process::prepare(spec, init)?;
    let descriptors: Vec<BorrowedFd<'_>> = beside.iter().map(AsFd::as_fd).collect();
    tell(line, &Report::Ready, &descriptors).map_err(step("tell the shim"))?;
    Ok((spec.clone(), prepared))
}

/// Waits for the word and becomes the program; on any failure, tells it and ends.
fn become_program(
    ready: Result<(ProcessSpec, process::Prepared), Failure>,
    filter: &[u8],
    line: BorrowedFd<'_>,
) -> ! {
    let failure = match ready {
        Ok((spec, prepared)) => {
            let mut word = [0; GO.len()];
            match rustix::net::recv(line, &mut word, RecvFlags::empty()) {
                Ok((_, count)) if word[..count.min(GO.len())] == *GO => {}
                // The shim is gone; nobody wants this any more.
                Ok(_) | Err(_) => syscall::exit_now(1),
            }
            process::run(&spec, filter, &prepared)
        }
        Err(failure) => failure,
    };
    let code = failure.exit_code().unwrap_or(1);
    drop(tell(line, &Report::Failed(failure), &[]));
    syscall::exit_now(code)
}
