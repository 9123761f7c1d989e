//! From a process of ours to the container's program: identity, limits, capabilities, filter, `exec`.
//!
//! The order is what matters. Everything that needs a file is looked up while no descriptor but the standard three and
//! the line to the shim is open. The filter of system calls comes after all that it might forbid and, unless the process
//! gives up gaining privileges, before the capability that loading one needs is dropped: between it and `exec` there is
//! nothing but `capset`.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, Uid};
use rustix::process::{Resource, Rlimit as KernelRlimit};

use crate::beneath;
use crate::capability::Capabilities;
use crate::failure::{Failure, FailureKind};
use crate::lookup;
use crate::spec::{ProcessSpec, Rlimit};
use crate::syscall;
use crate::user::{self, Identity};

/// How much of `/etc/passwd` and `/etc/group` is read; an image may hold anything there.
const LONGEST_USER_FILE: u64 = 16 * 1024 * 1024;

/// Docker's mask for new files.
const DEFAULT_UMASK: u32 = 0o022;

const KEEP_CAPABILITIES: i32 = libc::PR_SET_KEEPCAPS;

/// A process that has been prepared as far as it can be before it is told to start.
#[derive(Debug)]
pub(crate) struct Prepared {
    arguments: Vec<CString>,
    environment: Vec<CString>,
    program: PathBuf,
    identity: Identity,
    init: Option<OwnedFd>,
}

/// How readily the kernel kills this process: as asked, if we may say so.
pub(crate) fn set_oom_score(score: Option<i32>) {
    if let Some(score) = score {
        // A lower one than ours needs a capability that we may not have; the container then has ours.
        drop(std::fs::write(
            "/proc/self/oom_score_adj",
            score.to_string(),
        ));
    }
}

/// Looks everything up in the container's root, which must be this process's root by now, and where nothing of the host
/// is open any more. Leaves the working directory where the program is to start.
pub(crate) fn prepare(spec: &ProcessSpec, init: Option<OwnedFd>) -> Result<Prepared, Failure> {
    let identity = look_up_identity(spec)?;
    let mut environment = spec.env.clone();
    if !environment
        .iter()
        .any(|variable| variable.starts_with("HOME="))
    {
        environment.push(format!(
            "HOME={}",
            if identity.home.is_empty() {
                "/"
            } else {
                &identity.home
            }
        ));
    }
    enter_working_directory(&spec.cwd)?;
    let name = spec.args.first().map_or("", String::as_str);
    let program = lookup::program(name, &environment)?;
    Ok(Prepared {
        arguments: strings(&spec.args)?,
        environment: strings(&environment)?,
        program,
        identity,
        init,
    })
}

fn strings(texts: &[String]) -> Result<Vec<CString>, Failure> {
    texts
        .iter()
        .map(|text| {
            CString::new(text.as_str())
                .map_err(|error| Failure::system("pass on arguments and environment", error))
        })
        .collect()
}

fn look_up_identity(spec: &ProcessSpec) -> Result<Identity, Failure> {
    let top = rustix::fs::open(
        "/",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|error| Failure::system("open /", error))?;
    user::identity(
        &spec.user,
        &spec.groups,
        &read_text(top.as_fd(), "/etc/passwd"),
        &read_text(top.as_fd(), "/etc/group"),
    )
}

