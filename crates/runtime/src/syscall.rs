//! System calls that no crate of ours wraps. All `unsafe` of the shim is here.
//!
//! The shim and all that it forks have one thread each, which is what makes forking here sound.
#![expect(unsafe_code, reason = "these system calls have no safe wrapper")]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A new process, told apart by who reads it.
#[derive(Debug)]
pub(crate) enum Forked {
    /// In the old process: the new one's id.
    Parent(i32),
    /// In the new process.
    Child,
}

/// Where the processes that [`clone_process`] makes belong.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CloneOptions<'a> {
    /// `CLONE_NEW…` and `CLONE_PARENT`.
    pub(crate) flags: u64,
    /// The cgroup v2 that it starts in.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Forks this process, which must have one thread only.
pub(crate) fn clone_process(options: CloneOptions<'_>) -> io::Result<Forked> {
    // SAFETY: all fields are plain numbers, for which zero is valid.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = options.flags;
    // With CLONE_PARENT the kernel takes over the signal of this process.
    if options.flags & u64::from(libc::CLONE_PARENT.unsigned_abs()) == 0 {
        arguments.exit_signal = u64::from(libc::SIGCHLD.unsigned_abs());
    }
    if let Some(cgroup) = options.cgroup {
        arguments.flags |= 0x2_0000_0000; // CLONE_INTO_CGROUP
        arguments.cgroup = u64::from(cgroup.as_raw_fd().unsigned_abs());
    }
    // SAFETY: without CLONE_VM the child gets a copy of this memory and stack; this process has one thread, so that
    // no lock is held by another. The structure outlives the call.
    let result = check(unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of::<libc::clone_args>(),
        )
    })?;
    Ok(match i32::try_from(result).unwrap_or(i32::MAX) {
        0 => Forked::Child,
        pid => Forked::Parent(pid),
    })
}

/// As [`clone_process`], by the call that every filter of system calls lets through.
pub(crate) fn fork() -> io::Result<Forked> {
    // SAFETY: as for `clone_process`; no flags, so that the remaining arguments are not looked at.
    let result = check(unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) })?;
    Ok(match i32::try_from(result).unwrap_or(i32::MAX) {
        0 => Forked::Child,
        pid => Forked::Parent(pid),
    })
}

/// Ends this process at once, without running anything registered for its end.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: RawFd) {
    // SAFETY: whoever calls this is about to run another program or works with lower descriptors only; nothing that
    // owns one of these is used afterwards.
    unsafe {
        libc::syscall(libc::SYS_close_range, first, u32::MAX, 0);
    }
}

/// Closes every descriptor from `first` to `last`.
pub(crate) fn close_range(first: RawFd, last: RawFd) {
    // SAFETY: as for `close_from`.
    unsafe {
        libc::syscall(libc::SYS_close_range, first, last, 0);
    }
}

/// Makes `target` refer to what `source` refers to, kept across `exec`.
pub(crate) fn duplicate_onto(source: BorrowedFd<'_>, target: RawFd) -> io::Result<()> {
    if source.as_raw_fd() == target {
        // SAFETY: plain numbers.
        check(unsafe { libc::fcntl(target, libc::F_SETFD, 0) }.into())?;
    } else {
        // SAFETY: the caller gives `target` up, whatever it was.
        check(unsafe { libc::dup2(source.as_raw_fd(), target) }.into())?;
    }
    Ok(())
}

/// A copy of a descriptor at `lowest` or above, closed by `exec`.
pub(crate) fn duplicate_above(source: BorrowedFd<'_>, lowest: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: plain numbers; the new descriptor is nobody else's.
    unsafe {
        let fd = check(libc::fcntl(source.as_raw_fd(), libc::F_DUPFD_CLOEXEC, lowest).into())?;
        Ok(OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)))
    }
}

/// Takes over a descriptor that this process was started with.
pub(crate) fn inherited(fd: RawFd) -> OwnedFd {
    // SAFETY: called once, at start, for a descriptor that whoever started us promised.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Attributes of a mount, as `mount_setattr` takes them.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MountAttributes {
    /// Attributes to set.
    pub(crate) set: u64,
    /// Attributes to clear.
    pub(crate) clear: u64,
    /// `MS_PRIVATE` and the like, or zero.
    pub(crate) propagation: u64,
    /// Not used: a user namespace whose ids the mount shows.
    pub(crate) user_namespace: u64,
}

