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

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        net::Ipv4Addr,
    };

    use model::port::{Port, Protocol};
    use proptest::prelude::{Strategy, any, prop_oneof, proptest};

    use super::State;
    use crate::{
        Endpoint, Error, MacAddress, Network, PortBinding, plan, reservation::EphemeralPorts,
        state::EndpointState,
    };

    fn state() -> State {
        let mut state = State::new(EphemeralPorts::new(32768, 60999));
        for number in 0..3_u8 {
            state.insert_network(Network {
                id: number.to_string(),
                name: format!("net{number}"),
                bridge: format!("br-{number}"),
                is_default: number == 0,
                internal: number == 2,
                subnet: format!("10.{number}.0.0/28").parse().unwrap(),
                ip_range: None,
                gateway: Ipv4Addr::new(10, number, 0, 1),
                auxiliary: BTreeMap::new(),
                mtu: None,
                inter_container: true,
                masquerade: true,
                host_binding: Ipv4Addr::UNSPECIFIED,
            });
        }
        state
    }

    fn join(state: &mut State, container: u8, network: u8) -> Result<Ipv4Addr, Error> {
        let (container, network) = (container.to_string(), network.to_string());
        let joined = state.containers.get(&container);
        if joined.is_some_and(|joined| joined.endpoints.contains_key(&network)) {
            return Err(Error::AlreadyConnected { container, network });
        }
        let address = state.give_address(&network, None, None)?;
        let known = &state.networks[&network].network;
        let endpoint = Endpoint {
            id: format!("{container}-{network}"),
            container: container.clone(),
            network: network.clone(),
            interface: format!("eth{network}"),
            host_interface: plan::host_interface(&container),
            address,
            prefix_length: known.subnet.prefix_len(),
            gateway: (!known.internal).then_some(known.gateway),
            mac: MacAddress::for_address(address),
            names: vec![container.clone()],
            links: Vec::new(),
            gateway_priority: 0,
        };
        let ready = true;
        let endpoints = &mut state.containers.entry(container).or_default().endpoints;
        endpoints.insert(network, EndpointState { endpoint, ready });
        Ok(address)
    }

    fn publish(state: &mut State, container: u8) {
        let entry = state.containers.entry(container.to_string()).or_default();
        entry.ports = vec![PortBinding {
            container: Port {
                protocol: Protocol::Tcp,
                number: 80,
            },
            host_address: Ipv4Addr::UNSPECIFIED,
            host_port: 8000 + u16::from(container),
        }];
        entry.published = true;
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Join(u8, u8),
        Leave(u8, u8),
        Publish(u8),
        End(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let container = 0..6_u8;
        let network = 0..3_u8;
        let step = prop_oneof![
            3 => (container.clone(), network.clone()).prop_map(|(one, net)| Step::Join(one, net)),
            1 => (container.clone(), network).prop_map(|(one, net)| Step::Leave(one, net)),
            1 => container.clone().prop_map(Step::Publish),
            1 => container.prop_map(Step::End),
        ];
        proptest::collection::vec(step, 0..60)
    }

    /// What holds whatever happened.
    fn check(state: &State) {
        let endpoints = || {
            let containers = state.containers.values();
            containers.flat_map(|container| container.endpoints.values())
        };
        let addresses: BTreeSet<Ipv4Addr> =
            endpoints().map(|state| state.endpoint.address).collect();
        assert_eq!(
            addresses.len(),
            endpoints().count(),
            "an address is given twice"
        );
        for (published, target) in state.rules().ports {
            let container = (published.port - 8000).to_string();
            let gateway = state.gateway_of(&container).unwrap();
            assert_eq!(gateway.address, target.address, "a port leads elsewhere");
            assert_ne!(
                gateway.network, "2",
                "a port leads into an internal network"
            );
        }
    }

    proptest! {
        #[test]
        fn addresses_and_ports_are_their_containers(steps in steps(), restart in any::<bool>()) {
            let mut state = state();
            for step in steps {
                match step {
                    Step::Join(container, network) => drop(join(&mut state, container, network)),
                    Step::Leave(container, network) => {
                        state.remove_endpoint(&container.to_string(), &network.to_string());
                    }
                    Step::Publish(container) => publish(&mut state, container),
                    Step::End(container) => drop(state.remove_container(&container.to_string())),
                }
                check(&state);
            }
            if restart {
                for container in 0..6_u8 {
                    state.remove_container(&container.to_string());
                }
                assert!(state.rules().ports.is_empty());
                // Every address but the gateway's is free again.
                let free = (0..13_u8).filter(|container| join(&mut state, *container, 1).is_ok());
                assert_eq!(free.count(), 13);
            }
        }
    }

    #[test]
    fn what_ports_led_to_fades() {
        let mut state = state();
        let first = join(&mut state, 1, 1).unwrap();
        publish(&mut state, 1);
        let second = join(&mut state, 1, 0).unwrap();
        assert_eq!(state.gateway_of("1").unwrap().address, second);
        state.remove_endpoint("1", "0");
        assert_eq!(state.fading, BTreeMap::from([(second, "1".to_owned())]));
        state.remove_container("1");
        assert!(state.fading.contains_key(&first));
        let unpublished = join(&mut state, 2, 1).unwrap();
        state.remove_container("2");
        assert!(!state.fading.contains_key(&unpublished));
    }
}
