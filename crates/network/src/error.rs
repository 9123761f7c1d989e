//! What can go wrong, named for what was tried.

use std::{io, net::Ipv4Addr, path::PathBuf};

use ipnet::Ipv4Net;
use model::port::Protocol;

/// The result of this crate's operations.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. Texts that Docker's clients know are Docker's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network is not known.
    #[error("network {id} not found")]
    NoSuchNetwork {
        /// The id that was given.
        id: String,
    },
    /// The container has no place in the network.
    #[error("container {container} is not connected to network {network}")]
    NotConnected {
        /// The container's id.
        container: String,
        /// The network's name or id.
        network: String,
    },
    /// The container is in the network already.
    #[error("endpoint of container {container} already exists in network {network}")]
    AlreadyConnected {
        /// The container's id.
        container: String,
        /// The network's name.
        network: String,
    },
    /// Containers are still in the network.
    #[error("error while removing network: network {name} id {id} has active endpoints")]
    ActiveEndpoints {
        /// The network's name.
        name: String,
        /// The network's id.
        id: String,
    },
    /// The default network stays.
    #[error("{name} is a pre-defined network and cannot be removed")]
    PredefinedNetwork {
        /// The network's name.
        name: String,
    },
    /// An option or address of a new network cannot be.
    #[error("invalid network config: {problem}")]
    InvalidNetwork {
        /// What is wrong.
        problem: String,
    },
    /// The bridge's name is taken.
    #[error("bridge name {bridge} is already in use")]
    BridgeTaken {
        /// The name.
        bridge: String,
    },
    /// The subnet overlaps with one of ours, or with one that the host routes.
    #[error("invalid pool request: Pool overlaps with other one on this address space")]
    SubnetTaken {
        /// The subnet asked for.
        subnet: Ipv4Net,
    },
    /// Every pool is used up.
    #[error("all predefined address pools have been fully subnetted")]
    PoolsExhausted,
    /// No address of the network is free.
    #[error("no available IPv4 addresses on this network's address pools: {network}")]
    AddressesExhausted {
        /// The network's name.
        network: String,
    },
    /// Somebody has the address.
    #[error("Address already in use")]
    AddressInUse {
        /// The address.
        address: Ipv4Addr,
    },
    /// The address is not of the network.
    #[error("no configured subnet contains IP address {address}")]
    AddressOutside {
        /// The address.
        address: Ipv4Addr,
    },
    /// The default network gives addresses itself.
    #[error("user specified IP address is supported on user defined networks only")]
    AddressOnDefaultNetwork,
    /// No interface can have that hardware address.
    #[error("invalid MAC address: {mac}")]
    UnusableMac {
        /// The address.
        mac: crate::MacAddress,
    },
    /// Somebody has the port: one of our containers, or another program.
    #[error("Bind for {address}:{port} failed: port is already allocated")]
    PortTaken {
        /// The host's address.
        address: Ipv4Addr,
        /// The host's port.
        port: u16,
    },
    /// None of the ephemeral ports is free.
    #[error("all ports are allocated")]
    PortsExhausted,
    /// The host has no such address, or the port may not be taken.
    #[error("failed to bind host port for {address}:{port}/{protocol}")]
    BindPort {
        /// The host's address.
        address: Ipv4Addr,
        /// The host's port.
        port: u16,
        /// The protocol.
        protocol: Protocol,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The protocol cannot be published.
    #[error("publishing {protocol} ports is not supported")]
    UnsupportedProtocol {
        /// The protocol.
        protocol: Protocol,
    },
    /// A setting cannot be.
    #[error("invalid network setting {name}: {problem}")]
    InvalidSetting {
        /// Which.
        name: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A network namespace cannot be opened: its process is gone.
    #[error("opening the network namespace {}", path.display())]
    OpenNamespace {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A network namespace cannot be entered.
    #[error("entering the network namespace {}", path.display())]
    EnterNamespace {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A thread for work inside a namespace could not be started.
    #[error("starting a thread")]
    StartThread {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A thread for work inside a namespace ended without an answer.
    #[error("a thread in a network namespace panicked")]
    ThreadPanicked,
    /// The kernel refused a change or an answer.
    #[error("{operation}")]
    Netlink {
        /// What was tried, with the name of the thing.
        operation: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A kernel setting could not be changed.
    #[error("writing {value} to {}", path.display())]
    Sysctl {
        /// The setting's file.
        path: PathBuf,
        /// What was to be written.
        value: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `nft` could not be run.
    #[error("running nft")]
    RunNft {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `nft` refused the rules.
    #[error("nft: {message}")]
    Nft {
        /// What it said.
        message: String,
    },
    /// The firewall's task has ended: the daemon is going down.
    #[error("the firewall is shutting down")]
    FirewallGone,
    /// A socket for DNS could not be made.
    #[error("opening the sockets of the DNS at 127.0.0.11")]
    DnsSockets {
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What kind of answer an error is to whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// 404.
    NotFound,
    /// 400.
    BadParameter,
    /// 403.
    Forbidden,
    /// 409.
    Conflict,
    /// 501.
    NotImplemented,
    /// 500.
    Internal,
}

/// An error with all its causes, as one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl Error {
    /// What kind of answer it is.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchNetwork { .. } => ErrorKind::NotFound,
            Self::InvalidNetwork { .. }
            | Self::AddressOutside { .. }
            | Self::AddressOnDefaultNetwork
            | Self::UnusableMac { .. }
            | Self::SubnetTaken { .. } => ErrorKind::BadParameter,
            Self::NotConnected { .. }
            | Self::AlreadyConnected { .. }
            | Self::ActiveEndpoints { .. }
            | Self::PredefinedNetwork { .. }
            | Self::AddressInUse { .. } => ErrorKind::Forbidden,
            Self::BridgeTaken { .. } => ErrorKind::Conflict,
            Self::UnsupportedProtocol { .. } => ErrorKind::NotImplemented,
            Self::PoolsExhausted
            | Self::AddressesExhausted { .. }
            | Self::PortTaken { .. }
            | Self::PortsExhausted
            | Self::BindPort { .. }
            | Self::InvalidSetting { .. }
            | Self::OpenNamespace { .. }
            | Self::EnterNamespace { .. }
            | Self::StartThread { .. }
            | Self::ThreadPanicked
            | Self::Netlink { .. }
            | Self::Sysctl { .. }
            | Self::RunNft { .. }
            | Self::Nft { .. }
            | Self::FirewallGone
            | Self::DnsSockets { .. } => ErrorKind::Internal,
        }
    }
}
