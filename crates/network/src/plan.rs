//! What is to be done in the kernel for a network or an endpoint to be there. Pure: operations come out, which
//! `netlink::route` does in one go.

use ipnet::Ipv4Net;

use crate::{
    Endpoint, MacAddress, Network,
    netlink::route::{Index, Link, Operation},
};

/// Marks a bridge as a daemon's, with the network's id behind it.
pub(crate) fn alias_prefix(daemon: &str) -> String {
    format!("essaim:{daemon}:")
}

/// Makes a network's bridge.
pub(crate) fn make_bridge(network: &Network, daemon: &str) -> Vec<Operation> {
    vec![
        Operation::AddBridge {
            name: network.bridge.clone(),
            mac: MacAddress::for_address(network.gateway),
            mtu: network.mtu,
        },
        Operation::SetAlias {
            name: network.bridge.clone(),
            alias: format!("{}{}", alias_prefix(daemon), network.id),
        },
        Operation::NoLinkLocal {
            name: network.bridge.clone(),
        },
    ]
}

/// Gives a network's bridge its address, if it has none of those in `there`, and sets it up.
pub(crate) fn address_bridge(network: &Network, index: Index, there: &[Ipv4Net]) -> Vec<Operation> {
    let address = Ipv4Net::new_assert(network.gateway, network.subnet.prefix_len());
    let mut operations = Vec::new();
    if !there.contains(&address) {
        operations.push(Operation::AddAddress { index, address });
    }
    operations.push(Operation::SetUp { index });
    operations
}

/// What is left over from a daemon that was killed: bridges of networks that are not, ports of containers that are
/// not.
pub(crate) fn sweep<'a>(
    links: &[Link],
    daemon: &str,
    networks: impl Iterator<Item = &'a Network> + Clone,
    endpoints: impl Iterator<Item = &'a Endpoint> + Clone,
) -> Vec<Operation> {
    let prefix = alias_prefix(daemon);
    let ours = |link: &Link| -> Option<bool> {
        let id = link.alias.as_deref()?.strip_prefix(&prefix)?;
        let wanted = |network: &Network| network.id == id && network.bridge == link.name;
        link.is_bridge.then(|| networks.clone().any(wanted))
    };
    let delete = |link: &Link| Operation::DeleteLink {
        name: link.name.clone(),
    };
    let bridges = links.iter().filter(|link| ours(link) == Some(false));
    let kept: Vec<Index> = links
        .iter()
        .filter(|link| ours(link) == Some(true))
        .map(|link| link.index)
        .collect();
    let ports = links.iter().filter(|link| {
        let of_ours = link.master.is_some_and(|master| kept.contains(&master));
        let known = |endpoint: &Endpoint| endpoint.host_interface == link.name;
        of_ours && link.name.starts_with(PORT_PREFIX) && !endpoints.clone().any(known)
    });
    ports.chain(bridges).map(delete).collect()
}

/// What the names of our bridges' ports begin with.
const PORT_PREFIX: &str = "veth";

/// The name of the port for an endpoint.
pub(crate) fn host_interface(endpoint_id: &str) -> String {
    format!(
        "{PORT_PREFIX}{}",
        endpoint_id.get(..7).unwrap_or(endpoint_id)
    )
}

/// Joins the host's side of an endpoint to its bridge; the container's side comes into being in the namespace that
/// `namespace_fd` is open on.
pub(crate) fn join_outside(
    endpoint: &Endpoint,
    network: &Network,
    bridge: Index,
    namespace_fd: i32,
    publishes: bool,
) -> Vec<Operation> {
    let name = || endpoint.host_interface.clone();
    let mut operations = vec![
        Operation::AddVeth {
            name: name(),
            bridge,
            mtu: network.mtu,
            peer: endpoint.interface.clone(),
            peer_mac: endpoint.mac,
            namespace_fd,
        },
        Operation::NoLinkLocal { name: name() },
    ];
    if publishes {
        operations.push(Operation::SetHairpin { name: name() });
    }
    if !network.inter_container {
        operations.push(Operation::SetIsolated { name: name() });
    }
    operations
}

/// The loopback interface's number in every namespace.
const LOOPBACK: Index = 1;

/// Brings up the loopback interface.
pub(crate) fn loopback() -> Vec<Operation> {
    vec![Operation::SetUp { index: LOOPBACK }]
}

/// Gives the container's side of an endpoint its address and sets it up; routes through it if `is_gateway`.
pub(crate) fn join_inside(endpoint: &Endpoint, index: Index, is_gateway: bool) -> Vec<Operation> {
    let address = Ipv4Net::new_assert(endpoint.address, endpoint.prefix_length);
    let mut operations = loopback();
    operations.push(Operation::AddAddress { index, address });
    operations.push(Operation::SetUp { index });
    if let Some(gateway) = endpoint.gateway
        && is_gateway
    {
        operations.push(Operation::SetDefaultRoute { index, gateway });
    }
    operations
}
