//! `history`.

use client::Request;
use jiff::Timestamp;
use serde_json::Value;

use super::image_path;
use crate::args::image::History;
use crate::failure::Failure;
use crate::output;
use crate::output::field::{number, text};
use crate::output::listing::{Field, Listing, Row, render};
use crate::output::units::{ago, ellipsis, float, short_id, size};
use crate::session::Session;

const HEADERS: &[Field] = &[
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &History) -> Result<(), Failure> {
    let request = Request::get(image_path(&raw.image, "/history"));
    let found: Vec<Value> = session.client.send(request).await?.json().await?;
    let rows: Vec<Row> = found.iter().map(|layer| row(session, raw, layer)).collect();
    let table = if raw.human {
        "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
    } else {
        "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
    };
    let listing = Listing {
        format: raw.format.as_deref(),
        table,
        headers: HEADERS,
        quiet: raw.quiet.then_some("{{.ID}}"),
    };
    output::print(&render(&listing, &rows)?)
}

fn row(session: &Session, raw: &History, layer: &Value) -> Row {
    let id = text(layer, "Id");
    let created = number(layer, "Created");
    let created_by = text(layer, "CreatedBy").replace('\t', " ");
    let bytes = number(layer, "Size");
    let point = Timestamp::from_second(created).unwrap_or_default();
    Row::new([
        (
            "ID",
            if raw.no_trunc {
                id.to_owned()
            } else {
                short_id(id)
            },
        ),
        (
            "CreatedSince",
            if created <= 0 {
                "N/A".to_owned()
            } else {
                ago(point, session.now())
            },
        ),
        (
            "CreatedAt",
            point
                .to_zoned(session.zone.clone())
                .strftime("%Y-%m-%dT%H:%M:%S%:z")
                .to_string()
                .replace("+00:00", "Z"),
        ),
        (
            "CreatedBy",
            if raw.no_trunc {
                created_by
            } else {
                ellipsis(&created_by, 45)
            },
        ),
        (
            "Size",
            if raw.human {
                size(float(bytes))
            } else {
                bytes.to_string()
            },
        ),
        ("Comment", text(layer, "Comment").to_owned()),
    ])
}
