//! The filters of the list of containers. Pure: the facts about each container are handed in.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::api::filter::{Filters, InvalidFilters};
use model::port::{Port, Protocol};

use super::{Patterns, beginning, invalid, single};

const KNOWN: &[&str] = &[
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];

const STATES: &[&str] = &[
    "created",
    "restarting",
    "running",
    "removing",
    "paused",
    "exited",
    "dead",
];

const HEALTH: &[&str] = &["none", "starting", "healthy", "unhealthy"];

/// Which containers a client wants to see.
#[derive(Debug, Clone, Default)]
pub struct ContainerFilter {
    filters: Filters,
    names: Patterns,
    exited: Vec<i64>,
    tasks: Option<bool>,
    ports: PortFilter,
}

#[derive(Debug, Clone, Default)]
struct PortFilter {
    given: bool,
    published: Vec<(Protocol, u16, u16)>,
    exposed: Vec<(Protocol, u16, u16)>,
}

/// What the filters look at in one container.
#[derive(Debug, Clone)]
pub struct ContainerFacts<'a> {
    /// The whole id.
    pub id: &'a str,
    /// The name, with or without its slash.
    pub name: &'a str,
    /// Its labels, the image's included.
    pub labels: &'a BTreeMap<String, String>,
    /// `running`, `exited`, …
    pub state: &'a str,
    /// `healthy`, …; `none` or nothing without a health check.
    pub health: &'a str,
    /// How it ended, if it ever ran and does not now.
    pub exit_code: Option<i64>,
    /// The id of its image.
    pub image_id: &'a str,
    /// When it was made.
    pub created: Timestamp,
    /// Names, sources and destinations of its mounts, in any order.
    pub mounts: Vec<&'a str>,
    /// Names and ids of its networks, in any order.
    pub networks: Vec<&'a str>,
    /// Its ports: inside, and outside where published.
    pub ports: Vec<(Port, Option<u16>)>,
}

/// What the filters' values stand for, looked up by the caller where they name other objects.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The ids of the images that `ancestor` names and of all that are built on them.
    pub ancestors: BTreeSet<String>,
    /// When the container that `before` names was made.
    pub before: Option<Timestamp>,
    /// When the container that `since` names was made.
    pub since: Option<Timestamp>,
}

impl ContainerFilter {
    /// Reads the filters of a request.
    pub fn of(filters: Filters) -> Result<Self, InvalidFilters> {
        filters.accept(KNOWN)?;
        one_of(&filters, "status", STATES)?;
        one_of(&filters, "health", HEALTH)?;
        let exited = filters
            .values("exited")
            .map(|value| value.parse().map_err(|_| invalid("exited", value)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            names: Patterns::of(&filters, "name")?,
            exited,
            tasks: filters.flag("is-task")?,
            ports: PortFilter {
                given: filters.contains("publish") || filters.contains("expose"),
                published: ports(&filters, "publish")?,
                exposed: ports(&filters, "expose")?,
            },
            filters,
        })
    }

    /// Whether containers that do not run are wanted though the client did not ask for all: by their state.
    pub fn wants_stopped(&self) -> bool {
        self.filters.contains("status")
    }

    /// The images named by `ancestor`.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        self.filters.values("ancestor")
    }

    /// The container that all shown ones are older than.
    pub fn before(&self) -> Result<Option<&str>, InvalidFilters> {
        single(&self.filters, "before")
    }

    /// The container that all shown ones are younger than.
    pub fn since(&self) -> Result<Option<&str>, InvalidFilters> {
        single(&self.filters, "since")
    }

    /// Whether nothing is filtered.
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Whether this container is wanted.
    pub fn wants(&self, facts: &ContainerFacts<'_>, context: &Context) -> bool {
        let filters = &self.filters;
        if filters.is_empty() {
            return true;
        }
        let name = facts.name.trim_start_matches('/');
        let health = if facts.health.is_empty() {
            "none"
        } else {
            facts.health
        };
        beginning(filters, "id", facts.id)
            && (self.names.matches(name) || self.names.matches(&format!("/{name}")))
            && filters.exact("status", facts.state)
            && filters.exact("health", health)
            && (self.exited.is_empty()
                || facts.exit_code.is_some_and(|code| self.exited.contains(&code)))
            && filters.labels("label", facts.labels)
            && (!filters.contains("ancestor") || context.ancestors.contains(facts.image_id))
            && context.before.is_none_or(|before| facts.created < before)
            && context.since.is_none_or(|since| facts.created > since)
            && filters.any("volume", |wanted| facts.mounts.contains(&wanted))
            && filters.any("network", |wanted| network(wanted, &facts.networks))
            // No container here belongs to a swarm's task.
            && self.tasks != Some(true)
            && self.ports.wants(&facts.ports)
    }
}

