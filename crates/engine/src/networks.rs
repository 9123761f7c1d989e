//! Networks as the API shows them: what is stored of each, what it is called, who is in it.
//!
//! The `network` crate makes and removes bridges and knows endpoints; it is opened when the containers that still
//! run have been found again, and what needs it waits for that. Here are the names, labels and options, and the three networks that are
//! always there: `bridge`, `host` and `none`.

mod record;
mod refuse;
mod table;
mod users;

use std::sync::Arc;

use model::api::Labels;
use model::api::filter::Filters;
use model::api::network::{Connect, Create, Created, Disconnect, Inspect, Pruned};
use network::{AddressPlan, NewNetwork, Restored, RestoredContainer};

use crate::Engine;
use crate::error::{Error, Kind, Result};
use crate::event;
use crate::filter::network::{NetworkFacts, NetworkFilter};
use crate::filter::prune::{PruneFilter, Pruned as Resource};
use crate::moment;
use crate::state::{Change, Table};
pub use record::Record;
pub use table::NetworkTable;

impl Engine {
    /// The networks beneath; opened the first time, with the containers that run. Until then nothing of the
    /// computer's network is touched.
    pub async fn networks(&self) -> Result<&network::Networks> {
        let opened = &self.inner.networks.opened;
        let open = || async {
            self.ready().await;
            self.try_open_networks(self.connected_containers()).await
        };
        opened.get_or_try_init(open).await
    }

    /// The networks beneath, if they are open now.
    pub(crate) fn opened_networks(&self) -> Option<&network::Networks> {
        self.inner.networks.opened.get()
    }

    async fn try_open_networks(
        &self,
        running: Vec<RestoredContainer>,
    ) -> Result<network::Networks> {
        let table = &self.inner.networks;
        let settings = table::settings(self.settings(), &table.default_id())?;
        let restored = Restored {
            networks: table.bridges(),
            containers: running,
        };
        let opened = network::Networks::open(settings, restored).await?;
        // The default network's addresses are known only now.
        let default = opened.list().into_iter().find(|network| network.is_default);
        if let Some(record) = default.and_then(|default| table.resolve_default(default)) {
            let change = Change::put(Table::Networks, &record.id, &*record)?;
            self.state().commit_soon(vec![change]);
        }
        Ok(opened)
    }

    /// The network of this name, id, or beginning of an id.
    pub fn find_network_record(&self, wanted: &str) -> Result<Arc<Record>> {
        self.inner.networks.find(wanted)
    }

    /// The bridge network of this name, id, or beginning of an id, to attach a container to.
    pub async fn find_network(&self, wanted: &str) -> Result<network::Network> {
        // What the default one came to is known only then.
        self.networks().await?;
        let record = self.find_network_record(wanted)?;
        record.bridge.clone().ok_or_else(|| {
            Error::bad_parameter(format!(
                "container cannot be connected to network {}: it is no bridge",
                record.name
            ))
        })
    }

    /// Makes a network.
    pub async fn create_network(&self, create: Create) -> Result<Created> {
        refuse::unusable(&create)?;
        let networks = self.networks().await?;
        let table = &self.inner.networks;
        let _turn = table.turn.lock().await;
        if table.by_name(&create.name).is_some() {
            return Err(Error::conflict(format!(
                "network with name {} already exists",
                create.name
            )));
        }
        let id = table::new_id()?;
        let network = networks.create(wanted(&id, &create)).await?;
        let record = Record {
            id: id.clone(),
            name: create.name.clone(),
            created: moment::now(),
            asked: Create {
                driver: "bridge".to_owned(),
                ..create
            },
            bridge: Some(network),
        };
        let change = Change::put(Table::Networks, &id, &record)?;
        if let Err(error) = self.state().commit(vec![change]).await {
            if let Err(left) = networks.remove(&id).await {
                tracing::error!(%left, id, "a network is left behind whose record could not be written");
            }
            return Err(error);
        }
        let record = Arc::new(record);
        table.insert(Arc::clone(&record));
        self.network_event("create", &record, None);
        Ok(Created {
            id,
            warning: String::new(),
        })
    }

    /// All networks that the filters want, by name; without their containers.
    pub fn list_networks(&self, filters: Filters) -> Result<Vec<Inspect>> {
        let filter = NetworkFilter::of(filters)?;
        let records = self.inner.networks.all().into_iter();
        let wanted = records.filter(|record| filter.wants(&self.facts(record)));
        Ok(wanted.map(|record| record.inspect()).collect())
    }

    /// One network, with its containers.
    pub fn inspect_network(&self, wanted: &str) -> Result<Inspect> {
        let record = self.find_network_record(wanted)?;
        let mut inspect = record.inspect();
        for endpoint in self.endpoints_in(&record.id) {
            let name = self.container_name(&endpoint.container).unwrap_or_default();
            inspect.containers.insert(
                endpoint.container.clone(),
                record::resource(name, &endpoint),
            );
        }
        Ok(inspect)
    }

