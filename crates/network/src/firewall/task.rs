//! The task that keeps our table as it should be.
//!
//! It is told that something changed, never what: it compares what should be with what it put there. What is new
//! is added at once; what is gone is removed a moment later, many in one go, because the kernel takes its time for
//! that. Whatever another program does to our table is put right by rendering it anew.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::Ipv4Addr,
    os::fd::OwnedFd,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use model::port::Protocol;
use rustix::net::{
    self, AddressFamily, RecvFlags, SocketFlags, SocketType,
    netlink::{NETFILTER, SocketAddrNetlink},
    sockopt,
};
use tokio::{
    io::{AsyncWriteExt as _, unix::AsyncFd},
    process::Command,
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

use super::rules::{Published, Rules, Target, element};
use crate::{
    error::{Error, Result},
    namespace::on_own_thread,
    netlink::{
        conntrack,
        message::{self, Attributes},
        nf_tables, route,
        socket::Socket,
    },
    state::State,
};

/// How long removals wait for others to join them.
const GATHERING: Duration = Duration::from_millis(30);
/// How long the table is left as another program made it, the first time and at most: two that undo each other's
/// work must not keep the computer busy.
const FIRST_REPAIR: Duration = Duration::from_millis(100);
const LAST_REPAIR: Duration = Duration::from_secs(30);
/// How many wishes wait before those who have more are held up.
const QUEUE: usize = 256;
/// How many of our own recent changes are told from others'.
const REMEMBERED: usize = 32;
/// The kernel's group of listeners to changes of nftables, as a bit.
const CHANGES: u32 = 1 << 6;
const WATCH_BUFFER: usize = 1024 * 1024;

/// The way to the task; it ends when all of these are gone.
#[derive(Debug, Clone)]
pub(crate) struct Firewall {
    wishes: mpsc::Sender<Wish>,
}

/// Who waits, and until what is done.
#[derive(Debug)]
struct Wish {
    reply: Option<oneshot::Sender<Result<()>>>,
    until: Until,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Until {
    /// What is new has been added.
    Added,
    /// What is gone has been removed, too.
    Removed,
    /// And the task has ended.
    Ended,
}

impl Firewall {
    /// Starts the task and waits until the table is there.
    pub(crate) async fn start(table: String, state: Arc<Mutex<State>>) -> Result<Self> {
        let (wishes, receiver) = mpsc::channel(QUEUE);
        let task = Task {
            table,
            state,
            applied: None,
            socket: None,
            own_ports: VecDeque::new(),
            removal: None,
            repair: None,
            repair_delay: FIRST_REPAIR,
        };
        tokio::spawn(task.run(receiver));
        let firewall = Self { wishes };
        firewall.removed().await?;
        Ok(firewall)
    }

    /// Waits until what is new is there.
    pub(crate) async fn added(&self) -> Result<()> {
        self.wait(Until::Added).await
    }

    /// Waits until what is gone is removed, too.
    pub(crate) async fn removed(&self) -> Result<()> {
        self.wait(Until::Removed).await
    }

    /// Says that something is gone; it is removed soon.
    pub(crate) async fn changed(&self) {
        let wish = Wish {
            reply: None,
            until: Until::Added,
        };
        // Only a daemon that is going down has no task; the next one removes it.
        drop(self.wishes.send(wish).await);
    }

    /// Removes what is gone and ends the task. The table stays.
    pub(crate) async fn close(&self) -> Result<()> {
        self.wait(Until::Ended).await
    }

    async fn wait(&self, until: Until) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let wish = Wish {
            reply: Some(reply),
            until,
        };
        self.wishes
            .send(wish)
            .await
            .map_err(|_| Error::FirewallGone)?;
        answer.await.unwrap_or(Err(Error::FirewallGone))
    }
}

struct Task {
    table: String,
    state: Arc<Mutex<State>>,
    /// What we put there; none if it is to be rendered whole.
    applied: Option<Rules>,
    /// Opened when first used.
    socket: Option<Socket>,
    /// The netlink ports of our own recent changes.
    own_ports: VecDeque<u32>,
    /// When to remove what is gone.
    removal: Option<Instant>,
    /// When to render the table anew because another program changed it.
    repair: Option<Instant>,
    repair_delay: Duration,
}

/// What changes, from what is there to what should be.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    added: BTreeMap<Published, Target>,
    /// With the target that each had.
    removed: BTreeMap<Published, Target>,
    /// Removed and added again, with another target: the old one.
    replaced: BTreeMap<Published, Target>,
}

