//! `ps`.

use client::Request;
use jiff::Timestamp;
use serde_json::Value;

use super::filters;
use crate::args::container::Ls;
use crate::failure::Failure;
use crate::output;
use crate::output::field::{joined, list, map, number, text};
use crate::output::listing::{Field, Listing, Row, render};
use crate::output::units::{ago, ellipsis, float, short_id, size};
use crate::session::Session;

const HEADERS: &[Field] = &[
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Ports", "PORTS"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Size", "SIZE"),
    ("Names", "NAMES"),
    ("Labels", "LABELS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Mounts", "MOUNTS"),
    ("Networks", "NETWORKS"),
];

const TABLE: &str =
    "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Ls) -> Result<(), Failure> {
    let format = raw
        .format
        .as_deref()
        .or_else(|| session.config.text("psFormat").filter(|_| !raw.quiet));
    let limit = if raw.latest {
        Some(1)
    } else {
        raw.last.filter(|&last| last > 0)
    };
    // A template that shows sizes needs them measured.
    let sizes = raw.size || format.is_some_and(|format| format.contains(".Size"));
    let request = Request::get("/containers/json")
        .flag("all", raw.all || raw.latest)
        .flag("size", sizes)
        .query_if("limit", limit.map(|limit| limit.to_string()))
        .query_if("filters", filters(&raw.filter)?);
    let found: Vec<Value> = session.client.send(request).await?.json().await?;
    let rows: Vec<Row> = found
        .iter()
        .map(|container| {
            row(
                container,
                raw.no_trunc,
                session.now(),
                &session.local_time(number(container, "Created")),
            )
        })
        .collect();
    let table = if raw.size {
        format!("{TABLE}\t{{{{.Size}}}}")
    } else {
        TABLE.to_owned()
    };
    let listing = Listing {
        format,
        table: &table,
        headers: HEADERS,
        quiet: raw.quiet.then_some("{{.ID}}"),
    };
    output::print(&render(&listing, &rows)?)
}

fn row(container: &Value, no_trunc: bool, now: Timestamp, created_at: &str) -> Row {
    let id = text(container, "Id");
    let labels = map(container, "Labels");
    let created = Timestamp::from_second(number(container, "Created")).unwrap_or(now);
    let mut row = Row::new([
        (
            "ID",
            if no_trunc {
                id.to_owned()
            } else {
                short_id(id)
            },
        ),
        ("Image", image(container, no_trunc)),
        ("Command", command(text(container, "Command"), no_trunc)),
        ("CreatedAt", created_at.to_owned()),
        ("RunningFor", ago(created, now)),
        ("Ports", ports(list(container, "Ports"))),
        ("State", text(container, "State").to_owned()),
        ("Status", text(container, "Status").to_owned()),
        ("Size", sizes(container)),
        ("Names", names(container, no_trunc)),
        ("Labels", joined(&labels)),
        ("LocalVolumes", local_volumes(container)),
        ("Mounts", mounts(container, no_trunc)),
        ("Networks", networks(container)),
    ]);
    row.labels = labels;
    row
}

fn image(container: &Value, no_trunc: bool) -> String {
    let image = text(container, "Image");
    if image.is_empty() {
        return "<no image>".to_owned();
    }
    if no_trunc {
        return image.to_owned();
    }
    // An id of an image that has lost its name is shown short.
    let digits = image.strip_prefix("sha256:").unwrap_or(image);
    if digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return short_id(image);
    }
    // A digest says nothing to people; what stands before it does.
    image
        .split_once("@sha256:")
        .map_or(image, |(name, _)| name)
        .to_owned()
}

fn command(command: &str, no_trunc: bool) -> String {
    let shown = if no_trunc {
        command.to_owned()
    } else {
        ellipsis(command, 20)
    };
    // Quoted as Go quotes.
    let mut quoted = String::from("\"");
    for character in shown.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other if other.is_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(other))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn names(container: &Value, no_trunc: bool) -> String {
    list(container, "Names")
        .iter()
        .filter_map(Value::as_str)
        .map(|name| name.trim_start_matches('/'))
        // A name with a slash in it is one that a link gives.
        .filter(|name| no_trunc || !name.contains('/'))
        .collect::<Vec<_>>()
        .join(",")
}

