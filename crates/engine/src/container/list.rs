//! Containers as a list shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::api::container::{ListOptions, Port, Summary, SummaryHostConfig, SummaryNetworks};
use model::time::Timestamp;

use super::{Condition, Container, Record, moment, show, status, to_jiff};
use crate::Engine;
use crate::error::Result;
use crate::filter::container::{ContainerFacts, ContainerFilter, Context};
use crate::resolve::spec::Files;
use crate::resolve::{config, ports};

impl Engine {
    /// Containers as a list shows them, newest first.
    pub async fn list_containers(&self, options: &ListOptions) -> Result<Vec<Summary>> {
        self.ready().await;
        let filter = ContainerFilter::of(options.filters.clone())?;
        let context = self.filter_context(&filter)?;
        let mut containers: Vec<(Arc<Container>, Arc<Record>, Arc<Condition>)> = self
            .containers()
            .all()
            .into_iter()
            .map(|container| {
                let (record, condition) = (container.record(), container.condition());
                (container, record, condition)
            })
            .collect();
        containers.sort_by(|(_, one, _), (_, other, _)| {
            other.created.cmp(&one.created).then(one.id.cmp(&other.id))
        });
        let all = options.all || options.limit.is_some() || filter.wants_stopped();
        let limit = options
            .limit
            .filter(|limit| *limit > 0)
            .unwrap_or(usize::MAX);
        let now = moment();
        let mut list = Vec::new();
        for (container, record, condition) in containers {
            if list.len() >= limit {
                break;
            }
            let shown =
                all || condition.phase.is_running() || condition.phase == super::Phase::Restarting;
            if !shown || (!filter.is_empty() && !wants(&filter, &record, &condition, &context)) {
                continue;
            }
            let mut summary = summary(&record, &condition, now);
            if options.size {
                let (written, whole) = self.sizes(&container).await;
                summary.size_rw = Some(written);
                summary.size_root_fs = Some(whole);
            }
            list.push(summary);
        }
        Ok(list)
    }

    /// What the filters that name other objects stand for.
    fn filter_context(&self, filter: &ContainerFilter) -> Result<Context> {
        let created = |name: Option<&str>| {
            let found = name.map(|name| self.containers().find(name));
            let found = found.transpose()?;
            Ok::<_, crate::error::Error>(found.map(|found| to_jiff(found.record().created)))
        };
        let mut ancestors = BTreeSet::new();
        for name in filter.ancestors() {
            ancestors.extend(self.image_and_descendants(name));
        }
        Ok(Context {
            ancestors,
            before: created(filter.before()?)?,
            since: created(filter.since()?)?,
        })
    }

    /// How much a container wrote, and that with its image; in bytes.
    pub(super) async fn sizes(&self, container: &Container) -> (i64, i64) {
        let record = container.record();
        let upper = Files::new(self.settings(), &record.id.to_string()).upper();
        let written =
            tokio::task::spawn_blocking(move || crate::volumes::size_of(&upper).unwrap_or(0));
        let written = written.await.unwrap_or(0);
        let layers = self.layers_size(&record.layers);
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        (signed(written), signed(written.saturating_add(layers)))
    }
}

fn wants(
    filter: &ContainerFilter,
    record: &Record,
    condition: &Condition,
    context: &Context,
) -> bool {
    let id = record.id.to_string();
    let none = BTreeMap::new();
    let mounts = record.mounts.iter().flat_map(|point| {
        [&point.name, &point.source, &point.destination]
            .into_iter()
            .filter(|text| !text.is_empty())
            .map(String::as_str)
    });
    let networks = record.networks.keys().map(String::as_str);
    let ids = condition
        .endpoints
        .iter()
        .map(|endpoint| endpoint.network.as_str());
    let exposed = ports::exposed(&record.config).unwrap_or_default();
    let exposed = exposed.into_iter().map(|port| (port, None));
    let published = condition
        .ports
        .iter()
        .map(|binding| (binding.container, Some(binding.host_port)));
    let health = condition
        .health
        .as_ref()
        .map(|health| health.status.as_str());
    let ended = !condition.phase.is_running() && condition.finished_at.is_some();
    let facts = ContainerFacts {
        id: &id,
        name: &record.name,
        labels: record.config.labels.as_ref().unwrap_or(&none),
        state: condition.phase.as_str(),
        health: health.unwrap_or_default(),
        exit_code: ended.then_some(condition.exit_code),
        image_id: &record.image,
        created: to_jiff(record.created),
        mounts: mounts.collect(),
        networks: networks.chain(ids).collect(),
        ports: published.chain(exposed).collect(),
    };
    filter.wants(&facts, context)
}

fn summary(record: &Record, condition: &Condition, now: Timestamp) -> Summary {
    Summary {
        id: record.id.to_string(),
        names: vec![format!("/{}", record.name)],
        image: record.config.image.clone(),
        image_id: record.image.clone(),
        command: command(record),
        created: i64::try_from(record.created.as_nanos() / 1_000_000_000).unwrap_or(0),
        ports: port_list(record, condition),
        size_rw: None,
        size_root_fs: None,
        labels: record.config.labels.clone().unwrap_or_default(),
        state: condition.phase.as_str().to_owned(),
        status: status::text(condition, now),
        host_config: SummaryHostConfig {
            network_mode: record.host_config.network_mode.clone(),
            annotations: record.host_config.annotations.clone(),
        },
        network_settings: SummaryNetworks {
            networks: show::networks(record, condition),
        },
        mounts: record.mounts.clone(),
    }
}

/// The command in one line, arguments with spaces in quotes.
fn command(record: &Record) -> String {
    let words = config::command(&record.config);
    let quoted = words.into_iter().enumerate().map(|(place, word)| {
        if place > 0 && word.contains([' ', '\t', '\n', '\'']) {
            format!("'{}'", word.replace('\'', "'\\''"))
        } else {
            word
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Published ports, and exposed ones that are not, of a container that runs.
fn port_list(record: &Record, condition: &Condition) -> Vec<Port> {
    if !condition.phase.is_running() {
        return Vec::new();
    }
    let published = condition.ports.iter().map(|binding| Port {
        ip: binding.host_address.to_string(),
        private_port: binding.container.number,
        public_port: binding.host_port,
        protocol: binding.container.protocol.to_string(),
    });
    let mut list: Vec<Port> = published.collect();
    for port in ports::exposed(&record.config).unwrap_or_default() {
        if !condition
            .ports
            .iter()
            .any(|binding| binding.container == port)
        {
            list.push(Port {
                ip: String::new(),
                private_port: port.number,
                public_port: 0,
                protocol: port.protocol.to_string(),
            });
        }
    }
    list.sort_unstable();
    list
}

#[cfg(test)]
mod tests {
    use model::api::text_list::TextList;

    use super::command;
    use crate::resolve::testing::record;

    #[test]
    fn a_command_is_one_line() {
        let mut record = record();
        let words = ["sh", "-c", "echo it's", "x"];
        record.config.cmd = Some(
            words
                .iter()
                .map(|&word| word.to_owned())
                .collect::<TextList>(),
        );
        assert_eq!(command(&record), r"sh -c 'echo it'\''s' x");
    }
}