impl Task {
    async fn run(mut self, mut wishes: mpsc::Receiver<Wish>) {
        let watch = match watch() {
            Ok(watch) => Some(watch),
            Err(error) => {
                tracing::warn!(%error, "changes of the firewall by others go unnoticed");
                None
            }
        };
        loop {
            tokio::select! {
                biased;
                wish = wishes.recv() => {
                    let Some(first) = wish else { break };
                    let mut gathered = vec![first];
                    while let Ok(wish) = wishes.try_recv() {
                        gathered.push(wish);
                    }
                    if self.fulfil(gathered).await {
                        break;
                    }
                }
                () = at(self.removal) => {
                    self.log_failure("removing published ports", Until::Removed).await;
                }
                () = at(self.repair) => self.repair().await,
                () = changed_by_others(watch.as_ref(), &self.table, &self.own_ports) => {
                    tracing::warn!(table = self.table, "another program changed our rules");
                    self.repair.get_or_insert(Instant::now() + self.repair_delay);
                }
            }
        }
    }

    /// Does what is wished for, tells whoever waits, and says whether that was all.
    async fn fulfil(&mut self, wishes: Vec<Wish>) -> bool {
        let until = wishes.iter().map(|wish| wish.until).max();
        let until = until.unwrap_or(Until::Added);
        let mut result = self.synchronise(until).await;
        for wish in wishes {
            let Some(reply) = wish.reply else { continue };
            // One failure is told to all; only the first has its cause.
            let told = match &result {
                Ok(()) => Ok(()),
                Err(error) => Err(Error::Nft {
                    message: error.to_string(),
                }),
            };
            let told = if told.is_err() {
                std::mem::replace(&mut result, told)
            } else {
                told
            };
            // Whoever does not wait any more has no need to know.
            drop(reply.send(told));
        }
        if let Err(error) = result {
            tracing::debug!(%error, "the firewall could not be changed");
        }
        until == Until::Ended
    }

    async fn log_failure(&mut self, work: &str, until: Until) {
        if let Err(error) = self.synchronise(until).await {
            tracing::error!(error = %crate::error::chain(&error), "{work}");
        }
    }

    async fn repair(&mut self) {
        self.repair = None;
        self.repair_delay = (self.repair_delay * 2).min(LAST_REPAIR);
        self.applied = None;
        self.log_failure("putting our rules right", Until::Added)
            .await;
    }

