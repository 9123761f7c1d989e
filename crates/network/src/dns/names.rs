//! What a container can know: the names in its networks.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use super::answer::{Known, Subject};
use crate::state::{EndpointState, State};

/// What one container can know. It is looked up at each question, so that it is always true.
#[derive(Debug)]
pub(crate) struct Names {
    state: Arc<Mutex<State>>,
    container: String,
}

impl Names {
    pub(crate) const fn new(state: Arc<Mutex<State>>, container: String) -> Self {
        Self { state, container }
    }

    /// What is known about a subject, if it is one of ours.
    pub(crate) fn find(&self, subject: &Subject) -> Option<Known> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match subject {
            Subject::Address(address) => {
                name_of(&state, &self.container, *address).map(Known::Name)
            }
            Subject::Name(name) => {
                let addresses = addresses_of(&state, &self.container, name);
                (!addresses.is_empty()).then_some(Known::Addresses(addresses))
            }
        }
    }

    /// Whether it may ask others: not if all its networks are internal, where nothing is to get out.
    pub(crate) fn may_ask_others(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.gateway_of(&self.container).is_some()
    }
}

/// The addresses that `container` finds under a name, or a name and its network's behind a dot.
fn addresses_of(state: &State, container: &str, name: &str) -> Vec<Ipv4Addr> {
    let Some(asking) = state.containers.get(container) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (network, place) in &asking.endpoints {
        let Some(network_state) = state.networks.get(network) else {
            continue;
        };
        let network_name = network_state.network.name.to_ascii_lowercase();
        let short = name
            .strip_suffix(&network_name)
            .and_then(|name| name.strip_suffix('.'));
        let asked = |own: &str| {
            let is = |name: &str| own.eq_ignore_ascii_case(name);
            is(name) || short.is_some_and(is)
        };
        let links = place.endpoint.links.iter();
        let linked: Vec<_> = links.filter(|link| asked(&link.alias)).collect();
        let named = |endpoint: &EndpointState| {
            let mut names = endpoint.endpoint.names.iter();
            let is_linked = |own: &str| linked.iter().any(|link| link.name == own);
            endpoint.ready && names.any(|own| asked(own) || is_linked(own))
        };
        let endpoints = state.endpoints_in(network).filter(|state| named(state));
        found.extend(endpoints.map(|state| state.endpoint.address));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The name that `container` finds for an address.
fn name_of(state: &State, container: &str, address: Ipv4Addr) -> Option<String> {
    let asking = state.containers.get(container)?;
    asking.endpoints.keys().find_map(|network| {
        let found = state
            .endpoints_in(network)
            .find(|state| state.ready && state.endpoint.address == address)?;
        let network = &state.networks.get(network)?.network.name;
        let name = found.endpoint.names.first()?;
        Some(format!("{name}.{network}"))
    })
}