pub(crate) const MOUNT_RDONLY: u64 = 1;
pub(crate) const MOUNT_NOSUID: u64 = 2;
pub(crate) const MOUNT_NODEV: u64 = 4;
pub(crate) const MOUNT_NOEXEC: u64 = 8;

/// Changes the attributes of the mount that `fd` is the root of, and of those beneath it if `recursive`.
pub(crate) fn set_mount_attributes(
    fd: BorrowedFd<'_>,
    attributes: MountAttributes,
    recursive: bool,
) -> io::Result<()> {
    let mut flags = libc::AT_EMPTY_PATH;
    if recursive {
        flags |= libc::AT_RECURSIVE;
    }
    // SAFETY: the path and the structure outlive the call, and the size is the structure's.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    })?;
    Ok(())
}

/// Joins namespaces of a process.
pub(crate) fn join_namespaces(process: BorrowedFd<'_>, flags: i32) -> io::Result<()> {
    // SAFETY: plain numbers.
    check(unsafe { libc::setns(process.as_raw_fd(), flags) }.into())?;
    Ok(())
}

/// Leaves namespaces for new ones.
pub(crate) fn unshare(flags: i32) -> io::Result<()> {
    // SAFETY: this process has one thread, and shares no file table that would be split.
    check(unsafe { libc::unshare(flags) }.into())?;
    Ok(())
}

/// Loads a compiled filter of system calls: for all calls from here on, in this process and its descendants.
pub(crate) fn load_filter(program: &[u8]) -> io::Result<()> {
    const MODE_FILTER: libc::c_ulong = 1; // SECCOMP_SET_MODE_FILTER
    // Allow speculation mitigations to be as they were: SECCOMP_FILTER_FLAG_SPEC_ALLOW, which runc sets, too.
    const SPEC_ALLOW: libc::c_ulong = 4;
    let count = u16::try_from(program.len() / 8)
        .map_err(|_| io::Error::other("the filter of system calls is too long"))?;
    // The bytes may lie anywhere; instructions want to be aligned.
    let instructions: Vec<u64> = program
        .chunks_exact(8)
        .map(|bytes| u64::from_ne_bytes(bytes.try_into().unwrap_or_default()))
        .collect();
    let program = libc::sock_fprog {
        len: count,
        filter: instructions.as_ptr().cast_mut().cast(),
    };
    // SAFETY: the program points to `count` instructions, which outlive the call and are not written to.
    check(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            MODE_FILTER,
            SPEC_ALLOW,
            &raw const program,
        )
    })?;
    Ok(())
}

/// Sets the groups of this process.
pub(crate) fn set_groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: the slice outlives the call and has that length.
    check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })?;
    Ok(())
}

/// Sets real, effective and saved group of this process.
pub(crate) fn set_group(id: u32) -> io::Result<()> {
    // SAFETY: plain numbers.
    check(unsafe { libc::syscall(libc::SYS_setresgid, id, id, id) })?;
    Ok(())
}

/// Sets real, effective and saved user of this process.
pub(crate) fn set_user(id: u32) -> io::Result<()> {
    // SAFETY: plain numbers.
    check(unsafe { libc::syscall(libc::SYS_setresuid, id, id, id) })?;
    Ok(())
}

/// Calls `prctl` with numbers only.
pub(crate) fn process_control(option: i32, argument: u64, second: u64) -> io::Result<i32> {
    // SAFETY: the options that this crate uses take no pointers.
    let result = check(unsafe { libc::prctl(option, argument, second, 0, 0) }.into())?;
    Ok(i32::try_from(result).unwrap_or(0))
}

/// Sets effective, permitted and inheritable capabilities of this thread.
pub(crate) fn set_capabilities(effective: u64, permitted: u64, inheritable: u64) -> io::Result<()> {
    let low = |set: u64| u32::try_from(set & 0xffff_ffff).unwrap_or(0);
    let high = |set: u64| u32::try_from(set >> 32).unwrap_or(0);
    let header: [u32; 2] = [0x2008_0522, 0]; // _LINUX_CAPABILITY_VERSION_3, this thread
    let data: [u32; 6] = [
        low(effective),
        low(permitted),
        low(inheritable),
        high(effective),
        high(permitted),
        high(inheritable),
    ];
    // SAFETY: version 3 takes a header of two words and two triples; both outlive the call.
    check(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) })?;
    Ok(())
}