    /// Makes the table what the state says.
    async fn synchronise(&mut self, until: Until) -> Result<()> {
        let (wanted, faded) = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let faded: Vec<Ipv4Addr> = state.fading.keys().copied().collect();
            (state.rules(), faded)
        };
        let applied = self
            .applied
            .as_ref()
            .filter(|applied| applied.networks == wanted.networks);
        let Some(applied) = applied else {
            let before = self.applied.take().map(|rules| rules.ports);
            self.render(&wanted).await?;
            let changed = changed_datagrams(&before.unwrap_or_default(), &wanted.ports);
            self.forget_flows(changed).await;
            self.applied = Some(wanted);
            self.removed(faded);
            return Ok(());
        };
        let mut difference = difference(&applied.ports, &wanted.ports);
        let due = until > Until::Added || self.removal.is_some_and(|at| at <= Instant::now());
        let pending = !difference.removed.is_empty() && !due;
        if pending {
            difference.removed.clear();
            self.removal
                .get_or_insert_with(|| Instant::now() + GATHERING);
        }
        self.change(&difference).await?;
        if !pending {
            self.removed(faded);
        }
        Ok(())
    }

    /// Notes that nothing leads to `addresses` any more.
    fn removed(&mut self, addresses: Vec<Ipv4Addr>) {
        self.removal = None;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for address in addresses {
            state.fading.remove(&address);
        }
    }

    /// Replaces the whole table.
    async fn render(&mut self, rules: &Rules) -> Result<()> {
        let mut child = Command::new("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| Error::RunNft { source })?;
        if let Some(process) = child.id() {
            // Its netlink port is its number.
            self.remember(process);
        }
        if let Some(mut stdin) = child.stdin.take() {
            let text = rules.render(&self.table);
            let written = stdin.write_all(text.as_bytes()).await;
            drop(stdin);
            // If it ended before it read all, what it says is worth more.
            if let Err(source) = written
                && source.kind() != io::ErrorKind::BrokenPipe
            {
                return Err(Error::RunNft { source });
            }
        }
        let output = child
            .wait_with_output()
            .await
            .map_err(|source| Error::RunNft { source })?;
        if output.status.success() {
            Ok(())
        } else {
            Err(Error::Nft {
                message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            })
        }
    }

    /// Changes the maps' elements, in one transaction; or renders the table anew if it is not as we left it.
    async fn change(&mut self, difference: &Difference) -> Result<()> {
        if *difference == Difference::default() {
            return Ok(());
        }
        let as_elements = |ports: &BTreeMap<Published, Target>| -> Vec<_> {
            ports
                .iter()
                .map(|(published, target)| element(*published, *target))
                .collect()
        };
        let mut delete = as_elements(&difference.removed);
        delete.extend(as_elements(&difference.replaced));
        let add = as_elements(&difference.added);
        let table = self.table.clone();
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => nf_tables::open().map_err(|source| Error::Netlink {
                operation: "opening a socket to nftables".to_owned(),
                source,
            })?,
        };
        if let Ok(port) = socket.port() {
            self.remember(port);
        }
        // The kernel waits for its own readers when something is deleted.
        let work = move || {
            let result = nf_tables::change_elements(&mut socket, &table, &delete, &add);
            (socket, result)
        };
        let (socket, result) = tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Error::ThreadPanicked)?;
        self.socket = Some(socket);
        if let Err(refused) = result {
            tracing::warn!(error = %refused.source, table = self.table, "rendering our rules anew");
            let wanted = {
                let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.rules()
            };
            self.applied = None;
            self.render(&wanted).await?;
            self.applied = Some(wanted);
        } else if let Some(applied) = &mut self.applied {
            for published in difference.removed.keys() {
                applied.ports.remove(published);
            }
            applied
                .ports
                .extend(difference.added.iter().map(|(key, target)| (*key, *target)));
        }
        let changed = difference.datagrams();
        self.forget_flows(changed).await;
        Ok(())
    }

    /// Makes flows of datagrams follow their ports: what the kernel decided about them before no longer holds.
    async fn forget_flows(&self, changed: BTreeMap<Published, Option<Target>>) {
        if changed.is_empty() {
            return;
        }
        let networks: Vec<_> = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let subnets = state.networks.values().map(|state| state.network.subnet);
            subnets.collect()
        };
        let work = move || {
            let local = route::local_addresses(&mut route::open()?)?;
            let mut socket = nf_tables::open().map_err(conntrack_failure)?;
            conntrack::forget(&mut socket, |flow| {
                let concerned = local.contains(&flow.destination)
                    || networks.iter().any(|subnet| subnet.contains(&flow.target));
                concerned
                    && changed.iter().any(|(published, target)| {
                        let at = published.address.is_none_or(|at| at == flow.destination);
                        let now = Target {
                            address: flow.target,
                            port: flow.target_port,
                        };
                        at && published.port == flow.port && *target != Some(now)
                    })
            })
            .map_err(conntrack_failure)
        };
        match on_own_thread(work).await {
            Ok(forgotten) => tracing::debug!(forgotten, "made flows follow their ports"),
            Err(error) => tracing::warn!(
                error = %crate::error::chain(&error),
                "datagrams that were under way may go to where they went before"
            ),
        }
    }

    fn remember(&mut self, port: u32) {
        if self.own_ports.contains(&port) {
            return;
        }
        if self.own_ports.len() == REMEMBERED {
            self.own_ports.pop_front();
        }
        self.own_ports.push_back(port);
    }
}

fn conntrack_failure(source: io::Error) -> Error {
    Error::Netlink {
        operation: "looking through the tracked connections".to_owned(),
        source,
    }
}

