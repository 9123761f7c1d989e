//! Giving out what there is one of: subnets to networks, addresses and ports to services, addresses to tasks
//! and nodes.
//!
//! Only the leader gives these out, and everything it has given is in the state: so looking there is enough.

use ipnet::Ipv4Net;
use model::id::{NetworkId, ServiceId};
use model::port::Port;

use crate::object::network::{Network, NetworkAllocation};
use crate::object::node::Node;
use crate::object::service::{Service, ServiceAddress};
use crate::object::spec::{PortSpec, PublishMode, TaskSpec};
use crate::object::task::Attachment;
use crate::plan::draft::Draft;
use crate::plan::note::{Reason, Subject};
use crate::state::dirty::Dirty;
use crate::state::index;

/// The ports given to those who don't ask for one: Docker's.
const FREE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

/// The first number on the wire; those below are left to networks that people number themselves.
const FIRST_VXLAN: u32 = 4_097;

/// A VXLAN number has 24 bits.
const LAST_VXLAN: u32 = (1 << 24) - 1;

/// Gives addresses to the networks that have none.
pub(super) fn networks(draft: &mut Draft<'_>, dirty: &Dirty) {
    if dirty.is_empty() {
        return;
    }
    let state = draft.state;
    for network in state
        .networks()
        .values()
        .filter(|network| network.allocation.is_none())
    {
        match allocation(draft, network) {
            Some(allocation) => draft.put_network(Network {
                allocation: Some(allocation),
                ..network.clone()
            }),
            None => draft.note(Subject::Network(network.id), Reason::NoFreeSubnet),
        }
    }
}

fn allocation(draft: &Draft<'_>, network: &Network) -> Option<NetworkAllocation> {
    let subnet = match network.spec.subnet {
        Some(subnet) => subnet.trunc(),
        None => free_subnet(draft)?,
    };
    let known = draft
        .state
        .networks()
        .values()
        .filter_map(|it| it.allocation)
        .map(|it| it.vxlan);
    let highest = known
        .chain(draft.new_subnets().map(|(_, vxlan)| vxlan))
        .max();
    let vxlan = highest.map_or(FIRST_VXLAN, |highest| highest + 1);
    let vxlan = if vxlan <= LAST_VXLAN {
        vxlan
    } else {
        free_vxlan(draft)?
    };
    Some(NetworkAllocation { subnet, vxlan })
}

/// A number that is free though the highest is taken.
fn free_vxlan(draft: &Draft<'_>) -> Option<u32> {
    let known = draft
        .state
        .networks()
        .values()
        .filter_map(|it| it.allocation)
        .map(|it| it.vxlan);
    let taken: std::collections::BTreeSet<u32> =
        known.chain(draft.new_subnets().map(|(_, it)| it)).collect();
    (FIRST_VXLAN..=LAST_VXLAN).find(|vxlan| !taken.contains(vxlan))
}

/// The first subnet of the pools that overlaps no other.
fn free_subnet(draft: &Draft<'_>) -> Option<Ipv4Net> {
    let state = draft.state;
    let held = state
        .index()
        .pools()
        .values()
        .map(crate::state::pool::AddressPool::subnet);
    let asked = state
        .networks()
        .values()
        .filter_map(|network| network.spec.subnet);
    let mut taken: Vec<Ipv4Net> = held
        .chain(asked)
        .chain(draft.new_subnets().map(|(subnet, _)| subnet))
        .collect();
    taken.sort_unstable_by_key(Ipv4Net::network);
    let length = state.settings().subnet_length;
    state
        .settings()
        .address_pools
        .iter()
        .find_map(|pool| first_gap(*pool, length, &taken))
}