fn sizes(container: &Value) -> String {
    let own = size(float(number(container, "SizeRw")));
    match number(container, "SizeRootFs") {
        0 => own,
        whole => format!("{own} (virtual {})", size(float(whole))),
    }
}

fn local_volumes(container: &Value) -> String {
    list(container, "Mounts")
        .iter()
        .filter(|mount| text(mount, "Driver") == "local")
        .count()
        .to_string()
}

fn mounts(container: &Value, no_trunc: bool) -> String {
    list(container, "Mounts")
        .iter()
        .map(|mount| {
            let name = match text(mount, "Name") {
                "" => text(mount, "Source"),
                name => name,
            };
            if no_trunc {
                name.to_owned()
            } else {
                ellipsis(name, 15)
            }
        })
        .collect::<Vec<_>>()
        .join(",")
}

fn networks(container: &Value) -> String {
    let networks = container
        .pointer("/NetworkSettings/Networks")
        .and_then(Value::as_object);
    networks
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect::<Vec<_>>()
        .join(",")
}

/// Ports as Docker writes them: neighbours in one range, published ones with an arrow.
pub(crate) fn ports(ports: &[Value]) -> String {
    /// Neighbours that are alike: first and last port of the container, the host's first if there is one.
    struct Group {
        address: String,
        protocol: String,
        first: i64,
        last: i64,
        host: i64,
    }
    let mut sorted: Vec<(i64, String, i64, String)> = ports
        .iter()
        .map(|port| {
            (
                number(port, "PrivatePort"),
                text(port, "IP").to_owned(),
                number(port, "PublicPort"),
                text(port, "Type").to_owned(),
            )
        })
        .collect();
    sorted.sort();
    let mut groups: Vec<Group> = Vec::new();
    for (private, address, public, protocol) in sorted {
        let known = groups.iter().any(|group| {
            group.address == address
                && group.protocol == protocol
                && group.last == private
                && group.host + group.last - group.first == public
        });
        if known {
            continue;
        }
        let neighbour = groups.iter_mut().find(|group| {
            group.address == address
                && group.protocol == protocol
                && group.last + 1 == private
                && (group.host == 0) == (public == 0)
                && (public == 0 || group.host + (group.last - group.first) + 1 == public)
        });
        match neighbour {
            Some(group) => group.last = private,
            None => groups.push(Group {
                address,
                protocol,
                first: private,
                last: private,
                host: public,
            }),
        }
    }
    let range = |first: i64, last: i64| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    };
    let mut texts: Vec<String> = groups
        .iter()
        .map(|group| {
            let private = format!("{}/{}", range(group.first, group.last), group.protocol);
            if group.host == 0 {
                return private;
            }
            let address = if group.address.contains(':') {
                format!("[{}]", group.address)
            } else {
                group.address.clone()
            };
            let host = range(group.host, group.host + group.last - group.first);
            format!("{address}:{host}->{private}")
        })
        .collect();
    texts.dedup();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{command, image, ports};

    #[track_caller]
    fn check(list: serde_json::Value, expect: &str) {
        assert_eq!(ports(list.as_array().unwrap()), expect);
    }

    #[test]
    fn ports_are_ranges_and_arrows() {
        check(json!([]), "");
        check(json!([{"PrivatePort": 80, "Type": "tcp"}]), "80/tcp");
        check(
            json!([
                {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
                {"IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
            ]),
            "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp",
        );
        check(
            json!([
                {"IP": "0.0.0.0", "PrivatePort": 81, "PublicPort": 8081, "Type": "tcp"},
                {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
                {"PrivatePort": 82, "Type": "tcp"},
                {"PrivatePort": 83, "Type": "tcp"},
            ]),
            "0.0.0.0:8080-8081->80-81/tcp, 82-83/tcp",
        );
    }

    #[test]
    fn commands_are_quoted_and_cut() {
        assert_eq!(
            command("sh -c 'echo \"x\"'", false),
            "\"sh -c 'echo \\\"x\\\"'\""
        );
        assert_eq!(
            command("a very long command indeed", false),
            "\"a very long command…\""
        );
    }

    #[test]
    fn images_without_a_name_are_short() {
        let id = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(image(&json!({"Image": id}), false), "abababababab");
        assert_eq!(image(&json!({"Image": "redis:7"}), false), "redis:7");
        assert_eq!(image(&json!({"Image": ""}), false), "<no image>");
    }
}
