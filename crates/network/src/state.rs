//! What is there, in memory: networks, endpoints, published ports. Pure; behind one lock in `Networks`.

use std::{collections::BTreeMap, net::Ipv4Addr};

use tokio::task::AbortHandle;

use crate::{
    Endpoint, Network, PortBinding,
    endpoint::gateway_endpoint,
    error::{Error, Result},
    firewall::rules::{Published, Rules, Target},
    ipam::{Addresses, Unavailable},
    reservation::EphemeralPorts,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct State {
    /// By id.
    pub(crate) networks: BTreeMap<String, NetworkState>,
    /// By id.
    pub(crate) containers: BTreeMap<String, ContainerState>,
    /// The ports that come next.
    pub(crate) ephemeral: EphemeralPorts,
    /// The addresses that ports led to until a moment ago, with the container that had them: the firewall may
    /// still lead there.
    pub(crate) fading: BTreeMap<Ipv4Addr, String>,
}

/// A network and its addresses.
#[derive(Debug)]
pub(crate) struct NetworkState {
    pub(crate) network: Network,
    pub(crate) addresses: Addresses,
}

/// A container and what it has.
#[derive(Debug, Default)]
pub(crate) struct ContainerState {
    /// By network.
    pub(crate) endpoints: BTreeMap<String, EndpointState>,
    /// Reserved ports.
    pub(crate) ports: Vec<PortBinding>,
    /// Whether they lead to the container.
    pub(crate) published: bool,
    /// What serves its DNS.
    pub(crate) dns: Vec<AbortHandle>,
}

/// An endpoint, there or in the making.
#[derive(Debug)]
pub(crate) struct EndpointState {
    pub(crate) endpoint: Endpoint,
    /// Whether its interface is there.
    pub(crate) ready: bool,
}

impl State {
    pub(crate) fn new(ephemeral: EphemeralPorts) -> Self {
        Self {
            networks: BTreeMap::new(),
            containers: BTreeMap::new(),
            ephemeral,
            fading: BTreeMap::new(),
        }
    }

    /// The network with an id.
    pub(crate) fn network(&self, id: &str) -> Result<&NetworkState> {
        self.networks
            .get(id)
            .ok_or_else(|| Error::NoSuchNetwork { id: id.to_owned() })
    }

    /// Adds a network, with none of its addresses given.
    pub(crate) fn insert_network(&mut self, network: Network) {
        let reserved = network.auxiliary.values().copied().chain([network.gateway]);
        let addresses = Addresses::new(network.subnet, network.ip_range, reserved);
        let id = network.id.clone();
        self.networks
            .insert(id, NetworkState { network, addresses });
    }

    /// The endpoints in a network, the containers' order.
    pub(crate) fn endpoints_in<'a>(
        &'a self,
        network: &'a str,
    ) -> impl Iterator<Item = &'a EndpointState> {
        self.containers
            .values()
            .filter_map(move |container| container.endpoints.get(network))
    }

    /// Gives a container an address: the one asked for, or the one it had if that is free, or the next.
    pub(crate) fn give_address(
        &mut self,
        network: &str,
        asked: Option<Ipv4Addr>,
        previous: Option<Ipv4Addr>,
    ) -> Result<Ipv4Addr> {
        let Some(NetworkState { network, addresses }) = self.networks.get_mut(network) else {
            return Err(Error::NoSuchNetwork {
                id: network.to_owned(),
            });
        };
        let given = match (asked, previous) {
            (Some(address), _) => {
                if network.is_default {
                    return Err(Error::AddressOnDefaultNetwork);
                }
                addresses.give_this(address).map(|()| address)
            }
            (None, Some(address)) if addresses.give_this(address).is_ok() => Ok(address),
            (None, _) => addresses.give(),
        };
        given.map_err(|unavailable| {
            let address = asked.unwrap_or(Ipv4Addr::UNSPECIFIED);
            match unavailable {
                Unavailable::Used => Error::AddressInUse { address },
                Unavailable::Outside => Error::AddressOutside { address },
                Unavailable::Exhausted => Error::AddressesExhausted {
                    network: network.name.clone(),
                },
            }
        })
    }

    /// Forgets an endpoint; its address is free again.
    pub(crate) fn remove_endpoint(&mut self, container: &str, network: &str) -> Option<Endpoint> {
        let state = self.containers.get_mut(container)?;
        let before = state.published_at(&self.networks);
        let removed = state.endpoints.remove(network)?.endpoint;
        if state.is_empty() {
            self.containers.remove(container);
        }
        if let Some(network) = self.networks.get_mut(network) {
            network.addresses.take_back(removed.address);
        }
        if before == Some(removed.address) {
            self.fading.insert(removed.address, container.to_owned());
        }
        Some(removed)
    }

    /// Forgets a container.
    pub(crate) fn remove_container(&mut self, container: &str) -> Option<ContainerState> {
        let removed = self.containers.remove(container)?;
        for (network, state) in &removed.endpoints {
            if let Some(network) = self.networks.get_mut(network) {
                network.addresses.take_back(state.endpoint.address);
            }
        }
        if let Some(address) = removed.published_at(&self.networks) {
            self.fading.insert(address, container.to_owned());
        }
        Some(removed)
    }

    /// The endpoint that a container's default route goes through.
    pub(crate) fn gateway_of(&self, container: &str) -> Option<&Endpoint> {
        self.containers.get(container)?.gateway(&self.networks)
    }

    /// What the firewall should hold.
    pub(crate) fn rules(&self) -> Rules {
        let mut rules = Rules {
            networks: self
                .networks
                .values()
                .map(|state| state.network.clone())
                .collect(),
            ..Rules::default()
        };
        for container in self.containers.values() {
            let Some(address) = container.published_at(&self.networks) else {
                continue;
            };
            for binding in &container.ports {
                let everywhere = binding.host_address.is_unspecified();
                let published = Published {
                    address: (!everywhere).then_some(binding.host_address),
                    protocol: binding.container.protocol,
                    port: binding.host_port,
                };
                let port = binding.container.number;
                rules.ports.insert(published, Target { address, port });
            }
        }
        rules
    }
}

impl ContainerState {
    /// Whether nothing is known of it.
    pub(crate) fn is_empty(&self) -> bool {
        self.endpoints.is_empty() && self.ports.is_empty() && self.dns.is_empty()
    }

    /// The endpoint that the default route goes through.
    pub(crate) fn gateway<'a>(
        &'a self,
        networks: &'a BTreeMap<String, NetworkState>,
    ) -> Option<&'a Endpoint> {
        gateway_endpoint(self.endpoints.iter().filter_map(|(network, state)| {
            let name = networks.get(network)?.network.name.as_str();
            Some((&state.endpoint, name))
        }))
    }

    /// The address that its published ports lead to.
    fn published_at(&self, networks: &BTreeMap<String, NetworkState>) -> Option<Ipv4Addr> {
        if !self.published {
            return None;
        }
        let endpoint = self.gateway(networks)?;
        let ready = self.endpoints.get(&endpoint.network)?.ready;
        ready.then_some(endpoint.address)
    }
}
