//! A container's networks and published ports: what it is to get, and getting it.

use model::api::endpoint::EndpointSettings;
use network::{
    Attach, Endpoint, ErrorKind, Link, MacAddress, Namespace, Network, PortBinding,
    PortReservation, Upstream,
};
use runtime::client::{Phase, Shim};

use super::{Record, files};
use crate::Engine;
use crate::error::{Error, Result};
use crate::resolve::network_mode::NetworkMode;
use crate::resolve::ports;
use crate::resolve::spec::Files;

/// Under which name a shim holds the reservations of ports.
pub(super) const PORTS: &str = "ports";

/// How many descriptors go with one message, less than the kernel's bound of 253.
pub(super) const AT_ONCE: usize = 200;

/// Under which name a shim holds the sockets of the container's DNS.
pub(super) const DNS: &str = "dns";

/// The networks of a container, looked up.
pub(super) struct Plan {
    /// What it is to be in, and how; empty for the host's, another container's, or none.
    networks: Vec<(Network, EndpointSettings)>,
}

impl Plan {
    /// What the networks are called, by their ids.
    pub(super) fn names(&self) -> std::collections::BTreeMap<String, String> {
        let names = self.networks.iter();
        names
            .map(|(network, _)| (network.id.clone(), network.name.clone()))
            .collect()
    }

    /// The network that ports are published in: where the default route goes.
    fn first(&self) -> Option<&Network> {
        let best = self
            .networks
            .iter()
            .min_by(|(one, one_settings), (other, other_settings)| {
                other_settings
                    .gw_priority
                    .cmp(&one_settings.gw_priority)
                    .then_with(|| one.internal.cmp(&other.internal))
                    .then_with(|| one.name.cmp(&other.name))
            });
        best.map(|(network, _)| network)
    }
}

impl Engine {
    /// Looks up the networks that a container is to be in.
    pub(super) async fn network_plan(&self, record: &Record) -> Result<Plan> {
        let mut networks = Vec::new();
        let mode = NetworkMode::of(&record.host_config);
        for (name, settings) in &record.networks {
            if matches!(name.as_str(), "host" | "none") {
                continue;
            }
            let mut settings = settings.clone();
            // The mode may name the network by its id.
            let is_first = |first: &str| first == name || record.networks.len() == 1;
            if matches!(&mode, NetworkMode::Named(first) if is_first(first)) {
                let links = record.host_config.links.iter().flatten().cloned();
                settings.links.get_or_insert_default().extend(links);
            }
            networks.push((self.find_network(name).await?, settings));
        }
        Ok(Plan { networks })
    }

    /// Reserves the ports of the host that lead to the container.
    pub(super) async fn reserve_ports(
        &self,
        id: &str,
        record: &Record,
        plan: &Plan,
    ) -> Result<PortReservation> {
        let requests = ports::requests(&record.config, &record.host_config)?;
        let Some(network) = plan.first() else {
            return Ok(PortReservation::default());
        };
        if requests.is_empty() {
            return Ok(PortReservation::default());
        }
        let reserved = self
            .networks()
            .await?
            .reserve_ports(id, &network.id, &requests);
        reserved.map_err(|error| match error.kind() {
            // It was removed in this very moment.
            ErrorKind::NotFound => error.into(),
            _ => external(record, &error),
        })
    }

    /// Lets traffic through to the container.
    pub(super) async fn publish(&self, id: &str, bindings: &[PortBinding]) -> Result<()> {
        if bindings.is_empty() {
            return Ok(());
        }
        Ok(self.networks().await?.publish(id, bindings).await?)
    }

    /// Puts a container that was created, and does not run yet, into its networks.
    pub(super) async fn connect_all(
        &self,
        container: &super::Container,
        record: &Record,
        shim: &Shim,
        plan: &Plan,
    ) -> Result<Vec<Endpoint>> {
        // The runtime has brought loopback up; nothing else is needed without networks.
        if plan.networks.is_empty() {
            return Ok(Vec::new());
        }
        let namespace = Namespace::open(&shim.network_namespace())?;
        let addresses = &container.condition().addresses;
        let mut endpoints = Vec::new();
        for (network, settings) in &plan.networks {
            let previous = addresses.get(&network.id).copied();
            let endpoint = self.connect(record, network, settings, &namespace, previous);
            endpoints.push(endpoint.await?);
        }
        if plan.networks.iter().any(|(network, _)| !network.is_default) {
            self.open_dns(record, shim, &namespace).await?;
        }
        Ok(endpoints)
    }