/// The first subnet of `length` in `pool` beside those `taken`, which are in order. Steps over each of them
/// once, rather than over each subnet that could be.
fn first_gap(pool: Ipv4Net, length: u8, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    let end = u64::from(u32::from(pool.broadcast())) + 1;
    let size = 1_u64 << (32 - u32::from(length.min(32)));
    let mut start = u64::from(u32::from(pool.network()));
    for other in taken {
        let (first, last) = (
            u64::from(u32::from(other.network())),
            u64::from(u32::from(other.broadcast())),
        );
        if start + size <= first {
            break;
        }
        if last >= start {
            start = (last + 1).next_multiple_of(size);
        }
    }
    let address = u32::try_from(start).ok().filter(|_| start + size <= end)?;
    Ipv4Net::new(address.into(), length).ok()
}

/// Gives an address on the ingress network to each node that has none there.
pub(super) fn nodes(draft: &mut Draft<'_>, dirty: &Dirty) {
    let state = draft.state;
    let Some((ingress, subnet)) = draft
        .ingress_network()
        .and_then(|network| Some((network.id, network.allocation?.subnet)))
    else {
        return;
    };
    if dirty.is_everything() || !dirty.networks().is_empty() {
        let elsewhere = |node: &&Node| node.ingress.is_some_and(|it| !subnet.contains(&it.addr()));
        for node in state.nodes().values().filter(elsewhere) {
            let address = draft
                .pool(ingress)
                .and_then(crate::state::pool::AddressPool::take_lowest);
            draft.put_node(Node {
                ingress: address,
                ..node.clone()
            });
        }
    }
    if dirty.is_empty() {
        return;
    }
    for id in state.index().nodes_without_ingress() {
        let Some(node) = state.nodes().get(id) else {
            continue;
        };
        let Some(address) = draft
            .pool(ingress)
            .and_then(crate::state::pool::AddressPool::take_lowest)
        else {
            draft.note(Subject::Network(ingress), Reason::NoFreeAddress(ingress));
            return;
        };
        draft.put_node(Node {
            ingress: Some(address),
            ..node.clone()
        });
    }
}

/// Gives a service the ports and addresses its spec needs, and takes back what it no longer needs.
pub(super) fn endpoint(draft: &mut Draft<'_>, id: ServiceId) {
    let ingress = draft.ingress_network().map(|network| network.id);
    let Some(service) = draft.service(id) else {
        return;
    };
    if service.spec.publishes_on_ingress() && ingress.is_none() {
        draft.note(Subject::Service(id), Reason::NoIngressNetwork);
        return;
    }
    if index::is_allocated(service, ingress) {
        return;
    }
    let mut service = service.clone();
    let ports = ports(draft, &service);
    let addresses = addresses(draft, &service, ingress);
    if (&ports, &addresses) != (&service.endpoint.ports, &service.endpoint.addresses) {
        service.endpoint.ports = ports;
        service.endpoint.addresses = addresses;
        draft.put_service(service);
    }
}

/// The ports of a service: those asked for, and a free one for each that was left open. One that was given
/// before is kept.
fn ports(draft: &mut Draft<'_>, service: &Service) -> Vec<PortSpec> {
    let all_asked = &service.spec.endpoint.ports;
    let asked_by_number = |given: &PortSpec| {
        all_asked
            .iter()
            .any(|it| it.published.is_some() && it.ingress_port() == given.ingress_port())
    };
    let mut given: Vec<PortSpec> = Vec::with_capacity(all_asked.len());
    for asked in all_asked {
        let mut known = service.endpoint.ports.iter();
        let before = known.find(|it| {
            index::answers(*asked, **it) && !given.contains(*it) && !asked_by_number(it)
        });
        let number = match (asked.published, asked.mode, before) {
            (Some(number), _, _) => Some(number),
            (None, _, Some(before)) => before.published,
            (None, PublishMode::Host, None) => None,
            (None, PublishMode::Ingress, None) => free_port(draft, *asked),
        };
        if number.is_some() || asked.mode == PublishMode::Host {
            given.push(PortSpec {
                published: number,
                ..*asked
            });
        } else {
            draft.note(
                Subject::Service(service.id),
                Reason::NoFreePort(asked.protocol),
            );
        }
    }
    given
}

