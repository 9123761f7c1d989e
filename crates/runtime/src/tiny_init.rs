//! Process 1 of a container that asked for an init: it runs the container's program, passes signals on to it, reaps
//! whatever is orphaned, and ends as the program ends. It runs from the shim's own program, sealed.

use std::ffi::CString;

use crate::syscall::{self, Forked};

/// The name that the init goes by, as Docker's does.
pub const NAME: &str = "/sbin/docker-init";

/// Runs `arguments` (a program's path, then what it gets) and ends as it ends.
pub fn run(arguments: &[String]) -> i32 {
    let signals = syscall::block_all_signals();
    let child = match syscall::fork() {
        Ok(Forked::Child) => syscall::exit_now(become_program(arguments)),
        Ok(Forked::Parent(child)) => child,
        Err(_) => return 126,
    };
    loop {
        match syscall::wait_for_signal(&signals) {
            libc::SIGCHLD => {
                while let Some((process, status)) = syscall::reap_any() {
                    if process == child {
                        return status;
                    }
                }
            }
            signal if signal > 0 => drop(syscall::kill(child, signal)),
            _ => {}
        }
    }
}

/// Returns only the status that says why not.
fn become_program(arguments: &[String]) -> i32 {
    syscall::reset_signals();
    // A group of its own, in front of the terminal if there is one, so that Ctrl-C reaches it and not the init.
    if rustix::process::setpgid(None, None).is_ok() {
        let group = rustix::process::getpgrp();
        let blocked = syscall::block_signals(&[libc::SIGTTOU]);
        let _ = rustix::termios::tcsetpgrp(rustix::stdio::stdin(), group);
        let _ = blocked;
        syscall::reset_signals();
    }
    let texts: Option<Vec<CString>> = arguments
        .iter()
        .map(|text| CString::new(text.as_str()).ok())
        .collect();
    let environment: Vec<CString> = std::env::vars_os()
        .filter_map(|(name, value)| {
            use std::os::unix::ffi::OsStrExt;
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
        })
        .collect();
    let Some((program, texts)) = texts
        .as_ref()
        .and_then(|texts| Some((texts.first()?, texts)))
    else {
        return 127;
    };
    match syscall::execute(program, texts, &environment).raw_os_error() {
        Some(libc::ENOENT) => 127,
        _ => 126,
    }
}
