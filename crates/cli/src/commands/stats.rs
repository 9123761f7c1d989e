//! `stats`: what containers use, once or as a table that keeps up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use client::{Client, Request};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::container_path;
use crate::args::container::Stats;
use crate::failure::Failure;
use crate::output;
use crate::output::field::{list, number, text};
use crate::output::listing::{Field, Listing, Row, render};
use crate::output::units::{binary_size, float, short_id, size};
use crate::session::Session;
use crate::terminal::stdout_is_terminal;

/// How often the table is drawn.
const REFRESH: Duration = Duration::from_millis(500);

const HEADERS: &[Field] = &[
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];

const TABLE: &str = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";

/// A reading of a container, or the news that it has none any more.
enum News {
    Reading(String, Box<Value>),
    Ended(String),
    Failed(String, client::Error),
}

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Stats) -> Result<(), Failure> {
    let names = if raw.containers.is_empty() {
        ids(session, raw.all).await?
    } else {
        raw.containers.clone()
    };
    if raw.no_stream {
        return once(session, raw, &names).await;
    }
    let (sender, receiver) = mpsc::channel(64);
    let mut watchers = JoinSet::new();
    for name in &names {
        watchers.spawn(watch(
            Arc::clone(&session.client),
            name.clone(),
            sender.clone(),
        ));
    }
    // Where nobody is named, containers that start meanwhile are shown too.
    if raw.containers.is_empty() {
        watchers.spawn(watch_starts(Arc::clone(&session.client), sender.clone()));
    }
    drop(sender);
    keep_up(session, raw, names, receiver).await
}

async fn ids(session: &Session, all: bool) -> Result<Vec<String>, Failure> {
    let request = Request::get("/containers/json").flag("all", all);
    let found: Vec<Value> = session.client.send(request).await?.json().await?;
    Ok(found
        .iter()
        .map(|container| text(container, "Id").to_owned())
        .collect())
}

async fn once(session: &Session, raw: &Stats, names: &[String]) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let readings = names.iter().map(async |name| {
        let request = Request::get(container_path(name, "/stats")?).query("stream", "0");
        let reading: Value = session.client.send(request).await?.json().await?;
        Ok::<_, Failure>(reading)
    });
    for (name, reading) in names
        .iter()
        .zip(futures_util::future::join_all(readings).await)
    {
        rows.push(row(name, &reading?, raw.no_trunc));
    }
    output::print(&shown(session, raw, &rows)?)
}

async fn watch(client: Arc<Client>, name: String, news: mpsc::Sender<News>) {
    let Ok(path) = container_path(&name, "/stats") else {
        return;
    };
    let mut readings = match client.send(Request::get(path).query("stream", "1")).await {
        Ok(answer) => answer.messages(),
        Err(error) => {
            let _told = news.send(News::Failed(name, error)).await;
            return;
        }
    };
    while let Ok(Some(reading)) = readings.next::<Value>().await {
        if news
            .send(News::Reading(name.clone(), Box::new(reading)))
            .await
            .is_err()
        {
            return;
        }
    }
    let _told = news.send(News::Ended(name)).await;
}

/// Watches containers that start, each in turn by a watcher of its own.
async fn watch_starts(client: Arc<Client>, news: mpsc::Sender<News>) {
    let filters = r#"{"type":{"container":true},"event":{"start":true}}"#;
    let Ok(answer) = client
        .send(Request::get("/events").query("filters", filters))
        .await
    else {
        return;
    };
    let mut events = answer.messages();
    let mut watchers = JoinSet::new();
    while let Ok(Some(event)) = events.next::<Value>().await {
        let id = text(&event, "/Actor/ID").to_owned();
        watchers.spawn(watch(Arc::clone(&client), id, news.clone()));
        // Those that have ended are forgotten.
        while watchers.try_join_next().is_some() {}
    }
}

async fn keep_up(
    session: &Session,
    raw: &Stats,
    names: Vec<String>,
    mut news: mpsc::Receiver<News>,
) -> Result<(), Failure> {
    let mut order = names;
    let mut rows: BTreeMap<String, Row> = order
        .iter()
        .map(|name| (name.clone(), empty_row(name, raw.no_trunc)))
        .collect();
    let mut refresh = tokio::time::interval(REFRESH);
    refresh.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            told = news.recv() => match told {
                None => return Ok(()),
                Some(News::Reading(name, reading)) => {
                    if !rows.contains_key(&name) {
                        order.push(name.clone());
                    }
                    let row = row(&name, &reading, raw.no_trunc);
                    rows.insert(name, row);
                }
                Some(News::Ended(name)) => {
                    rows.remove(&name);
                    order.retain(|other| *other != name);
                    if order.is_empty() && !raw.containers.is_empty() {
                        return Ok(());
                    }
                }
                Some(News::Failed(name, error)) => {
                    if raw.containers.contains(&name) {
                        return Err(error.into());
                    }
                    rows.remove(&name);
                    order.retain(|other| *other != name);
                }
            },
            _ = refresh.tick() => {
                let now: Vec<Row> = order.iter().filter_map(|name| rows.get(name)).cloned().collect();
                let text = shown(session, raw, &now)?;
                output::print(&drawn(&text))?;
            }
        }
    }
}

