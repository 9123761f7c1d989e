//! `up`: the whole application on this computer, each service a process of its own on loopback. It must
//! never leave a process behind, however it ends, and needs no rights that its user doesn't have.
//!
//! ```text
//! arguments ──plan (pure)──▶ processes ──supervise──▶ running, restarted when they die
//!                                          └─ their lines, prefixed and coloured ──▶ standard output
//! ```

mod colour;
mod output;
mod plan;
mod supervise;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::args::{OnSigterm, UpArgs};
use crate::failure::Failure;
use crate::log::Log;
use crate::service;
use crate::stop::{Stop, Stopper};
use colour::Palette;
use plan::{Plan, Process};
use supervise::supervise;

/// How long a service may take until it answers: far longer than the milliseconds that it takes.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// The environment variable by which a child knows whose it is; see [`stay_with_parent`].
const PARENT: &str = "DOCKERCOINS_PARENT_PID";

/// Runs the application until Ctrl-C.
pub(crate) fn run(args: &UpArgs) -> Result<(), Failure> {
    let folder = match (&args.redis, &args.dir) {
        (Some(_), _) => None,
        (None, Some(folder)) => Some(folder.clone()),
        (None, None) => Some(state_folder(args.port_offset)?),
    };
    let plan = Plan::new(args, folder.as_deref());
    let program = std::env::current_exe().map_err(|source| Failure::Spawn {
        program: "/proc/self/exe".into(),
        source,
    })?;
    service::block_on(OnSigterm::Finish, async |log, stop| {
        run_plan(&plan, program, log, stop).await
    })
}

/// In a child of `up`: dies when that does, even by `kill -9`. Anywhere else, nothing.
pub(crate) fn stay_with_parent() -> Result<(), Failure> {
    use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
    let Ok(text) = std::env::var(PARENT) else {
        return Ok(());
    };
    let expected = text.parse().ok().and_then(Pid::from_raw);
    // The kernel means the parent's thread that made this process: `up` has one that lasts, on which its
    // whole runtime runs.
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Failure::Runtime(error.into()))?;
    // It may have died before the kernel was asked.
    if expected.is_some() && getppid() != expected {
        return Err(Failure::CutShort);
    }
    Ok(())
}

async fn run_plan(plan: &Plan, program: PathBuf, log: Log, stop: Stop) -> Result<(), Failure> {
    for process in plan.processes() {
        check_ports(process).await?;
    }
    let palette = Palette::for_standard_output();
    let width = plan
        .processes()
        .map(|process| process.name.len())
        .max()
        .unwrap_or(0);
    // Workers end first, then what they report to: each group stops when the one before it is gone.
    let mut groups = Vec::new();
    for (index, group) in plan.groups.iter().enumerate() {
        let (stopper, group_stop) = Stopper::new();
        let mut tasks = JoinSet::new();
        for (place, process) in group.iter().enumerate() {
            let prefix = palette.prefix(&process.name, width, index * 3 + place);
            let command = command(&program, process);
            tasks.spawn(supervise(
                command,
                process.name.clone(),
                prefix,
                log.clone(),
                group_stop.clone(),
            ));
        }
        groups.push((stopper, tasks));
        if let Err(failure) = wait_until_ready(group, &stop).await {
            stop_groups(groups).await;
            return Err(failure);
        }
        if stop.is_wished() {
            break;
        }
    }
    if !stop.is_wished() {
        for line in plan.banner() {
            log.line(palette.emphasised(&line));
        }
        if palette.is_coloured() {
            log.footer(plan.footer());
        }
    }
    stop.wished().await;
    log.footer("");
    log.line(palette.emphasised("stopping; Ctrl-C again stops at once"));
    stop_groups(groups).await;
    Ok(())
}

/// Stops the groups one after the other, the last started first.
async fn stop_groups(groups: Vec<(Stopper, JoinSet<()>)>) {
    for (stopper, mut tasks) in groups.into_iter().rev() {
        stopper.stop();
        while tasks.join_next().await.is_some() {}
    }
}

fn command(program: &std::path::Path, process: &Process) -> Command {
    let mut command = Command::new(program);
    command
        .args(&process.arguments)
        .env(PARENT, std::process::id().to_string());
    command
}

/// Says which port is taken before anything is started.
async fn check_ports(process: &Process) -> Result<(), Failure> {
    let Some(address) = process.address else {
        return Ok(());
    };
    match TcpListener::bind(address).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(Failure::PortInUse {
            name: process.name.clone(),
            address,
        }),
        Err(source) => Err(Failure::Listen {
            role: process.role,
            address,
            source,
        }),
    }
}

/// Waits until each process of the group takes connections.
async fn wait_until_ready(group: &[Process], stop: &Stop) -> Result<(), Failure> {
    for process in group {
        let Some(address) = process.address else {
            continue;
        };
        tokio::select! {
            () = stop.wished() => return Ok(()),
            ready = answers(address) => if !ready {
                return Err(Failure::NeverReady {
                    name: process.name.clone(),
                    why: format!("nothing answers at {address} after {} s", READY_WITHIN.as_secs()),
                });
            },
        }
    }
    Ok(())
}

async fn answers(address: SocketAddr) -> bool {
    let deadline = Instant::now() + READY_WITHIN;
    while Instant::now() < deadline {
        if TcpStream::connect(address).await.is_ok() {
            return true;
        }
        sleep(Duration::from_millis(5)).await;
    }
    false
}

/// A folder for each port, so that applications side by side keep their coins apart.
fn state_folder(port_offset: u16) -> Result<PathBuf, Failure> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .ok_or(Failure::NoStateFolder)?;
    Ok(base
        .join("dockercoins")
        .join(format!("port-{}", plan::STORE_PORT + port_offset)))
}