fn difference(
    applied: &BTreeMap<Published, Target>,
    wanted: &BTreeMap<Published, Target>,
) -> Difference {
    let mut difference = Difference::default();
    for (published, target) in wanted {
        match applied.get(published) {
            Some(old) if old == target => continue,
            Some(old) => difference.replaced.insert(*published, *old),
            None => None,
        };
        difference.added.insert(*published, *target);
    }
    for (published, target) in applied {
        if !wanted.contains_key(published) {
            difference.removed.insert(*published, *target);
        }
    }
    difference
}

/// The published ports for datagrams that changed, each with where it leads now.
fn changed_datagrams(
    before: &BTreeMap<Published, Target>,
    after: &BTreeMap<Published, Target>,
) -> BTreeMap<Published, Option<Target>> {
    difference(before, after).datagrams()
}

impl Difference {
    fn datagrams(&self) -> BTreeMap<Published, Option<Target>> {
        let gone = self.removed.keys().map(|published| (*published, None));
        let there = self
            .added
            .iter()
            .map(|(published, target)| (*published, Some(*target)));
        gone.chain(there)
            .filter(|(published, _)| published.protocol == Protocol::Udp)
            .collect()
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

#[expect(unsafe_code, reason = "the executor has to be told of a descriptor")]
fn watch() -> io::Result<AsyncFd<OwnedFd>> {
    let socket = net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        Some(NETFILTER),
    )?;
    sockopt::set_socket_recv_buffer_size(&socket, WATCH_BUFFER)?;
    net::bind(&socket, &SocketAddrNetlink::new(0, CHANGES))?;
    // SAFETY: an owned descriptor is the same one for as long as it lives, and the `AsyncFd` owns it.
    let watched = unsafe { AsyncFd::register(socket) };
    Ok(watched?)
}

/// Waits until something in our table was changed by somebody else.
async fn changed_by_others(
    watch: Option<&AsyncFd<OwnedFd>>,
    table: &str,
    own_ports: &VecDeque<u32>,
) {
    let Some(watch) = watch else {
        return std::future::pending().await;
    };
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(mut guard) = watch.readable().await else {
            return std::future::pending().await;
        };
        match net::recv(watch.get_ref(), &mut buffer[..], RecvFlags::empty()) {
            Ok((received, _)) => {
                if concerns(&buffer[..received], table, own_ports) {
                    return;
                }
            }
            Err(rustix::io::Errno::AGAIN) => guard.clear_ready(),
            // More happened than we could be told: look.
            Err(_) => return,
        }
    }
}

/// Whether a change that was told is of our table and not our own.
fn concerns(mut told: &[u8], table: &str, own_ports: &VecDeque<u32>) -> bool {
    const TABLE: u16 = 1;
    /// Tables, chains, rules, sets, elements: made or deleted. What follows them are questions and objects that
    /// our table has none of.
    const LAST_KIND: u16 = 14;
    while let Some(change) = message::next(&mut told) {
        let ours = own_ports.contains(&change.port);
        let kind = change.kind;
        if ours || kind >> 8 != nf_tables::SUBSYSTEM || kind & 0xff > LAST_KIND {
            continue;
        }
        let attributes = change.body.get(4..).map(Attributes::new);
        if attributes.and_then(|attributes| attributes.text(TABLE)) == Some(table) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, net::Ipv4Addr};

    use model::port::Protocol;

    use super::{Difference, Published, Target, difference};

    const fn port(port: u16) -> Published {
        Published {
            address: None,
            protocol: Protocol::Udp,
            port,
        }
    }

    const fn target(last: u8) -> Target {
        Target {
            address: Ipv4Addr::new(172, 17, 0, last),
            port: 80,
        }
    }

    #[test]
    fn only_what_differs_is_changed() {
        let before = BTreeMap::from([
            (port(1), target(1)),
            (port(2), target(2)),
            (port(3), target(3)),
        ]);
        let after = BTreeMap::from([
            (port(1), target(1)),
            (port(2), target(9)),
            (port(4), target(4)),
        ]);
        assert_eq!(
            difference(&before, &after),
            Difference {
                added: BTreeMap::from([(port(2), target(9)), (port(4), target(4))]),
                removed: BTreeMap::from([(port(3), target(3))]),
                replaced: BTreeMap::from([(port(2), target(2))]),
            }
        );
        assert_eq!(
            difference(&before, &after).datagrams(),
            BTreeMap::from([
                (port(2), Some(target(9))),
                (port(3), None),
                (port(4), Some(target(4)))
            ])
        );
    }
}
