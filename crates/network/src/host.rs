//! The host's side: looked at, and made as the networks need it.

use ipnet::Ipv4Net;

use crate::{
    DefaultBridge, Network, Pool,
    error::{Error, Result, chain},
    ipam::overlap,
    netlink::{
        route::{self, Index, Link},
        socket::Socket,
    },
    network::{self, Surroundings},
    plan,
    state::State,
    sysctl,
};

/// Decides what the default network is: as it was, unless it is set otherwise and nobody is in it.
pub(crate) fn settle_default(
    socket: &mut Socket,
    state: &mut State,
    wish: &DefaultBridge,
    pools: &[Pool],
    daemon: &str,
) -> Result<()> {
    let known = state
        .networks
        .get(&wish.id)
        .map(|state| state.network.clone());
    let in_use = state.endpoints_in(&wish.id).next().is_some();
    let mut around = look_around(socket)?;
    if let Some(known) = known {
        let there = around.interfaces.contains(&known.bridge);
        let same = match wish.address {
            Some(address) => address.trunc() == known.subnet && address.addr() == known.gateway,
            None => {
                there
                    || !around
                        .routed
                        .iter()
                        .any(|(net, _)| overlap(*net, known.subnet))
            }
        };
        if in_use || (same && known.bridge == wish.interface) {
            let settled = Network {
                ip_range: wish.ip_range,
                mtu: wish.mtu,
                inter_container: wish.inter_container,
                masquerade: wish.masquerade,
                host_binding: wish.host_binding,
                ..known
            };
            if !in_use {
                state.insert_network(settled);
            } else if let Some(state) = state.networks.get_mut(&wish.id) {
                state.network = settled;
            }
            return Ok(());
        }
        state.networks.remove(&wish.id);
        // Nobody is in it; what is made anew has no address of before.
        let gone = plan::sweep(
            &route::links(socket)?,
            daemon,
            networks(state),
            [].into_iter(),
        );
        route::apply(socket, &gone)?;
        around = look_around(socket)?;
    }
    let surroundings = with_ours(around, state);
    state.insert_network(network::resolve_default(wish, pools, &surroundings)?);
    Ok(())
}

/// Everything that a new network could collide with.
pub(crate) struct Around {
    interfaces: Vec<String>,
    routed: Vec<(Ipv4Net, String)>,
}

pub(crate) fn look_around(socket: &mut Socket) -> Result<Around> {
    let links = route::links(socket)?;
    let name_of = |index| {
        let link = links.iter().find(|link| link.index == index);
        link.map(|link| link.name.clone()).unwrap_or_default()
    };
    let mut routed: Vec<(Ipv4Net, String)> = route::routes(socket)?
        .into_iter()
        .map(|(net, index)| (net, name_of(index)))
        .collect();
    let addresses = route::addresses(socket)?.into_iter();
    routed.extend(addresses.map(|(address, index)| (address.trunc(), name_of(index))));
    let interfaces = links.into_iter().map(|link| link.name).collect();
    Ok(Around { interfaces, routed })
}

pub(crate) fn with_ours(around: Around, state: &State) -> Surroundings {
    let networks = || networks(state);
    let ours = |interface: &str| networks().any(|network| network.bridge == interface);
    let mut interfaces = around.interfaces;
    interfaces.extend(networks().map(|network| network.bridge.clone()));
    Surroundings {
        ours: networks().map(|network| network.subnet).collect(),
        routed: around
            .routed
            .into_iter()
            .filter(|(_, interface)| !ours(interface))
            .map(|(net, _)| net)
            .collect(),
        interfaces,
    }
}

fn networks(state: &State) -> impl Iterator<Item = &Network> + Clone {
    state.networks.values().map(|state| &state.network)
}

/// Makes what is missing on the host's side, and removes what is too much.
pub(crate) fn bring_up(socket: &mut Socket, state: &State, daemon: &str) -> Result<()> {
    let networks = || networks(state);
    let endpoints = || {
        let containers = state.containers.values();
        containers
            .flat_map(|container| container.endpoints.values())
            .map(|state| &state.endpoint)
    };
    let links = route::links(socket)?;
    for operation in plan::sweep(&links, daemon, networks(), endpoints()) {
        if let Err(error) = route::apply(socket, std::slice::from_ref(&operation)) {
            tracing::warn!(error = %chain(&error), "sweeping what is left over");
        }
    }
    if state.networks.is_empty() {
        return Ok(());
    }
    sysctl::enable_forwarding()?;
    for network in networks() {
        let there = links.iter().find(|link| link.name == network.bridge);
        let index = bring_up_bridge(socket, network, daemon, there)?;
        for container in state.containers.values() {
            let Some(joined) = container.endpoints.get(&network.id) else {
                continue;
            };
            let publishes = !container.ports.is_empty();
            let operations = plan::rejoin(&links, network, index, publishes, &joined.endpoint);
            route::apply(socket, &operations)?;
        }
    }
    Ok(())
}

pub(crate) fn bring_up_bridge(
    socket: &mut Socket,
    network: &Network,
    daemon: &str,
    there: Option<&Link>,
) -> Result<Index> {
    let index = match there {
        Some(link) if link.is_bridge => link.index,
        Some(_) => {
            return Err(Error::BridgeTaken {
                bridge: network.bridge.clone(),
            });
        }
        None => {
            route::apply(socket, &plan::make_bridge(network, daemon))?;
            route::index(socket, &network.bridge)?
        }
    };
    sysctl::disable_ipv6(&network.bridge)?;
    sysctl::route_loopback(&network.bridge)?;
    let addresses: Vec<Ipv4Net> = route::addresses(socket)?
        .into_iter()
        .filter(|(_, at)| *at == index)
        .map(|(address, _)| address)
        .collect();
    route::apply(socket, &plan::address_bridge(network, index, &addresses))?;
    Ok(index)
}