    async fn connect(
        &self,
        record: &Record,
        network: &Network,
        settings: &EndpointSettings,
        namespace: &Namespace,
        previous: Option<std::net::Ipv4Addr>,
    ) -> Result<Endpoint> {
        let address = settings
            .ipam_config
            .as_ref()
            .map(|ipam| ipam.ipv4_address.as_str())
            .filter(|text| !text.is_empty())
            .map(|text| {
                text.parse()
                    .map_err(|_| Error::bad_parameter(format!("invalid IPv4 address: {text}")))
            });
        let mac = (!settings.mac_address.is_empty()).then(|| {
            let parsed = settings.mac_address.parse::<MacAddress>();
            parsed.map_err(|error| Error::bad_parameter(error.to_string()))
        });
        let id = record.id.to_string();
        let attach = Attach {
            container: &id,
            network: &network.id,
            namespace,
            names: names(record, settings),
            links: self.links(settings),
            address: address.transpose()?,
            previous_address: previous,
            mac: mac.transpose()?,
            gateway_priority: settings.gw_priority,
        };
        let endpoint = self.networks().await?.attach(attach).await?;
        self.tell_of_network("connect", network, &id);
        Ok(endpoint)
    }

    /// What a container calls others: `name:alias`, or their name alone.
    /// One that is not there, or not yet, is found by its name once it is.
    fn links(&self, settings: &EndpointSettings) -> Vec<Link> {
        let links = settings.links.iter().flatten();
        let links = links.map(|text| {
            let (name, alias) = text.split_once(':').unwrap_or((text, text));
            let name = match self.containers().find(name) {
                Ok(linked) => linked.record().name.clone(),
                Err(_) => name.to_owned(),
            };
            let alias = alias.to_owned();
            Link { name, alias }
        });
        links.collect()
    }

    async fn open_dns(&self, record: &Record, shim: &Shim, namespace: &Namespace) -> Result<()> {
        let networks = self.networks().await?;
        let sockets = networks.open_dns(namespace).await?;
        let copies = [sockets.udp.try_clone(), sockets.tcp.try_clone()];
        let copies: std::io::Result<Vec<_>> = copies.into_iter().collect();
        let copies =
            copies.map_err(|cause| Error::io("copy the sockets of a container's DNS", cause))?;
        shim.keep(DNS, copies)
            .await
            .map_err(|error| Error::internal(crate::error::with_causes(&error)))?;
        self.serve_dns(record, sockets).await
    }

    /// Answers a container's questions for names.
    pub(super) async fn serve_dns(
        &self,
        record: &Record,
        sockets: network::DnsSockets,
    ) -> Result<()> {
        let servers = files::name_servers(record, self.settings());
        let upstream = if servers.is_empty() {
            Upstream::Host
        } else {
            Upstream::Servers(servers)
        };
        let networks = self.networks().await?;
        Ok(networks.serve_dns(&record.id.to_string(), sockets, upstream)?)
    }

    /// Puts a container into a further network: at once if it runs, and whenever it starts.
    pub async fn connect_container(
        &self,
        name: &str,
        network: &Network,
        settings: EndpointSettings,
    ) -> Result<()> {
        let container = self.container(name).await?;
        let turn = container.turn().await;
        let mut record = container.record().as_ref().clone();
        match NetworkMode::of(&record.host_config) {
            NetworkMode::Host | NetworkMode::Container(_) => {
                return Err(Error::bad_parameter(
                    "container sharing network namespace with another container or host cannot be connected to any \
                     other network",
                ));
            }
            NetworkMode::Default | NetworkMode::None | NetworkMode::Named(_) => {}
        }
        if record.networks.contains_key(&network.name) {
            return Err(Error::forbidden(format!(
                "endpoint with name {} already exists in network {}",
                record.name, network.name
            )));
        }
        record.networks.remove("none");
        record
            .networks
            .insert(network.name.clone(), settings.clone());
        if let Some(shim) = container.shim() {
            let connected = self.connect_running(&container, &shim, &record, network, &settings);
            match connected.await {
                // What ends it takes its networks away as well, and a start gives it all of them.
                Err(error) if has_ended(&shim) => tracing::debug!(%error, "ended meanwhile"),
                connected => connected?,
            }
        }
        container.set_record(record);
        let saved = self.save(&container).await;
        drop(turn);
        saved
    }

