//! What is to be done in the kernel for a network or an endpoint to be there. Pure: operations come out, which
//! `netlink::route` does in one go.

use ipnet::Ipv4Net;

use crate::{
    Endpoint, MacAddress, Network,
    netlink::{
        operation::{Operation, Veth},
        route::{Index, Link},
    },
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

/// Plugs the endpoints of a network into its bridge again that are not: somebody deleted the bridge.
pub(crate) fn rejoin(
    links: &[Link],
    network: &Network,
    bridge: Index,
    publishes: bool,
    endpoint: &Endpoint,
) -> Vec<Operation> {
    let orphaned =
        |link: &&Link| link.name == endpoint.host_interface && link.master != Some(bridge);
    let Some(link) = links.iter().find(orphaned) else {
        return Vec::new();
    };
    let mut operations = vec![Operation::SetMaster {
        name: link.name.clone(),
        bridge,
    }];
    operations.extend(port_options(endpoint, network, publishes));
    operations
}

fn port_options(endpoint: &Endpoint, network: &Network, publishes: bool) -> Vec<Operation> {
    let name = || endpoint.host_interface.clone();
    let hairpin = publishes.then(|| Operation::SetHairpin { name: name() });
    let isolated = (!network.inter_container).then(|| Operation::SetIsolated { name: name() });
    hairpin.into_iter().chain(isolated).collect()
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
        Operation::AddVeth(Veth {
            name: name(),
            bridge,
            mtu: network.mtu,
            peer: endpoint.interface.clone(),
            peer_mac: endpoint.mac,
            namespace_fd,
        }),
        Operation::NoLinkLocal { name: name() },
    ];
    operations.extend(port_options(endpoint, network, publishes));
    operations
}

/// Leads frames for a container to its port at once: while the port of one that had its address before is not gone
/// yet, the bridge would lead them there until it hears from the new one.
pub(crate) fn take_over(endpoint: &Endpoint, port: Index) -> Vec<Operation> {
    vec![Operation::LearnAddress {
        port,
        mac: endpoint.mac,
    }]
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

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, net::Ipv4Addr};

    use super::{join_inside, join_outside, make_bridge, sweep};
    use crate::{
        Endpoint, MacAddress, Network,
        netlink::{operation::Operation, route::Link},
    };

    fn network(inter_container: bool) -> Network {
        Network {
            id: "1".repeat(64),
            name: "lab".to_owned(),
            bridge: "br-lab".to_owned(),
            is_default: false,
            internal: false,
            subnet: "172.18.0.0/16".parse().unwrap(),
            ip_range: None,
            gateway: Ipv4Addr::new(172, 18, 0, 1),
            auxiliary: BTreeMap::new(),
            mtu: Some(1400),
            inter_container,
            masquerade: true,
            host_binding: Ipv4Addr::UNSPECIFIED,
        }
    }

    fn endpoint() -> Endpoint {
        let address = Ipv4Addr::new(172, 18, 0, 2);
        Endpoint {
            id: "e".repeat(64),
            container: "c".repeat(64),
            network: "1".repeat(64),
            interface: "eth0".to_owned(),
            host_interface: "vetheeeeeee".to_owned(),
            address,
            prefix_length: 16,
            gateway: Some(Ipv4Addr::new(172, 18, 0, 1)),
            mac: MacAddress::for_address(address),
            names: Vec::new(),
            links: Vec::new(),
            gateway_priority: 0,
        }
    }

    fn link(index: u32, name: &str, alias: Option<&str>, master: Option<u32>) -> Link {
        Link {
            index,
            name: name.to_owned(),
            alias: alias.map(str::to_owned),
            is_bridge: master.is_none(),
            master,
        }
    }

    #[test]
    fn a_bridge_bears_its_owners_mark() {
        insta::assert_debug_snapshot!("bridge", make_bridge(&network(true), "essaim"));
    }

    #[test]
    fn joining_is_one_batch_on_either_side() {
        let (endpoint, apart) = (endpoint(), network(false));
        insta::assert_debug_snapshot!("outside", join_outside(&endpoint, &apart, 7, 9, true));
        insta::assert_debug_snapshot!("inside", join_inside(&endpoint, 2, true));
        let without_route = join_inside(&endpoint, 2, false);
        assert_eq!(
            without_route.len() + 1,
            join_inside(&endpoint, 2, true).len()
        );
    }

    #[test]
    fn only_our_own_left_overs_are_swept() {
        let network = network(true);
        let ours = format!("essaim:essaim:{}", network.id);
        let links = [
            link(1, "br-lab", Some(&ours), None),
            link(2, "br-gone", Some("essaim:essaim:2222"), None),
            link(3, "br-other", Some("essaim:other:3333"), None),
            link(4, "docker0", None, None),
            link(5, "vetheeeeeee", None, Some(1)),
            link(6, "vethfffffff", None, Some(1)),
            link(7, "vethdocker", None, Some(4)),
            link(8, "eth1", None, Some(1)),
        ];
        let endpoint = endpoint();
        let swept = sweep(
            &links,
            "essaim",
            [&network].into_iter(),
            [&endpoint].into_iter(),
        );
        let names: Vec<&str> = swept
            .iter()
            .map(|operation| match operation {
                Operation::DeleteLink { name } => name.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(names, ["vethfffffff", "br-gone"]);
    }
}
