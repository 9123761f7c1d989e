//! The networks of one daemon: what is there, and every way to change it.

use std::{
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::task::AbortHandle;

use crate::{
    Attach, Endpoint, MacAddress, Namespace, Network, NewNetwork, PortBinding, PortRequest,
    PortReservation, Settings,
    dns::{self, names::Names, upstream::Resolvers},
    endpoint::free_interface,
    error::{Error, Result, chain},
    firewall::{others, task::Firewall},
    host,
    namespace::on_own_thread,
    netlink::{operation::Operation, route, socket::Socket},
    network, plan,
    reservation::{self, EphemeralPorts},
    state::{ContainerState, EndpointState, State},
    sysctl,
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
struct Inner {
    settings: Settings,
    state: Arc<Mutex<State>>,
    firewall: Firewall,
    resolvers: Resolvers,
}

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
    pub async fn open(settings: Settings, restored: Restored) -> Result<Self> {
        check_name(&settings.name)?;
        let ephemeral =
            EphemeralPorts::new(settings.first_ephemeral_port, settings.last_ephemeral_port);
        let mut state = State::new(ephemeral);
        for network in restored.networks {
            state.insert_network(network);
        }
        for container in restored.containers {
            restore(&mut state, container);
        }
        let wish = settings.default_bridge.clone();
        let pools = settings.pools.clone();
        let daemon = settings.name.clone();
        let state = on_own_thread(move || {
            let mut socket = route::open()?;
            if let Some(wish) = wish {
                host::settle_default(&mut socket, &mut state, &wish, &pools, &daemon)?;
            }
            host::bring_up(&mut socket, &state, &daemon)?;
            Ok(state)
        })
        .await?;
        let state = Arc::new(Mutex::new(state));
        let firewall = Firewall::start(settings.name.clone(), Arc::clone(&state)).await?;
        let resolvers = Resolvers::new(settings.resolv_conf.clone());
        Ok(Self {
            inner: Arc::new(Inner {
                settings,
                state,
                firewall,
                resolvers,
            }),
        })
    }

    /// Every network, the default one first, then by name.
    pub fn list(&self) -> Vec<Network> {
        let state = self.state();
        let mut networks: Vec<Network> = state
            .networks
            .values()
            .map(|state| state.network.clone())
            .collect();
        networks.sort_by(|one, other| {
            (!one.is_default, &one.name).cmp(&(!other.is_default, &other.name))
        });
        networks
    }

    /// One network, by its id.
    pub fn network(&self, id: &str) -> Option<Network> {
        let state = self.state();
        let found = state.networks.get(id)?;
        Some(found.network.clone())
    }

    /// The endpoints in a network, by address.
    pub fn endpoints(&self, network: &str) -> Vec<Endpoint> {
        let state = self.state();
        let mut endpoints: Vec<Endpoint> = state
            .endpoints_in(network)
            .filter(|state| state.ready)
            .map(|state| state.endpoint.clone())
            .collect();
        endpoints.sort_by_key(|endpoint| endpoint.address);
        endpoints
    }

    /// The endpoints of a container, by interface.
    pub fn endpoints_of(&self, container: &str) -> Vec<Endpoint> {
        let state = self.state();
        let mut endpoints: Vec<Endpoint> = state
            .containers
            .get(container)
            .into_iter()
            .flat_map(|container| container.endpoints.values())
            .filter(|state| state.ready)
            .map(|state| state.endpoint.clone())
            .collect();
        // `eth10` comes after `eth9`.
        endpoints.sort_by(|one, other| {
            let key = |endpoint: &Endpoint| (endpoint.interface.len(), endpoint.interface.clone());
            key(one).cmp(&key(other))
        });
        endpoints
    }

    /// The published ports of a container.
    pub fn ports_of(&self, container: &str) -> Vec<PortBinding> {
        let state = self.state();
        let found = state.containers.get(container);
        found
            .map(|container| container.ports.clone())
            .unwrap_or_default()
    }

    /// Makes a network.
    pub async fn create(&self, new: NewNetwork) -> Result<Network> {
        let surroundings = on_own_thread(|| host::look_around(&mut route::open()?)).await?;
        let network = {
            let mut state = self.state();
            // What the host routes to our own bridges is ours to judge.
            let surroundings = host::with_ours(surroundings, &state);
            let network = network::resolve(&new, &self.inner.settings.pools, &surroundings)?;
            state.insert_network(network.clone());
            network
        };
        let result = self.make(network.clone()).await;
        if result.is_err() {
            self.state().networks.remove(&network.id);
            self.unmake(&network).await;
        }
        result.map(|()| network)
    }

    async fn make(&self, network: Network) -> Result<()> {
        let daemon = self.inner.settings.name.clone();
        on_own_thread(move || {
            let mut socket = route::open()?;
            host::bring_up_bridge(&mut socket, &network, &daemon, None).map(drop)
        })
        .await?;
        self.inner.firewall.added().await
    }

    /// Removes what is left of a network that is no longer known.
    async fn unmake(&self, network: &Network) {
        let bridge = network.bridge.clone();
        let removed = on_own_thread(move || {
            let mut socket = route::open()?;
            match route::link(&mut socket, &bridge)? {
                Some(_) => route::apply(&mut socket, &[Operation::DeleteLink { name: bridge }]),
                None => Ok(()),
            }
        });
        if let Err(error) = removed.await {
            tracing::warn!(error = %chain(&error), network = network.name, "removing a bridge");
        }
        self.inner.firewall.changed().await;
    }

    /// Removes a network that no container is in.
    pub async fn remove(&self, id: &str) -> Result<()> {
        let network = {
            let mut state = self.state();
            let network = state.network(id)?.network.clone();
            if network.is_default {
                return Err(Error::PredefinedNetwork { name: network.name });
            }
            if state.endpoints_in(id).next().is_some() {
                return Err(Error::ActiveEndpoints {
                    name: network.name,
                    id: network.id,
                });
            }
            state.networks.remove(id);
            network
        };
        self.unmake(&network).await;
        Ok(())
    }

    /// Brings up the loopback interface of a namespace that gets no network: `--network none`.
    pub async fn loopback_only(&self, namespace: &Namespace) -> Result<()> {
        let namespace = namespace.duplicate()?;
        on_own_thread(move || {
            namespace.enter()?;
            route::apply(&mut route::open()?, &plan::loopback())
        })
        .await
    }

    /// Puts a container, running or about to, into a network. The interface is there when this returns.
    pub async fn attach(&self, attach: Attach<'_>) -> Result<Endpoint> {
        let joining = self.enter_state(&attach)?;
        let Joining { endpoint, .. } = &joining;
        let endpoint = endpoint.clone();
        let result = self.wire(joining, attach.namespace).await;
        let result = match result {
            Ok(()) => self.settle(&endpoint).await,
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            self.state()
                .remove_endpoint(&endpoint.container, &endpoint.network);
            self.inner.firewall.changed().await;
            return Err(error);
        }
        Ok(endpoint)
    }

    /// Gives the endpoint its place in memory, so that nobody else gets what it has.
    fn enter_state(&self, attach: &Attach<'_>) -> Result<Joining> {
        if let Some(mac) = attach.mac
            && !mac.is_usable()
        {
            return Err(Error::UnusableMac { mac });
        }
        let id = random_id();
        let mut state = self.state();
        let network = state.network(attach.network)?.network.clone();
        let container = state.containers.get(attach.container);
        let endpoints = container
            .into_iter()
            .flat_map(|container| &container.endpoints);
        let endpoints = endpoints.map(|(_, state)| &state.endpoint);
        if endpoints
            .clone()
            .any(|endpoint| endpoint.network == attach.network)
        {
            return Err(Error::AlreadyConnected {
                container: attach.container.to_owned(),
                network: network.name,
            });
        }
        let interface = free_interface(endpoints);
        let address =
            state.give_address(attach.network, attach.address, attach.previous_address)?;
        let still_led_to = state
            .fading
            .get(&address)
            .is_some_and(|container| container != attach.container);
        let endpoint = Endpoint {
            host_interface: plan::host_interface(&id),
            id,
            container: attach.container.to_owned(),
            network: attach.network.to_owned(),
            interface,
            address,
            prefix_length: network.subnet.prefix_len(),
            gateway: (!network.internal).then_some(network.gateway),
            mac: attach
                .mac
                .unwrap_or_else(|| MacAddress::for_address(address)),
            names: if network.is_default {
                Vec::new()
            } else {
                attach.names.clone()
            },
            links: attach.links.clone(),
            gateway_priority: attach.gateway_priority,
        };
        let entry = EndpointState {
            endpoint: endpoint.clone(),
            ready: false,
        };
        let container = state
            .containers
            .entry(attach.container.to_owned())
            .or_default();
        container.endpoints.insert(network.id.clone(), entry);
        let publishes = !container.ports.is_empty();
        let is_gateway = state
            .gateway_of(attach.container)
            .is_some_and(|gateway| gateway.id == endpoint.id);
        Ok(Joining {
            endpoint,
            network,
            is_gateway,
            publishes,
            still_led_to,
        })
    }

    /// Makes the interfaces.
    async fn wire(&self, joining: Joining, namespace: &Namespace) -> Result<()> {
        if joining.still_led_to {
            self.inner.firewall.removed().await?;
        }
        let namespace = namespace.duplicate()?;
        on_own_thread(move || {
            let Joining {
                endpoint,
                network,
                is_gateway,
                publishes,
                ..
            } = joining;
            let mut outside = route::open()?;
            let bridge = route::index(&mut outside, &network.bridge)?;
            let namespace_fd = namespace.as_fd().as_raw_fd();
            let operations =
                plan::join_outside(&endpoint, &network, bridge, namespace_fd, publishes);
            route::apply(&mut outside, &operations)?;
            if let Err(error) = join_inside(&namespace, &endpoint, is_gateway) {
                let name = endpoint.host_interface;
                // The first error is the one to tell.
                drop(route::apply(
                    &mut outside,
                    &[Operation::DeleteLink { name }],
                ));
                return Err(error);
            }
            begin_passing(&mut outside, &endpoint, &network);
            Ok(())
        })
        .await
    }

    /// Makes a new endpoint known.
    async fn settle(&self, endpoint: &Endpoint) -> Result<()> {
        let publishes = {
            let mut state = self.state();
            let Some(container) = state.containers.get_mut(&endpoint.container) else {
                return Err(Error::NotConnected {
                    container: endpoint.container.clone(),
                    network: endpoint.network.clone(),
                });
            };
            if let Some(state) = container.endpoints.get_mut(&endpoint.network) {
                state.ready = true;
            }
            container.published
        };
        if publishes {
            self.inner.firewall.added().await?;
        }
        Ok(())
    }

    /// Takes a running container out of a network.
    pub async fn detach(
        &self,
        container: &str,
        network: &str,
        namespace: &Namespace,
    ) -> Result<()> {
        let (endpoint, gateway, published) = {
            let mut state = self.state();
            let name = state.network(network)?.network.name.clone();
            let not_connected = || Error::NotConnected {
                container: container.to_owned(),
                network: name,
            };
            let before = state.gateway_of(container).cloned();
            let endpoint = state
                .remove_endpoint(container, network)
                .ok_or_else(not_connected)?;
            let was_gateway = before.is_some_and(|gateway| gateway.id == endpoint.id);
            let gateway = state.gateway_of(container).filter(|_| was_gateway).cloned();
            let container = state.containers.get(container);
            let published = container.is_some_and(|container| container.published);
            (endpoint, gateway, published)
        };
        let namespace = namespace.duplicate()?;
        let unwired = on_own_thread(move || {
            let name = endpoint.host_interface;
            let mut outside = route::open()?;
            // A container that ends meanwhile takes it away itself.
            if route::link(&mut outside, &name)?.is_some() {
                route::apply(&mut outside, &[Operation::DeleteLink { name }])?;
            }
            let Some((gateway, address)) =
                gateway.and_then(|endpoint| Some((endpoint.gateway?, endpoint.interface)))
            else {
                return Ok(());
            };
            namespace.enter()?;
            let mut inside = route::open()?;
            let index = route::index(&mut inside, &address)?;
            route::apply(
                &mut inside,
                &[Operation::SetDefaultRoute { index, gateway }],
            )
        })
        .await;
        if published {
            self.inner.firewall.added().await?;
        }
        unwired
    }

    /// Says what others in a network find a container by from now on: it was renamed.
    pub fn set_names(&self, container: &str, network: &str, names: Vec<String>) -> Result<()> {
        let mut state = self.state();
        let is_default = state.network(network)?.network.is_default;
        let endpoint = state
            .containers
            .get_mut(container)
            .and_then(|container| container.endpoints.get_mut(network))
            .ok_or_else(|| Error::NotConnected {
                container: container.to_owned(),
                network: network.to_owned(),
            })?;
        if !is_default {
            endpoint.endpoint.names = names;
        }
        Ok(())
    }

    /// Reserves ports of the host, all or none. Nothing reaches them before [`publish`](Self::publish).
    ///
    /// `network` is the id of the one that the container's default route will go through; it says where ports are
    /// published that name no address. Reserving nothing costs nothing.
    pub fn reserve_ports(
        &self,
        container: &str,
        network: &str,
        requests: &[PortRequest],
    ) -> Result<PortReservation> {
        if requests.is_empty() {
            return Ok(PortReservation::default());
        }
        let mut state = self.state();
        let host_binding = state.network(network)?.network.host_binding;
        let reservation = reservation::reserve(requests, host_binding, &mut state.ephemeral)?;
        let container = state.containers.entry(container.to_owned()).or_default();
        container.ports.clone_from(&reservation.bindings);
        Ok(reservation)
    }

    /// Lets traffic through from the reserved ports to the container, at its address in the network that its
    /// default route goes through. Without bindings it does nothing.
    pub async fn publish(&self, container: &str, bindings: &[PortBinding]) -> Result<()> {
        if bindings.is_empty() {
            return Ok(());
        }
        let port = {
            let mut state = self.state();
            let entry = state.containers.entry(container.to_owned()).or_default();
            entry.ports = bindings.to_vec();
            entry.published = true;
            let endpoint = state.gateway_of(container);
            endpoint.map(|endpoint| endpoint.host_interface.clone())
        };
        // A container in internal networks only has no port that is reachable from anywhere.
        let Some(name) = port else { return Ok(()) };
        let hairpin = on_own_thread(move || {
            route::apply(&mut route::open()?, &[Operation::SetHairpin { name }])
        });
        let (hairpin, added) = tokio::join!(hairpin, self.inner.firewall.added());
        hairpin.and(added)
    }

    /// Opens the sockets of a container's DNS and leads its queries to them.
    pub async fn open_dns(&self, namespace: &Namespace) -> Result<DnsSockets> {
        let namespace = namespace.duplicate()?;
        on_own_thread(move || {
            namespace.enter()?;
            dns::sockets::open()
        })
        .await
    }

    /// Serves a container's DNS, until it is released.
    pub fn serve_dns(
        &self,
        container: &str,
        sockets: DnsSockets,
        upstream: Upstream,
    ) -> Result<()> {
        let names = Names::new(Arc::clone(&self.inner.state), container.to_owned());
        let tasks = dns::serve::start(sockets, names, upstream, self.inner.resolvers.clone())?;
        let mut state = self.state();
        let entry = state.containers.entry(container.to_owned()).or_default();
        for former in std::mem::replace(&mut entry.dns, tasks) {
            former.abort();
        }
        Ok(())
    }

    /// Finds the sockets of a container's DNS among what its shim kept, to serve it on; the rest is closed here.
    pub fn dns_among(kept: Vec<OwnedFd>) -> Option<DnsSockets> {
        dns::sockets::among(kept)
    }

    /// Forgets a container that has ended: its names, addresses and ports are free again. Its interfaces go with
    /// its namespace. A container that is not known is none.
    pub async fn release(&self, container: &str) {
        let removed = self.state().remove_container(container);
        let Some(removed) = removed else { return };
        for task in &removed.dns {
            task.abort();
        }
        if removed.published {
            self.inner.firewall.changed().await;
        }
    }

    /// Looks at the computer's other firewall rules for such that would drop our traffic.
    pub async fn warnings(&self) -> Vec<Warning> {
        let networks = self.list();
        let table = self.inner.settings.name.clone();
        let looked = on_own_thread(move || others::look(&networks, &table));
        looked.await.unwrap_or_else(|error| {
            tracing::warn!(error = %chain(&error), "looking at other firewalls");
            Vec::new()
        })
    }

    /// Ends what serves and watches. What is running stays connected and published.
    pub async fn close(&self) {
        let tasks: Vec<AbortHandle> = {
            let mut state = self.state();
            let containers = state.containers.values_mut();
            containers
                .flat_map(|container| std::mem::take(&mut container.dns))
                .collect()
        };
        for task in tasks {
            task.abort();
        }
        if let Err(error) = self.inner.firewall.close().await {
            tracing::warn!(error = %chain(&error), "closing the firewall");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock leaves it half done.
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// An endpoint on its way in.
struct Joining {
    endpoint: Endpoint,
    network: Network,
    is_gateway: bool,
    publishes: bool,
    /// Whether the firewall may still lead somebody else's port to its address.
    still_led_to: bool,
}

/// Sees to it that the first packets are not lost. Were they, they would be sent again: nothing fails for it.
fn begin_passing(outside: &mut Socket, endpoint: &Endpoint, network: &Network) {
    route::wait_until_up(outside, &endpoint.host_interface);
    // It has been down until its first port came up.
    route::wait_until_up(outside, &network.bridge);
    let taken_over = route::index(outside, &endpoint.host_interface)
        .and_then(|port| route::apply(outside, &plan::take_over(endpoint, port)));
    if let Err(error) = taken_over {
        tracing::debug!(error = %chain(&error), "the bridge has to hear from the container first");
    }
}

fn join_inside(namespace: &Namespace, endpoint: &Endpoint, is_gateway: bool) -> Result<()> {
    namespace.enter()?;
    let mut inside = route::open()?;
    let index = route::index(&mut inside, &endpoint.interface)?;
    sysctl::disable_ipv6(&endpoint.interface)?;
    route::apply(&mut inside, &plan::join_inside(endpoint, index, is_gateway))
}

fn restore(state: &mut State, container: RestoredContainer) {
    let RestoredContainer {
        id,
        endpoints,
        ports,
    } = container;
    let mut entry = ContainerState {
        published: !ports.is_empty(),
        ports,
        ..ContainerState::default()
    };
    for endpoint in endpoints {
        let Some(network) = state.networks.get_mut(&endpoint.network) else {
            tracing::warn!(
                container = id,
                network = endpoint.network,
                "its network is gone"
            );
            continue;
        };
        if network.addresses.give_this(endpoint.address).is_err() {
            tracing::warn!(container = id, address = %endpoint.address, "another has its address");
        }
        let network = endpoint.network.clone();
        let ready = true;
        entry
            .endpoints
            .insert(network, EndpointState { endpoint, ready });
    }
    state.containers.insert(id, entry);
}

/// The name goes into rules and aliases as it is.
fn check_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let valid = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.len() <= 64
        && name.bytes().all(allowed);
    if valid {
        return Ok(());
    }
    Err(Error::InvalidSetting {
        name: "name",
        problem: format!("{name:?} is not a letter and up to 63 letters, digits, '-' or '_'"),
    })
}

fn random_id() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the kernel has random numbers once it has started");
    data_encoding::HEXLOWER.encode(&bytes)
}