    async fn connect_running(
        &self,
        container: &super::Container,
        shim: &Shim,
        record: &Record,
        network: &Network,
        settings: &EndpointSettings,
    ) -> Result<()> {
        let namespace = Namespace::open(&shim.network_namespace())?;
        let had_names = container
            .condition()
            .endpoints
            .iter()
            .any(|endpoint| !endpoint.names.is_empty());
        let endpoint = self
            .connect(record, network, settings, &namespace, None)
            .await?;
        if !network.is_default && !had_names {
            self.open_dns(record, shim, &namespace).await?;
        }
        let condition = container.change(|condition| {
            let (id, name) = (network.id.clone(), network.name.clone());
            condition.network_names.insert(id.clone(), name);
            condition.addresses.insert(id, endpoint.address);
            condition.endpoints.push(endpoint);
        });
        let files = Files::new(self.settings(), &container.id.to_string());
        files::write(&files, record, self.settings(), &condition.endpoints)
    }

    /// Takes a container out of a network.
    pub async fn disconnect_container(&self, name: &str, network: &Network) -> Result<()> {
        let container = self.container(name).await?;
        let turn = container.turn().await;
        let mut record = container.record().as_ref().clone();
        if record.networks.remove(&network.name).is_none() {
            return Err(Error::forbidden(format!(
                "container {} is not connected to network {}",
                container.id, network.name
            )));
        }
        if let Some(shim) = container.shim() {
            let disconnected = self.disconnect_running(&container, &shim, &record, network);
            match disconnected.await {
                Err(error) if has_ended(&shim) => tracing::debug!(%error, "ended meanwhile"),
                disconnected => disconnected?,
            }
        }
        container.set_record(record);
        let saved = self.save(&container).await;
        drop(turn);
        saved
    }

    async fn disconnect_running(
        &self,
        container: &super::Container,
        shim: &Shim,
        record: &Record,
        network: &Network,
    ) -> Result<()> {
        let id = container.id.to_string();
        let namespace = Namespace::open(&shim.network_namespace())?;
        self.networks()
            .await?
            .detach(&id, &network.id, &namespace)
            .await?;
        self.tell_of_network("disconnect", network, &id);
        let condition = container.change(|condition| {
            condition
                .endpoints
                .retain(|endpoint| endpoint.network != network.id);
        });
        let files = Files::new(self.settings(), &id);
        files::write_hosts(&files, record, &condition.endpoints)
    }

    fn tell_of_network(&self, action: &str, network: &Network, id: &str) {
        if let Ok(record) = self.find_network_record(&network.id) {
            self.network_event(action, &record, Some(id));
        }
    }

    /// The network namespace of a container that runs, for whoever reads its counters.
    pub fn network_namespace_of(&self, container: &super::Container) -> Option<std::path::PathBuf> {
        container.shim().map(|shim| shim.network_namespace())
    }
}

/// Whether a container has ended, though nobody here may have been told yet.
pub(super) fn has_ended(shim: &Shim) -> bool {
    matches!(shim.phase(), Phase::Exited(_)) || !shim.network_namespace().exists()
}

/// What others find a container by: its name first, which is what a look-up of its address answers.
fn names(record: &Record, settings: &EndpointSettings) -> Vec<String> {
    let mut names = vec![record.name.clone()];
    let aliases = settings.aliases.iter().flatten().cloned();
    let more = aliases.chain([record.id.short()]);
    for name in more.chain([record.config.hostname.clone()]) {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn external(record: &Record, error: &network::Error) -> Error {
    Error::internal(format!(
        "failed to set up container networking: driver failed programming external connectivity on endpoint {} ({}): \
         {}",
        record.name,
        record.id,
        crate::error::with_causes(error)
    ))
}