/// On a terminal each drawing takes the place of the one before, without a flicker; elsewhere they follow one
/// another.
fn drawn(text: &str) -> String {
    if !stdout_is_terminal() {
        return text.to_owned();
    }
    let lines = text.replace('\n', "\x1b[K\n");
    format!("\x1b[H{lines}\x1b[J")
}

fn shown(session: &Session, raw: &Stats, rows: &[Row]) -> Result<String, Failure> {
    let listing = Listing {
        format: raw
            .format
            .as_deref()
            .or_else(|| session.config.text("statsFormat")),
        table: TABLE,
        headers: HEADERS,
        quiet: None,
    };
    render(&listing, rows)
}

fn empty_row(name: &str, no_trunc: bool) -> Row {
    Row::new([
        ("Container", name.to_owned()),
        (
            "ID",
            if no_trunc {
                name.to_owned()
            } else {
                short_id(name)
            },
        ),
        ("Name", "--".to_owned()),
        ("CPUPerc", "--".to_owned()),
        ("MemUsage", "-- / --".to_owned()),
        ("MemPerc", "--".to_owned()),
        ("NetIO", "--".to_owned()),
        ("BlockIO", "--".to_owned()),
        ("PIDs", "--".to_owned()),
    ])
}

fn row(name: &str, reading: &Value, no_trunc: bool) -> Row {
    let id = match text(reading, "id") {
        "" => name,
        id => id,
    };
    let used = memory_used(reading);
    let limit = float(number(reading, "/memory_stats/limit"));
    let share = if limit > 0.0 {
        used / limit * 100.0
    } else {
        0.0
    };
    let (received, sent) = network(reading);
    let (read, written) = disk(reading);
    Row::new([
        ("Container", name.to_owned()),
        (
            "ID",
            if no_trunc {
                id.to_owned()
            } else {
                short_id(id)
            },
        ),
        (
            "Name",
            text(reading, "name").trim_start_matches('/').to_owned(),
        ),
        ("CPUPerc", format!("{:.2}%", processor_share(reading))),
        (
            "MemUsage",
            format!("{} / {}", binary_size(used), binary_size(limit)),
        ),
        ("MemPerc", format!("{share:.2}%")),
        ("NetIO", format!("{} / {}", size(received), size(sent))),
        ("BlockIO", format!("{} / {}", size(read), size(written))),
        ("PIDs", number(reading, "/pids_stats/current").to_string()),
    ])
}

/// The share of one processor that was used between two readings: several give more than 100.
fn processor_share(reading: &Value) -> f64 {
    let delta = |path: &str| {
        float(number(reading, &format!("/cpu_stats/{path}")))
            - float(number(reading, &format!("/precpu_stats/{path}")))
    };
    let used = delta("cpu_usage/total_usage");
    let passed = delta("system_cpu_usage");
    let count = match number(reading, "/cpu_stats/online_cpus") {
        0 => i64::try_from(list(reading, "/cpu_stats/cpu_usage/percpu_usage").len())
            .unwrap_or_default(),
        count => count,
    };
    if used > 0.0 && passed > 0.0 {
        used / passed * float(count) * 100.0
    } else {
        0.0
    }
}

/// Memory without the cache that the kernel would give back at once: by v1's name for it, or v2's.
fn memory_used(reading: &Value) -> f64 {
    let usage = number(reading, "/memory_stats/usage");
    let cache = ["total_inactive_file", "inactive_file"]
        .iter()
        .map(|name| number(reading, &format!("/memory_stats/stats/{name}")))
        .find(|&cache| cache > 0 && cache < usage)
        .unwrap_or_default();
    float(usage - cache)
}

fn network(reading: &Value) -> (f64, f64) {
    let interfaces = reading.get("networks").and_then(Value::as_object);
    interfaces
        .into_iter()
        .flatten()
        .fold((0.0, 0.0), |(received, sent), (_, interface)| {
            (
                received + float(number(interface, "rx_bytes")),
                sent + float(number(interface, "tx_bytes")),
            )
        })
}

fn disk(reading: &Value) -> (f64, f64) {
    list(reading, "/blkio_stats/io_service_bytes_recursive")
        .iter()
        .fold((0.0, 0.0), |(read, written), entry| {
            let bytes = float(number(entry, "value"));
            match text(entry, "op").chars().next() {
                Some('r' | 'R') => (read + bytes, written),
                Some('w' | 'W') => (read, written + bytes),
                _ => (read, written),
            }
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::row;

    #[test]
    fn a_reading_is_a_row() {
        let reading = json!({
            "id": "0123456789abcdef", "name": "/web",
            "cpu_stats": {"cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2000, "online_cpus": 2},
            "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000},
            "memory_stats": {"usage": 3_145_728, "limit": 10_485_760, "stats": {"inactive_file": 1_048_576}},
            "networks": {"eth0": {"rx_bytes": 1500, "tx_bytes": 2_000_000}},
            "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 1000}, {"op": "write", "value": 5}]},
            "pids_stats": {"current": 3},
        });
        let fields = row("web", &reading, false).fields;
        let shown: Vec<&str> = [
            "ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs",
        ]
        .iter()
        .map(|name| fields[name].as_str())
        .collect();
        assert_eq!(
            shown,
            [
                "0123456789ab",
                "web",
                "40.00%",
                "2MiB / 10MiB",
                "20.00%",
                "1.5kB / 2MB",
                "1kB / 5B",
                "3"
            ]
        );
    }
}
