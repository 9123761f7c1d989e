//! Which events a client asked for: the filters of `docker events`. Pure.

use model::api::event::Event;
use model::api::filter::{Filters, InvalidFilters};

use super::Kind;

const KNOWN: &[&str] = &[
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "secret",
    "service",
    "type",
    "volume",
];

/// Actions that carry a text after their name, so that the name alone must find them.
const CARRYING: &[&str] = &["exec_create", "exec_start", "exec_die", "health_status"];

/// The events that are wanted.
#[derive(Debug, Clone, Default)]
pub struct Selection(Filters);

impl Selection {
    /// Reads the filters of a request.
    pub fn of(filters: Filters) -> Result<Self, InvalidFilters> {
        filters.accept(KNOWN)?;
        Ok(Self(filters))
    }

    /// Whether `event` is wanted.
    pub fn wants(&self, event: &Event) -> bool {
        let filters = &self.0;
        if filters.is_empty() {
            return true;
        }
        filters.any("event", |wanted| action(wanted, &event.action))
            && filters.exact("type", &event.kind)
            && filters.exact("scope", &event.scope)
            && self.wants_object("container", event)
            && self.wants_object("volume", event)
            && self.wants_object("network", event)
            && self.wants_object("daemon", event)
            && ["config", "node", "plugin", "secret", "service"]
                .iter()
                .all(|kind| !filters.contains(kind))
            && self.wants_image(event)
            && filters.labels("label", &event.actor.attributes)
    }

    /// `container=web`: whatever carries that id or name, or begins with it.
    fn wants_object(&self, kind: &str, event: &Event) -> bool {
        let name = event.actor.attributes.get("name");
        let begins = |text: &String| self.0.any(kind, |wanted| text.starts_with(wanted));
        begins(&event.actor.id)
            || name.is_some_and(begins)
            // A container's connecting to a network is told about the network, and names the container.
            || (kind == "container"
                && event.kind == Kind::Network.as_str()
                && (event.actor.attributes.get("container")).is_some_and(begins))
    }

    /// `image=nginx`: the image itself and its containers, with or without the tag.
    fn wants_image(&self, event: &Event) -> bool {
        let attribute = if event.kind == Kind::Image.as_str() {
            "name"
        } else {
            "image"
        };
        let name = event.actor.attributes.get(attribute);
        let names = [Some(event.actor.id.as_str()), name.map(String::as_str)];
        self.0.any("image", |wanted| {
            (names.iter().flatten()).any(|name| *name == wanted || without_tag(name) == wanted)
        })
    }
}

fn action(wanted: &str, action: &str) -> bool {
    action == wanted || (CARRYING.contains(&wanted) && action.starts_with(wanted))
}

/// `registry:5000/a/b` of `registry:5000/a/b:tag@digest`.
fn without_tag(reference: &str) -> &str {
    let name = reference
        .split_once('@')
        .map_or(reference, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use model::api::Labels;
    use model::api::event::Event;
    use model::api::filter::Filters;

    use super::super::Kind;
    use super::{Selection, without_tag};

    fn event(kind: Kind, action: &str, id: &str, attributes: &[(&str, &str)]) -> Event {
        let attributes: Labels = attributes
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        super::super::event(kind, action, id, attributes, Timestamp::UNIX_EPOCH)
    }

    #[track_caller]
    fn check(filters: &str, event: &Event, expect: bool) {
        let filters = Filters::parse(filters).unwrap();
        assert_eq!(Selection::of(filters).unwrap().wants(event), expect);
    }

    #[test]
    fn filters_select() {
        let start = event(
            Kind::Container,
            "start",
            "c0ffee",
            &[("image", "nginx:1"), ("name", "web"), ("tier", "front")],
        );
        check("{}", &start, true);
        check(r#"{"event":["start","die"]}"#, &start, true);
        check(r#"{"event":["die"]}"#, &start, false);
        check(r#"{"type":["container"]}"#, &start, true);
        check(r#"{"type":["image"]}"#, &start, false);
        check(r#"{"container":["web"]}"#, &start, true);
        check(r#"{"container":["c0f"]}"#, &start, true);
        check(r#"{"container":["db"]}"#, &start, false);
        check(r#"{"image":["nginx"]}"#, &start, true);
        check(r#"{"image":["nginx:1"]}"#, &start, true);
        check(r#"{"image":["nginx:2"]}"#, &start, false);
        check(r#"{"label":["tier=front"]}"#, &start, true);
        check(r#"{"label":["tier=back"]}"#, &start, false);
        check(r#"{"scope":["swarm"]}"#, &start, false);
        check(r#"{"service":["x"]}"#, &start, false);

        let health = event(Kind::Container, "health_status: healthy", "c0ffee", &[]);
        check(r#"{"event":["health_status"]}"#, &health, true);
        check(r#"{"event":["health"]}"#, &health, false);

        let connect = event(
            Kind::Network,
            "connect",
            "beef",
            &[("name", "lab"), ("container", "c0ffee")],
        );
        check(r#"{"network":["lab"]}"#, &connect, true);
        check(r#"{"container":["c0ffee"]}"#, &connect, true);

        assert!(Selection::of(Filters::parse(r#"{"x":["y"]}"#).unwrap()).is_err());
    }

    #[test]
    fn a_port_is_no_tag() {
        assert_eq!(without_tag("nginx:1"), "nginx");
        assert_eq!(without_tag("host:5000/nginx"), "host:5000/nginx");
        assert_eq!(without_tag("host:5000/nginx:1"), "host:5000/nginx");
        assert_eq!(without_tag("nginx@sha256:ab"), "nginx");
    }
}
