//! The networks of one daemon: what is there, and every way to change it.

use std::{
    net::{IpAddr, Ipv4Addr},
    os::fd::OwnedFd,
    sync::Arc,
};

use crate::{
    Attach, Endpoint, Namespace, Network, NewNetwork, PortBinding, PortRequest, PortReservation,
    Settings,
    error::{Error, Result},
};

/// Where a container on user-defined networks finds its DNS.
pub const DNS_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// The networks of one daemon; a handle that is cheap to clone.
///
/// A container's life, as the engine leads it:
///
/// 1. [`reserve_ports`](Self::reserve_ports), whose sockets go to the shim;
/// 2. the shim makes the namespace; [`attach`](Self::attach) for each network;
/// 3. with a user-defined network among them, [`open_dns`](Self::open_dns), whose sockets go to the shim too, then
///    [`serve_dns`](Self::serve_dns);
/// 4. [`publish`](Self::publish) what was reserved;
/// 5. the container starts, runs, ends; [`release`](Self::release) forgets all of it.
#[derive(Debug, Clone)]
pub struct Networks {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {}

/// What the engine gives back after a restart.
#[derive(Debug, Default)]
pub struct Restored {
    /// Every network, as [`Networks::create`] and [`Networks::open`] told them; the default one too.
    pub networks: Vec<Network>,
    /// The containers that still run.
    pub containers: Vec<RestoredContainer>,
}

/// A container that still runs.
#[derive(Debug)]
pub struct RestoredContainer {
    /// Its id.
    pub id: String,
    /// Its endpoints, as [`Networks::attach`] told them.
    pub endpoints: Vec<Endpoint>,
    /// Its published ports, as [`Networks::reserve_ports`] told them.
    pub ports: Vec<PortBinding>,
}

/// The sockets of a container's DNS, which live in its namespace.
#[derive(Debug)]
pub struct DnsSockets {
    /// A datagram socket.
    pub udp: OwnedFd,
    /// A listener.
    pub tcp: OwnedFd,
}

/// Whom a container's DNS asks about what it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Upstream {
    /// The host's resolvers, as its `resolv.conf` says at the time.
    #[default]
    Host,
    /// These: `--dns`.
    Servers(Vec<IpAddr>),
}

/// Something on the computer that will stand in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What, and what it does.
    pub message: String,
    /// The commands that mend it.
    pub remedy: String,
}

impl Networks {
    /// Brings the host's side into the state that `restored` describes: bridges, table, and what is left over from
    /// a daemon that was killed goes. Running containers notice nothing.
    pub async fn open(_settings: Settings, _restored: Restored) -> Result<Self> {
        Ok(Self {
            inner: Arc::new(Inner {}),
        })
    }

    /// Every network, the default one first, then by name.
    pub fn list(&self) -> Vec<Network> {
        Vec::new()
    }

    /// One network, by its id.
    pub fn network(&self, _id: &str) -> Option<Network> {
        None
    }

    /// The endpoints in a network, by address.
    pub fn endpoints(&self, _network: &str) -> Vec<Endpoint> {
        Vec::new()
    }

    /// The endpoints of a container, by interface.
    pub fn endpoints_of(&self, _container: &str) -> Vec<Endpoint> {
        Vec::new()
    }

    /// The published ports of a container.
    pub fn ports_of(&self, _container: &str) -> Vec<PortBinding> {
        Vec::new()
    }

    /// Makes a network.
    pub async fn create(&self, _new: NewNetwork) -> Result<Network> {
        Err(Error::NotYet)
    }

    /// Removes a network that no container is in.
    pub async fn remove(&self, id: &str) -> Result<()> {
        Err(Error::NoSuchNetwork { id: id.to_owned() })
    }

    /// Brings up the loopback interface of a namespace that gets no network: `--network none`.
    pub async fn loopback_only(&self, _namespace: &Namespace) -> Result<()> {
        Ok(())
    }

    /// Puts a container, running or about to, into a network. The interface is there when this returns.
    pub async fn attach(&self, _attach: Attach<'_>) -> Result<Endpoint> {
        Err(Error::NotYet)
    }

    /// Takes a running container out of a network.
    pub async fn detach(
        &self,
        _container: &str,
        network: &str,
        _namespace: &Namespace,
    ) -> Result<()> {
        Err(Error::NoSuchNetwork {
            id: network.to_owned(),
        })
    }

    /// Says what others in a network find a container by from now on: it was renamed.
    pub fn set_names(&self, _container: &str, _network: &str, _names: Vec<String>) -> Result<()> {
        Ok(())
    }

    /// Reserves ports of the host, all or none. Nothing reaches them before [`publish`](Self::publish).
    ///
    /// `network` is the id of the one that the container's default route will go through; it says where ports are
    /// published that name no address.
    pub fn reserve_ports(
        &self,
        _container: &str,
        _network: &str,
        _requests: &[PortRequest],
    ) -> Result<PortReservation> {
        Ok(PortReservation::default())
    }

    /// Lets traffic through from the reserved ports to the container, at its address in the network that its
    /// default route goes through. Without bindings it does nothing.
    pub async fn publish(&self, _container: &str, _bindings: &[PortBinding]) -> Result<()> {
        Ok(())
    }

    /// Opens the sockets of a container's DNS and leads its queries to them.
    pub async fn open_dns(&self, _namespace: &Namespace) -> Result<DnsSockets> {
        Err(Error::NotYet)
    }

    /// Serves a container's DNS, until it is released.
    pub fn serve_dns(
        &self,
        _container: &str,
        _sockets: DnsSockets,
        _upstream: Upstream,
    ) -> Result<()> {
        Ok(())
    }

    /// Finds the sockets of a container's DNS among what its shim kept, to serve it on; the rest is closed here.
    pub fn dns_among(_kept: Vec<OwnedFd>) -> Option<DnsSockets> {
        None
    }

    /// Forgets a container that has ended: its names, addresses and ports are free again. Its interfaces go with
    /// its namespace. A container that is not known is none.
    pub async fn release(&self, _container: &str) {}

    /// Looks at the computer's other firewall rules for such that would drop our traffic.
    pub async fn warnings(&self) -> Vec<Warning> {
        Vec::new()
    }

    /// Ends what serves and watches. What is running stays connected and published.
    pub async fn close(&self) {}
}