impl PortFilter {
    fn wants(&self, ports: &[(Port, Option<u16>)]) -> bool {
        let within = |ranges: &[(Protocol, u16, u16)], protocol: Protocol, number: u16| {
            ranges
                .iter()
                .any(|(of, first, last)| *of == protocol && (*first..=*last).contains(&number))
        };
        !self.given
            || ports.iter().any(|(port, published)| {
                published.is_some_and(|number| within(&self.published, port.protocol, number))
                    || within(&self.exposed, port.protocol, port.number)
            })
    }
}

/// A network's name, or the beginning of its id, as far as that is not just a letter or two.
fn network(wanted: &str, networks: &[&str]) -> bool {
    networks.iter().any(|network| {
        *network == wanted
            || (wanted.len() >= 3 && network.len() == 64 && network.starts_with(wanted))
    })
}

fn one_of(filters: &Filters, name: &str, known: &[&str]) -> Result<(), InvalidFilters> {
    match filters.values(name).find(|value| !known.contains(value)) {
        Some(value) => Err(invalid(name, value)),
        None => Ok(()),
    }
}

/// `80`, `80/udp`, `80-90/tcp`.
fn ports(filters: &Filters, name: &str) -> Result<Vec<(Protocol, u16, u16)>, InvalidFilters> {
    filters
        .values(name)
        .map(|value| {
            let (range, protocol) = value.split_once('/').unwrap_or((value, "tcp"));
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            match (protocol.parse(), first.parse(), last.parse()) {
                (Ok(protocol), Ok(first), Ok(last)) if first <= last => Ok((protocol, first, last)),
                _ => Err(invalid(name, value)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use model::port::{Port, Protocol};

    use super::{ContainerFacts, ContainerFilter, Context};
    use model::api::filter::Filters;

    #[track_caller]
    fn check(filters: &str, expect: bool) {
        let labels = BTreeMap::from([("tier".to_owned(), "front".to_owned())]);
        let moment = Timestamp::from_second(10).unwrap();
        let network_id = "ab".repeat(32);
        let facts = ContainerFacts {
            id: "c0ffee01",
            name: "/web-1",
            labels: &labels,
            state: "exited",
            health: "",
            exit_code: Some(3),
            image_id: "sha256:1",
            created: moment,
            mounts: vec!["data", "/var/lib/data"],
            networks: vec!["lab", &network_id],
            ports: vec![(
                Port {
                    protocol: Protocol::Tcp,
                    number: 80,
                },
                Some(8000),
            )],
        };
        let context = Context {
            ancestors: ["sha256:1".to_owned()].into(),
            before: None,
            since: None,
        };
        let filter = ContainerFilter::of(Filters::parse(filters).unwrap()).unwrap();
        assert_eq!(filter.wants(&facts, &context), expect, "{filters}");
        let young = Context {
            since: Some(moment),
            ..context.clone()
        };
        let old = Context {
            before: Some(moment),
            ..context
        };
        if !filter.is_empty() {
            assert!(!filter.wants(&facts, &young) && !filter.wants(&facts, &old));
        }
    }

    #[test]
    fn containers_are_filtered() {
        check("{}", true);
        check(r#"{"id":["c0"]}"#, true);
        check(r#"{"id":["ff"]}"#, false);
        check(r#"{"name":["web"]}"#, true);
        check(r#"{"name":["^/web-1$"]}"#, true);
        check(r#"{"name":["^web-1$"]}"#, true);
        check(r#"{"name":["^eb"]}"#, false);
        check(r#"{"status":["exited","running"]}"#, true);
        check(r#"{"status":["running"]}"#, false);
        check(r#"{"exited":["3"]}"#, true);
        check(r#"{"exited":["0"]}"#, false);
        check(r#"{"health":["none"]}"#, true);
        check(r#"{"label":["tier=front"]}"#, true);
        check(r#"{"ancestor":["nginx"]}"#, true);
        check(r#"{"volume":["data"]}"#, true);
        check(r#"{"volume":["/var/lib/data"]}"#, true);
        check(r#"{"volume":["other"]}"#, false);
        check(r#"{"network":["lab"]}"#, true);
        check(r#"{"network":["abab"]}"#, true);
        check(r#"{"network":["la"]}"#, false);
        check(r#"{"publish":["8000"]}"#, true);
        check(r#"{"publish":["80"]}"#, false);
        check(r#"{"expose":["70-90/tcp"]}"#, true);
        check(r#"{"expose":["80/udp"]}"#, false);
        check(r#"{"is-task":["true"]}"#, false);
    }

    #[test]
    fn values_are_checked() {
        for (filters, text) in [
            (r#"{"status":["ran"]}"#, "invalid filter 'status=ran'"),
            (r#"{"exited":["x"]}"#, "invalid filter 'exited=x'"),
            (r#"{"publish":["9-8"]}"#, "invalid filter 'publish=9-8'"),
            (r#"{"nome":["x"]}"#, "invalid filter 'nome'"),
        ] {
            let error = ContainerFilter::of(Filters::parse(filters).unwrap()).unwrap_err();
            assert_eq!(error.to_string(), text);
        }
    }
}