    /// Removes a network that no container is in.
    pub async fn remove_network(&self, wanted: &str) -> Result<()> {
        let record = self.find_network_record(wanted)?;
        if record.is_predefined() {
            return Err(Error::forbidden(format!(
                "{} is a pre-defined network and cannot be removed",
                record.name
            )));
        }
        let _turn = self.inner.networks.turn.lock().await;
        self.remove_record(&record).await
    }

    /// Puts a container into a network, now if it runs, and whenever it does from now on.
    pub async fn connect_network(&self, wanted: &str, connect: Connect) -> Result<()> {
        let record = self.find_network_record(wanted)?;
        let Some(network) = &record.bridge else {
            return Err(refuse::connecting(&record.name));
        };
        let settings = connect.endpoint_config.unwrap_or_default();
        self.connect_container(&connect.container, network, settings)
            .await
    }

    /// Takes a container out of a network, for good.
    pub async fn disconnect_network(&self, wanted: &str, disconnect: Disconnect) -> Result<()> {
        let record = self.find_network_record(wanted)?;
        let Some(network) = &record.bridge else {
            return Err(refuse::disconnecting(&record.name));
        };
        self.disconnect_container(&disconnect.container, network)
            .await
    }

    /// Removes the networks that people made and no container is in.
    pub async fn prune_networks(&self, filters: Filters) -> Result<Pruned> {
        let filter = PruneFilter::of(filters, Resource::Networks, moment::now())?;
        let mut pruned = Pruned::default();
        for record in self.inner.networks.all() {
            let labels = record.labels();
            if record.is_predefined()
                || !filter.wants(labels, record.created)
                || self.is_network_used(&record)
            {
                continue;
            }
            let _turn = self.inner.networks.turn.lock().await;
            match self.remove_record(&record).await {
                Ok(()) => pruned
                    .networks_deleted
                    .get_or_insert_default()
                    .push(record.name.clone()),
                // A container came into it just now, or somebody else removed it.
                Err(error) if matches!(error.kind(), Kind::Forbidden | Kind::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        let attributes = Labels::from([("reclaimed".to_owned(), "0".to_owned())]);
        self.event_bus()
            .publish(event::Kind::Network, "prune", "", attributes);
        Ok(pruned)
    }

    /// Tells that something happened to a network: `connect` and `disconnect` name a container.
    pub(crate) fn network_event(&self, action: &str, record: &Record, container: Option<&str>) {
        let mut attributes = Labels::from([
            ("name".to_owned(), record.name.clone()),
            ("type".to_owned(), record.asked.driver.clone()),
        ]);
        if let Some(container) = container {
            attributes.insert("container".to_owned(), container.to_owned());
        }
        self.event_bus()
            .publish(event::Kind::Network, action, &record.id, attributes);
    }

    /// Removes a network; the caller has the turn.
    async fn remove_record(&self, record: &Record) -> Result<()> {
        self.networks().await?.remove(&record.id).await?;
        let change = Change::remove(Table::Networks, &record.id);
        self.inner.networks.remove(&record.id);
        self.state().commit(vec![change]).await?;
        self.network_event("destroy", record, None);
        Ok(())
    }

    fn facts<'a>(&self, record: &'a Record) -> NetworkFacts<'a> {
        NetworkFacts {
            id: &record.id,
            name: &record.name,
            driver: &record.asked.driver,
            labels: record.labels(),
            predefined: record.is_predefined(),
            in_use: self.is_network_used(record),
        }
    }

    /// The endpoints in a network; none as long as the networks are not open.
    fn endpoints_in(&self, id: &str) -> Vec<network::Endpoint> {
        let opened = self.opened_networks();
        opened.map_or_else(Vec::new, |networks| networks.endpoints(id))
    }
}

/// What the network crate is asked for.
fn wanted(id: &str, create: &Create) -> NewNetwork {
    let addresses = create
        .ipam
        .iter()
        .flat_map(|ipam| ipam.config.iter().flatten());
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    NewNetwork {
        id: id.to_owned(),
        name: create.name.clone(),
        internal: create.internal,
        options: create.options.clone().unwrap_or_default(),
        addresses: addresses
            .map(|config| AddressPlan {
                subnet: given(&config.subnet),
                ip_range: given(&config.ip_range),
                gateway: given(&config.gateway),
                auxiliary: config.auxiliary_addresses.clone(),
            })
            .collect(),
    }
}

impl From<network::Error> for Error {
    fn from(error: network::Error) -> Self {
        let kind = match error.kind() {
            network::ErrorKind::NotFound => Kind::NotFound,
            network::ErrorKind::BadParameter => Kind::BadParameter,
            network::ErrorKind::Forbidden => Kind::Forbidden,
            network::ErrorKind::Conflict => Kind::Conflict,
            network::ErrorKind::NotImplemented => Kind::NotImplemented,
            network::ErrorKind::Internal => Kind::Internal,
        };
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(below) = cause {
            message.push_str(": ");
            message.push_str(&below.to_string());
            cause = below.source();
        }
        Self::new(kind, message).because(error)
    }
}
