//! `volume …`.

use client::{Request, encode_component};
use model::api::volume::{Create as CreateBody, Volume};
use serde_json::Value;

use super::{each, filters};
use crate::args::volume::{Create, Ls, Rm};
use crate::failure::Failure;
use crate::output;
use crate::output::field::{joined, list as items, map, number, text};
use crate::output::listing::{Field, Listing, Row, render};
use crate::output::units::{float, size};
use crate::session::Session;
use crate::value;

const HEADERS: &[Field] = &[
    ("Driver", "DRIVER"),
    ("Name", "VOLUME NAME"),
    ("Scope", "SCOPE"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Size", "SIZE"),
    ("Availability", "AVAILABILITY"),
    ("Group", "GROUP"),
    ("Status", "STATUS"),
];

/// `volume ls`.
pub(crate) async fn list(session: &Session, raw: &Ls) -> Result<(), Failure> {
    let request = Request::get("/volumes").query_if("filters", filters(&raw.filter)?);
    let found: Value = session.client.send(request).await?.json().await?;
    let mut volumes: Vec<&Value> = items(&found, "Volumes").iter().collect();
    volumes.sort_by(|one, other| text(one, "Name").cmp(text(other, "Name")));
    let rows: Vec<Row> = volumes.into_iter().map(row).collect();
    let listing = Listing {
        format: raw
            .format
            .as_deref()
            .or_else(|| session.config.text("volumesFormat").filter(|_| !raw.quiet)),
        table: "{{.Driver}}\t{{.Name}}",
        headers: HEADERS,
        quiet: raw.quiet.then_some("{{.Name}}"),
    };
    output::print(&render(&listing, &rows)?)
}

fn row(volume: &Value) -> Row {
    let labels = map(volume, "Labels");
    let usage = volume.get("UsageData").filter(|usage| usage.is_object());
    let known = |name: &str, show: &dyn Fn(i64) -> String| match usage {
        Some(usage) => show(number(usage, name)),
        None => "N/A".to_owned(),
    };
    let mut row = Row::new([
        ("Driver", text(volume, "Driver").to_owned()),
        ("Name", text(volume, "Name").to_owned()),
        ("Scope", text(volume, "Scope").to_owned()),
        ("Mountpoint", text(volume, "Mountpoint").to_owned()),
        ("Labels", joined(&labels)),
        ("Links", known("RefCount", &|count| count.to_string())),
        ("Size", known("Size", &|bytes| size(float(bytes)))),
        ("Availability", "N/A".to_owned()),
        ("Group", "N/A".to_owned()),
        ("Status", "N/A".to_owned()),
    ]);
    row.labels = labels;
    row
}

/// `volume create`.
pub(crate) async fn create(session: &Session, raw: &Create) -> Result<(), Failure> {
    if raw.name.is_some() && raw.volume.is_some() {
        return Err(Failure::message(
            "conflicting options: cannot specify a volume-name through both --name and as a positional arg",
        ));
    }
    let body = CreateBody {
        name: raw
            .volume
            .clone()
            .or_else(|| raw.name.clone())
            .unwrap_or_default(),
        driver: raw.driver.clone(),
        driver_opts: Some(value::map(&raw.opt)),
        labels: Some(value::map(&raw.label)),
        ..CreateBody::default()
    };
    let created: Volume = session
        .client
        .send(Request::post("/volumes/create").json(&body))
        .await?
        .json()
        .await?;
    output::print_line(&created.name)
}

/// `volume rm`.
pub(crate) async fn remove(session: &Session, raw: &Rm) -> Result<(), Failure> {
    each(&raw.volumes, async |name| {
        let request = Request::delete(format!("/volumes/{}", encode_component(name)))
            .flag("force", raw.force);
        session.client.send(request).await?;
        Ok(name.to_owned())
    })
    .await
}