/// A text file of the container, empty if it is none. Waits for nothing: the file may be a pipe.
fn read_text(root: BorrowedFd<'_>, path: &str) -> String {
    let read = || -> io::Result<String> {
        use std::io::Read;
        let file = beneath::open(
            root,
            Path::new(path),
            OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY,
        )?;
        let status = rustix::fs::fstat(&file)?;
        if rustix::fs::FileType::from_raw_mode(status.st_mode) != rustix::fs::FileType::RegularFile
        {
            return Ok(String::new());
        }
        let mut bytes = Vec::new();
        std::fs::File::from(file)
            .take(LONGEST_USER_FILE)
            .read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}

/// Goes to the working directory, which must be within the root: never through a link of `/proc` that leads to where
/// some descriptor is.
fn enter_working_directory(path: &Path) -> Result<(), Failure> {
    let path = if path.as_os_str().is_empty() {
        Path::new("/")
    } else {
        path
    };
    let enter = || -> rustix::io::Result<()> {
        let top = rustix::fs::open(
            "/",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let folder = beneath::open(top.as_fd(), path, OFlags::PATH | OFlags::DIRECTORY)?;
        rustix::process::fchdir(&folder)?;
        let here = rustix::process::getcwd(Vec::new())?;
        if here.as_bytes().starts_with(b"/") {
            Ok(())
        } else {
            Err(rustix::io::Errno::NOENT)
        }
    };
    enter().map_err(|error| {
        let reason = match error {
            rustix::io::Errno::NOENT => "no such file or directory".to_owned(),
            rustix::io::Errno::NOTDIR => "not a directory".to_owned(),
            rustix::io::Errno::ACCESS => "permission denied".to_owned(),
            rustix::io::Errno::LOOP => {
                "it leads out of the container or round in circles".to_owned()
            }
            other => other.to_string(),
        };
        let message = format!(
            "chdir to cwd (\"{}\") set in config.json failed: {reason}",
            path.display()
        );
        Failure::new(FailureKind::WorkingDirectory, message)
    })
}

/// Runs the program. Returns only the reason why not.
pub(crate) fn run(spec: &ProcessSpec, filter: &[u8], prepared: &Prepared) -> Failure {
    match take_on(spec, filter, &prepared.identity) {
        Ok(()) => execute(prepared),
        Err(failure) => failure,
    }
}

fn take_on(spec: &ProcessSpec, filter: &[u8], identity: &Identity) -> Result<(), Failure> {
    set_limits(&spec.rlimits)?;
    rustix::process::umask(Mode::from(spec.umask.unwrap_or(DEFAULT_UMASK)));
    own_standard_streams(identity.user);
    let step = |what: &'static str| move |error: io::Error| Failure::system(what, error);

    let permitted = syscall::permitted_capabilities().map_err(step("read our capabilities"))?;
    let wanted = spec.capabilities.bits() & permitted;
    for number in 0..64 {
        let is_known = Capabilities::ALL.bits() & (1 << number) != 0;
        if is_known && wanted & (1 << number) == 0 {
            // One that the kernel doesn't know is not there anyway.
            drop(syscall::process_control(libc::PR_CAPBSET_DROP, number, 0));
        }
    }
    drop_unknown_capabilities();
    syscall::process_control(KEEP_CAPABILITIES, 1, 0).map_err(step("keep capabilities"))?;
    syscall::set_groups(&identity.groups).map_err(step("set groups"))?;
    syscall::set_group(identity.group).map_err(step("set the group"))?;
    syscall::set_user(identity.user).map_err(step("set the user"))?;
    if spec.no_new_privileges {
        syscall::process_control(libc::PR_SET_NO_NEW_PRIVS, 1, 0)
            .map_err(step("give up gaining privileges"))?;
    }
    if !filter.is_empty() {
        // Changing the user has emptied the effective set; loading needs it once more.
        syscall::set_capabilities(permitted, permitted, 0).map_err(step("raise capabilities"))?;
        syscall::load_filter(filter).map_err(step("load the filter of system calls"))?;
    }
    syscall::set_capabilities(wanted, wanted, 0).map_err(step("drop capabilities"))
}

/// Capabilities that are newer than this program go, too.
fn drop_unknown_capabilities() {
    for number in Capabilities::ALL.bits().trailing_ones()..64 {
        if syscall::process_control(libc::PR_CAPBSET_DROP, number.into(), 0).is_err() {
            return;
        }
    }
}

fn execute(prepared: &Prepared) -> Failure {
    let Some(path) = CString::new(prepared.program.as_os_str().as_bytes()).ok() else {
        return Failure::new(
            FailureKind::ProgramNotFound,
            "exec: the name has a zero byte in it",
        );
    };
    let error = match &prepared.init {
        None => syscall::execute(&path, &prepared.arguments, &prepared.environment),
        Some(init) => {
            // What it is to run goes by its full path; the name it was called by stays its own first argument.
            let mut arguments = vec![c"/sbin/docker-init".to_owned(), c"--".to_owned(), path];
            arguments.extend(prepared.arguments.iter().skip(1).cloned());
            syscall::execute_file(init.as_fd(), &arguments, &prepared.environment)
        }
    };
    let name = prepared
        .arguments
        .first()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let (kind, reason) = match error.raw_os_error() {
        Some(libc::ENOENT) => (
            FailureKind::ProgramNotFound,
            "no such file or directory".to_owned(),
        ),
        Some(libc::EACCES | libc::EPERM) => (
            FailureKind::ProgramNotExecutable,
            "permission denied".to_owned(),
        ),
        Some(libc::ENOEXEC) => (
            FailureKind::ProgramNotExecutable,
            "exec format error".to_owned(),
        ),
        Some(libc::E2BIG) => (
            FailureKind::ProgramNotExecutable,
            "argument list too long".to_owned(),
        ),
        _ => (FailureKind::ProgramNotExecutable, error.to_string()),
    };
    Failure::new(kind, format!("exec {name}: {reason}"))
}

/// The user must be able to open `/dev/stdout` anew; terminals and pipes become its own, other files stay.
fn own_standard_streams(user: u32) {
    if user == 0 {
        return;
    }
    for stream in [
        rustix::stdio::stdin(),
        rustix::stdio::stdout(),
        rustix::stdio::stderr(),
    ] {
        let is_null = rustix::fs::fstat(stream)
            .is_ok_and(|status| status.st_rdev == rustix::fs::makedev(1, 3));
        if !is_null {
            let _ = rustix::fs::fchown(stream, Some(Uid::from_raw(user)), None);
        }
    }
}

fn set_limits(limits: &[Rlimit]) -> Result<(), Failure> {
    for limit in limits {
        let Some(resource) = resource(&limit.name) else {
            let message = format!("invalid rlimit type: {}", limit.name);
            return Err(Failure::new(FailureKind::Limit, message));
        };
        let value = |value: u64| (value != u64::MAX).then_some(value);
        let wanted = KernelRlimit {
            current: value(limit.soft),
            maximum: value(limit.hard),
        };
        rustix::process::setrlimit(resource, wanted).map_err(|error| {
            Failure::new(
                FailureKind::Limit,
                format!("error setting rlimit {}: {error}", limit.name),
            )
        })?;
    }
    Ok(())
}

fn resource(name: &str) -> Option<Resource> {
    Some(match name {
        "as" => Resource::As,
        "core" => Resource::Core,
        "cpu" => Resource::Cpu,
        "data" => Resource::Data,
        "fsize" => Resource::Fsize,
        "locks" => Resource::Locks,
        "memlock" => Resource::Memlock,
        "msgqueue" => Resource::Msgqueue,
        "nice" => Resource::Nice,
        "nofile" => Resource::Nofile,
        "nproc" => Resource::Nproc,
        "rss" => Resource::Rss,
        "rtprio" => Resource::Rtprio,
        "rttime" => Resource::Rttime,
        "sigpending" => Resource::Sigpending,
        "stack" => Resource::Stack,
        _ => return None,
    })
}
