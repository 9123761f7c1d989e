//! `network …`.

use client::{Request, encode_component};
use model::api::network::{Connect as ConnectBody, Created, Disconnect as DisconnectBody};
use serde_json::Value;

use super::{each, filters};
use crate::args::network::{Connect, Create, Disconnect, Ls, Rm};
use crate::failure::Failure;
use crate::output;
use crate::output::field::{flag, joined, map, text};
use crate::output::listing::{Field, Listing, Row, render};
use crate::output::units::short_id;
use crate::request::network;
use crate::session::Session;

const HEADERS: &[Field] = &[
    ("ID", "NETWORK ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("IPv4", "IPV4"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
    ("CreatedAt", "CREATED AT"),
];

/// `network ls`.
pub(crate) async fn list(session: &Session, raw: &Ls) -> Result<(), Failure> {
    let request = Request::get("/networks").query_if("filters", filters(&raw.filter)?);
    let mut found: Vec<Value> = session.client.send(request).await?.json().await?;
    found.sort_by(|one, other| text(one, "Name").cmp(text(other, "Name")));
    let rows: Vec<Row> = found
        .iter()
        .map(|network| row(network, raw.no_trunc))
        .collect();
    let listing = Listing {
        format: raw
            .format
            .as_deref()
            .or_else(|| session.config.text("networksFormat").filter(|_| !raw.quiet)),
        table: "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
        headers: HEADERS,
        quiet: raw.quiet.then_some("{{.ID}}"),
    };
    output::print(&render(&listing, &rows)?)
}

fn row(network: &Value, no_trunc: bool) -> Row {
    let id = text(network, "Id");
    let labels = map(network, "Labels");
    // An engine that does not say is one that has nothing else.
    let ipv4 = network
        .get("EnableIPv4")
        .and_then(Value::as_bool)
        .unwrap_or(true);
    let mut row = Row::new([
        (
            "ID",
            if no_trunc {
                id.to_owned()
            } else {
                short_id(id)
            },
        ),
        ("Name", text(network, "Name").to_owned()),
        ("Driver", text(network, "Driver").to_owned()),
        ("Scope", text(network, "Scope").to_owned()),
        ("IPv4", ipv4.to_string()),
        ("IPv6", flag(network, "EnableIPv6").to_string()),
        ("Internal", flag(network, "Internal").to_string()),
        ("Labels", joined(&labels)),
        (
            "CreatedAt",
            text(network, "Created")
                .replacen('T', " ", 1)
                .replace('Z', " +0000 UTC"),
        ),
    ]);
    row.labels = labels;
    row
}

/// `network create`.
pub(crate) async fn create(session: &Session, raw: &Create) -> Result<(), Failure> {
    let body = network::create(raw).map_err(Failure::message)?;
    let created: Created = session
        .client
        .send(Request::post("/networks/create").json(&body))
        .await?
        .json()
        .await?;
    if !created.warning.is_empty() {
        output::warn(&format!("WARNING: {}", created.warning));
    }
    output::print_line(&created.id)
}

/// `network connect`.
pub(crate) async fn connect(session: &Session, raw: &Connect) -> Result<(), Failure> {
    let body = ConnectBody {
        container: raw.container.clone(),
        endpoint_config: Some(network::endpoint(raw)),
    };
    let path = format!("/networks/{}/connect", encode_component(&raw.network));
    session.client.send(Request::post(path).json(&body)).await?;
    Ok(())
}

/// `network disconnect`.
pub(crate) async fn disconnect(session: &Session, raw: &Disconnect) -> Result<(), Failure> {
    let body = DisconnectBody {
        container: raw.container.clone(),
        force: raw.force,
    };
    let path = format!("/networks/{}/disconnect", encode_component(&raw.network));
    session.client.send(Request::post(path).json(&body)).await?;
    Ok(())
}

/// `network rm`.
pub(crate) async fn remove(session: &Session, raw: &Rm) -> Result<(), Failure> {
    each(&raw.networks, async |name| {
        let path = format!("/networks/{}", encode_component(name));
        match session.client.send(Request::delete(path)).await {
            Ok(_) => Ok(name.to_owned()),
            Err(error) if raw.force && error.is_not_found() => Ok(String::new()),
            Err(error) => Err(error.into()),
        }
    })
    .await
}