fn free_port(draft: &mut Draft<'_>, asked: PortSpec) -> Option<u16> {
    let port = |number| Port {
        protocol: asked.protocol,
        number,
    };
    let number = FREE_PORTS
        .into_iter()
        .find(|number| !draft.is_port_taken(port(*number)))?;
    draft.take_port(port(number));
    Some(number)
}

fn addresses(
    draft: &mut Draft<'_>,
    service: &Service,
    ingress: Option<NetworkId>,
) -> Vec<ServiceAddress> {
    let mut given = Vec::new();
    for network in index::networks_with_address(service, ingress) {
        let before = service
            .endpoint
            .addresses
            .iter()
            .find(|it| it.network == network);
        match before
            .copied()
            .map_or_else(|| address_on(draft, network), |it| Ok(it.address))
        {
            Ok(address) => given.push(ServiceAddress { network, address }),
            Err(reason) => draft.note(Subject::Service(service.id), reason),
        }
    }
    given
}

/// An address for a task on each of its networks, or none and why.
pub(super) fn attachments(
    draft: &mut Draft<'_>,
    spec: &TaskSpec,
) -> Result<Box<[Attachment]>, Reason> {
    let ingress = draft
        .ingress_network()
        .map(|network| network.id)
        .filter(|_| spec.publishes_on_ingress());
    let named = spec
        .template
        .networks
        .iter()
        .map(|attachment| attachment.network);
    let mut given: Vec<Attachment> = Vec::new();
    for network in named.chain(ingress) {
        match address_on(draft, network) {
            Ok(address) => given.push(Attachment { network, address }),
            Err(reason) => {
                give_back(draft, &given);
                return Err(reason);
            }
        }
    }
    Ok(given.into())
}

/// Gives back the addresses of a task that found no node after all.
pub(super) fn give_back(draft: &mut Draft<'_>, attachments: &[Attachment]) {
    for attachment in attachments {
        if let Some(pool) = draft.pool(attachment.network) {
            pool.free(attachment.address.addr());
        }
    }
}

fn address_on(draft: &mut Draft<'_>, network: NetworkId) -> Result<Ipv4Net, Reason> {
    let pool = draft
        .pool(network)
        .ok_or(Reason::NetworkNotAllocated(network))?;
    pool.take_lowest().ok_or(Reason::NoFreeAddress(network))
}

#[cfg(test)]
mod tests {
    use super::first_gap;

    #[track_caller]
    fn check(pool: &str, length: u8, taken: &[&str], expect: Option<&str>) {
        let mut taken: Vec<ipnet::Ipv4Net> = taken.iter().map(|it| it.parse().unwrap()).collect();
        taken.sort_unstable_by_key(ipnet::Ipv4Net::network);
        let gap = first_gap(pool.parse().unwrap(), length, &taken).map(|gap| gap.to_string());
        assert_eq!(gap.as_deref(), expect);
    }

    #[test]
    fn the_first_subnet_beside_those_taken() {
        check("10.0.0.0/8", 24, &[], Some("10.0.0.0/24"));
        check("10.0.0.0/8", 24, &["10.0.0.0/24"], Some("10.0.1.0/24"));
        check("10.0.0.0/8", 24, &["10.0.1.0/24"], Some("10.0.0.0/24"));
        check(
            "10.0.0.0/8",
            24,
            &["10.0.0.0/24", "10.0.1.128/25"],
            Some("10.0.2.0/24"),
        );
        check("10.0.0.0/8", 24, &["10.0.0.0/16"], Some("10.1.0.0/24"));
        check("10.0.0.0/8", 24, &["0.0.0.0/0"], None);
        check("10.0.0.0/23", 24, &["10.0.0.0/24", "10.0.1.0/24"], None);
        check("255.255.255.0/24", 24, &["255.255.255.0/24"], None);
        check(
            "192.168.0.0/16",
            24,
            &["10.0.0.0/8"],
            Some("192.168.0.0/24"),
        );
    }
}