/// The permitted capabilities of this thread.
pub(crate) fn permitted_capabilities() -> io::Result<u64> {
    let header: [u32; 2] = [0x2008_0522, 0];
    let mut data = [0_u32; 6];
    // SAFETY: as for `set_capabilities`; the kernel writes two triples.
    check(unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), data.as_mut_ptr()) })?;
    Ok(u64::from(data[1]) | u64::from(data[4]) << 32)
}

/// Puts every signal that was ignored by whoever started this process to its default; once, since what is forked and
/// run inherits it.
pub(crate) fn heed_all_signals() {
    // SAFETY: default dispositions run no code of ours.
    unsafe {
        for signal in 1..=64 {
            if signal != libc::SIGPIPE {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
    }
}

/// Lets every signal through, and heeds the one that Rust's programs ignore.
pub(crate) fn reset_signals() {
    // SAFETY: default dispositions run no code of ours; the set is written before it is read.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Blocks these signals.
pub(crate) fn block_signals(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: the set is written before it is read.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for &signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        set
    }
}

/// Blocks every signal that can be, and gives the set to wait for.
pub(crate) fn block_all_signals() -> libc::sigset_t {
    let all: Vec<i32> = (1..=64)
        .filter(|signal| ![libc::SIGKILL, libc::SIGSTOP].contains(signal))
        .collect();
    block_signals(&all)
}

/// Waits for one of the signals of the set.
pub(crate) fn wait_for_signal(set: &libc::sigset_t) -> i32 {
    // SAFETY: the set outlives the call; no information is asked for.
    unsafe { libc::sigwaitinfo(set, std::ptr::null_mut()) }
}

/// A descriptor that becomes readable with each of these signals, which are blocked.
pub(crate) fn signal_descriptor(signals: &[i32]) -> io::Result<OwnedFd> {
    let set = block_signals(signals);
    // SAFETY: the set outlives the call; the new descriptor is nobody else's.
    unsafe {
        let fd = check(
            libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK).into(),
        )?;
        Ok(OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)))
    }
}

/// Sends a signal to a process.
pub(crate) fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: plain numbers.
    check(unsafe { libc::kill(pid, signal) }.into())?;
    Ok(())
}

/// How a child ended, if one has: its id and its status as a shell tells it.
pub(crate) fn reap_any() -> Option<(i32, i32)> {
    let mut status = 0;
    // SAFETY: the status is ours to be written.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::__WALL) };
    (pid > 0).then(|| (pid, shell_status(status)))
}

fn shell_status(status: i32) -> i32 {
    if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        128 + libc::WTERMSIG(status)
    }
}

/// Runs another program in place of this one; comes back only with the reason why not.
pub(crate) fn execute(program: &CStr, arguments: &[CString], environment: &[CString]) -> io::Error {
    let (argument_pointers, environment_pointers) = (pointers(arguments), pointers(environment));
    // SAFETY: both arrays end with a null pointer, and all strings outlive the call.
    unsafe {
        libc::execve(
            program.as_ptr(),
            argument_pointers.as_ptr(),
            environment_pointers.as_ptr(),
        );
    }
    io::Error::last_os_error()
}

/// As [`execute`], the program being an open file.
pub(crate) fn execute_file(
    program: BorrowedFd<'_>,
    arguments: &[CString],
    environment: &[CString],
) -> io::Error {
    let (argument_pointers, environment_pointers) = (pointers(arguments), pointers(environment));
    // SAFETY: as for `execute`.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            argument_pointers.as_ptr(),
            environment_pointers.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    io::Error::last_os_error()
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

/// Makes the terminal this session's.
pub(crate) fn take_terminal(terminal: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: plain numbers.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) }.into())?;
    Ok(())
}

/// Brings the loopback interface of this network namespace up.
pub(crate) fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        None,
    )?;
    // SAFETY: zero is valid for every field; the request outlives the calls, which read and write only it.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (place, byte) in request.ifr_name.iter_mut().zip(b"lo") {
            *place = libc::c_char::try_from(*byte).unwrap_or(0);
        }
        check(
            libc::ioctl(
                socket.as_fd().as_raw_fd(),
                libc::SIOCGIFFLAGS,
                &raw mut request,
            )
            .into(),
        )?;
        request.ifr_ifru.ifru_flags |= libc::c_short::try_from(libc::IFF_UP).unwrap_or(1);
        check(
            libc::ioctl(
                socket.as_fd().as_raw_fd(),
                libc::SIOCSIFFLAGS,
                &raw const request,
            )
            .into(),
        )?;
    }
    Ok(())
}

/// Gives memory that is allocated and free back to the kernel.
pub(crate) fn trim_heap() {
    // SAFETY: no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}
