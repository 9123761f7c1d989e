//! One connection to a shim: requests and their answers told apart by number, and what the shim tells unasked.
#![expect(
    unsafe_code,
    reason = "tokio wants a promise about descriptors that only their owner can give"
)]

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::net::{RecvFlags, SendFlags};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::{Error, Phase};
use crate::failure::Failure;
use crate::protocol::{self, Answer, Ask, Request, Say};
use crate::spec::Exit;

type Answered = (Result<Answer, Failure>, Vec<OwnedFd>);

/// How things are, as far as has been heard.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    /// How far the container is.
    pub(super) phase: Phase,
    /// Whether the shim has hung up.
    pub(super) hung_up: bool,
}

/// A connection. Dropping the last handle of it closes it; the shim goes on.
#[derive(Debug)]
pub(super) struct Link {
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    socket: AsyncFd<OwnedFd>,
    next_number: AtomicU64,
    asked: Mutex<Asked>,
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct Asked {
    waiting: HashMap<u64, oneshot::Sender<Answered>>,
    execs: HashMap<u32, watch::Sender<Option<i32>>>,
    hung_up: bool,
}

impl Link {
    /// Talks over this socket from now on.
    pub(super) fn over(socket: OwnedFd) -> io::Result<Arc<Self>> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        let shared = Arc::new(Shared {
            socket: watched(socket, Interest::READABLE | Interest::WRITABLE)?,
            next_number: AtomicU64::new(1),
            asked: Mutex::default(),
            state: watch::Sender::new(State {
                phase: Phase::Created,
                hung_up: false,
            }),
        });
        let listener = tokio::spawn(listen(Arc::clone(&shared)));
        Ok(Arc::new(Self { shared, listener }))
    }

    /// Asks something and waits for the answer.
    pub(super) async fn ask(
        &self,
        ask: Ask,
        beside: &[BorrowedFd<'_>],
    ) -> Result<(Answer, Vec<OwnedFd>), Error> {
        let number = self.shared.next_number.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        {
            let mut asked = self.shared.asked();
            if asked.hung_up {
                return Err(Error::Lost);
            }
            asked.waiting.insert(number, sender);
        }
        let ask = serde_json::to_value(ask).map_err(|error| Error::Talk(error.into()))?;
        let request = Request { number, ask };
        let sent = self
            .shared
            .socket
            .async_io(Interest::WRITABLE, |socket| {
                protocol::send(socket.as_fd(), &request, beside, SendFlags::DONTWAIT)
            })
            .await;
        if let Err(error) = sent {
            self.shared.asked().waiting.remove(&number);
            return Err(match error.raw_os_error() {
                Some(libc::EPIPE | libc::ECONNRESET | libc::ENOTCONN) => Error::Lost,
                _ => Error::Talk(error),
            });
        }
        let (answer, descriptors) = receiver.await.map_err(|_| Error::Lost)?;
        Ok((answer?, descriptors))
    }

    pub(super) fn state(&self) -> State {
        *self.shared.state.borrow()
    }

    /// Takes note that the container is this far; it never goes back.
    pub(super) fn note(&self, phase: Phase) {
        self.shared.note(phase);
    }

    /// Waits for the container's end.
    pub(super) async fn exit(&self) -> Result<Exit, Error> {
        let mut states = self.shared.state.subscribe();
        let over = |state: &State| state.hung_up || matches!(state.phase, Phase::Exited(_));
        let state = *states.wait_for(over).await.map_err(|_| Error::Lost)?;
        match state.phase {
            Phase::Exited(exit) => Ok(exit),
            Phase::Created | Phase::Running => Err(Error::Lost),
        }
    }

    /// Waits for the end of a process that was run in the container.
    pub(super) async fn exec_exit(&self, process: u32) -> Result<i32, Error> {
        let mut codes = {
            let asked = self.shared.asked();
            asked.execs.get(&process).ok_or(Error::Lost)?.subscribe()
        };
        let code = *codes
            .wait_for(Option::is_some)
            .await
            .map_err(|_| Error::Lost)?;
        code.ok_or(Error::Lost)
    }

    /// Nobody asks for this process any more.
    pub(super) fn forget_exec(&self, process: u32) {
        self.shared.asked().execs.remove(&process);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Shared {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, phase: Phase) {
        self.state.send_if_modified(|state| {
            let is_later = match (state.phase, phase) {
                (Phase::Exited(_), _) | (_, Phase::Created) => false,
                (Phase::Created | Phase::Running, Phase::Running | Phase::Exited(_)) => true,
            };
            if is_later {
                state.phase = phase;
            }
            is_later
        });
    }

    fn hear(&self, say: Say, descriptors: Vec<OwnedFd>) {
        match say {
            Say::Answer { number, answer } => {
                let mut asked = self.asked();
                // Known before its end can be told, which may come right behind.
                if let Ok(Answer::Made { process, .. }) = &answer
                    && *process != 0
                {
                    asked.execs.insert(*process, watch::Sender::new(None));
                }
                if let Some(sender) = asked.waiting.remove(&number) {
                    drop(sender.send((answer, descriptors)));
                }
            }
            Say::Exited(exit) => self.note(Phase::Exited(exit)),
            Say::ExecExited { process, code } => {
                if let Some(sender) = self.asked().execs.get(&process) {
                    sender.send_replace(Some(code));
                }
            }
            Say::Here { pid } => reap_when_over(pid),
        }
    }

    fn hang_up(&self) {
        {
            let mut asked = self.asked();
            asked.hung_up = true;
            asked.waiting.clear();
            // What ended keeps its status; the others will never be told.
            asked.execs.retain(|_, code| code.borrow().is_some());
        }
        self.state.send_modify(|state| state.hung_up = true);
    }
}

async fn listen(shared: Arc<Shared>) {
    loop {
        let heard = shared
            .socket
            .async_io(Interest::READABLE, |socket| {
                protocol::receive::<Say>(socket.as_fd(), RecvFlags::DONTWAIT)
            })
            .await;
        match heard {
            Ok(Some((say, descriptors))) => shared.hear(say, descriptors),
            Ok(None) => break,
            Err(error) => {
                if error.raw_os_error() != Some(libc::ECONNRESET) {
                    tracing::warn!(%error, "a shim said what cannot be understood");
                }
                break;
            }
        }
    }
    shared.hang_up();
}

fn watched(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned, so that it stays open and the same until it is dropped with the `AsyncFd`.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, interest) }?)
}

/// Takes a shim's exit status once it has ended, so that nothing is left of it. One that is not our child is its
/// parent's to take.
pub(super) fn reap_when_over(pid: u32) {
    let handle = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK).ok())
        .and_then(|handle| watched(handle, Interest::READABLE).ok());
    if let Some(handle) = handle {
        tokio::spawn(async move {
            if handle.readable().await.is_ok() {
                let _ = rustix::process::waitid(
                    WaitId::PidFd(handle.get_ref().as_fd()),
                    WaitIdOptions::EXITED,
                );
            }
        });
    }
}
