//! `system df`.

use client::Request;
use jiff::Timestamp;
use serde_json::Value;

use crate::args::system::Df;
use crate::failure::Failure;
use crate::output;
use crate::output::field::{flag, list, number, text, texts};
use crate::output::listing::{Field, Listing, Row, render};
use crate::output::table::align;
use crate::output::units::{ago, ellipsis, float, precise_size, short_id, size};
use crate::session::Session;
use crate::value::time::engine_timestamp;

const HEADERS: &[Field] = &[
    ("Type", "TYPE"),
    ("TotalCount", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
];

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Df) -> Result<(), Failure> {
    let found: Value = session
        .client
        .send(Request::get("/system/df"))
        .await?
        .json()
        .await?;
    if raw.verbose && raw.format.is_none() {
        return output::print(&verbose(&found, session.now()));
    }
    let rows = [
        images(&found),
        containers(&found),
        volumes(&found),
        builds(&found),
    ];
    let listing = Listing {
        format: raw.format.as_deref(),
        table: "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
        headers: HEADERS,
        quiet: None,
    };
    output::print(&render(&listing, &rows)?)
}

fn row(kind: &str, count: usize, active: usize, whole: i64, free: i64) -> Row {
    let part = if whole > 0 {
        format!("{} ({}%)", precise_size(float(free)), free * 100 / whole)
    } else {
        precise_size(float(free))
    };
    Row::new([
        ("Type", kind.to_owned()),
        ("TotalCount", count.to_string()),
        ("Active", active.to_string()),
        ("Size", precise_size(float(whole))),
        ("Reclaimable", part),
    ])
}

fn images(found: &Value) -> Row {
    let images = list(found, "Images");
    let used = |image: &&Value| number(image, "Containers") > 0;
    let whole = number(found, "LayersSize");
    // What an image in use shares with others is used too.
    let kept: i64 = images
        .iter()
        .filter(used)
        .map(|image| number(image, "Size") - number(image, "SharedSize").max(0))
        .sum();
    let active = images.iter().filter(used).count();
    let free = if active == 0 {
        whole
    } else {
        (whole - kept).max(0)
    };
    row("Images", images.len(), active, whole, free)
}

fn containers(found: &Value) -> Row {
    let containers = list(found, "Containers");
    let active = |container: &&Value| {
        matches!(
            text(container, "State"),
            "running" | "paused" | "restarting"
        )
    };
    let whole = containers
        .iter()
        .map(|container| number(container, "SizeRw"))
        .sum();
    let free = containers
        .iter()
        .filter(|container| !active(container))
        .map(|container| number(container, "SizeRw"))
        .sum();
    row(
        "Containers",
        containers.len(),
        containers.iter().filter(active).count(),
        whole,
        free,
    )
}

fn volumes(found: &Value) -> Row {
    let volumes = list(found, "Volumes");
    let used = |volume: &&Value| number(volume, "/UsageData/RefCount") > 0;
    let size_of = |volume: &Value| number(volume, "/UsageData/Size").max(0);
    let whole = volumes.iter().map(size_of).sum();
    let free = volumes
        .iter()
        .filter(|volume| !used(volume))
        .map(size_of)
        .sum();
    row(
        "Local Volumes",
        volumes.len(),
        volumes.iter().filter(used).count(),
        whole,
        free,
    )
}

fn builds(found: &Value) -> Row {
    let records = list(found, "BuildCache");
    let used = |record: &&Value| flag(record, "InUse");
    let own = |record: &&Value| !flag(record, "Shared");
    let whole = records
        .iter()
        .filter(own)
        .map(|record| number(record, "Size"))
        .sum();
    let free = records
        .iter()
        .filter(|record| own(record) && !used(record))
        .map(|record| number(record, "Size"))
        .sum();
    row(
        "Build Cache",
        records.len(),
        records.iter().filter(used).count(),
        whole,
        free,
    )
}

fn verbose(found: &Value, now: Timestamp) -> String {
    let since = |seconds: i64| {
        Timestamp::from_second(seconds).map_or_else(|_| "N/A".to_owned(), |then| ago(then, now))
    };
    let mut report = String::from("Images space usage:\n\n");
    let mut lines =
        "REPOSITORY\tTAG\tIMAGE ID\tCREATED\tSIZE\tSHARED SIZE\tUNIQUE SIZE\tCONTAINERS\n"
            .to_owned();
    for image in list(found, "Images") {
        let whole = number(image, "Size");
        let shared = number(image, "SharedSize").max(0);
        let mut names = texts(image, "RepoTags");
        if names.is_empty() {
            names.push("<none>:<none>".to_owned());
        }
        for name in names {
            let (repository, tag) = name.rsplit_once(':').unwrap_or((&name, "<none>"));
            lines.push_str(&format!(
                "{repository}\t{tag}\t{}\t{}\t{}\t{}\t{}\t{}\n",
                short_id(text(image, "Id")),
                since(number(image, "Created")),
                size(float(whole)),
                size(float(shared)),
                precise_size(float(whole - shared)),
                number(image, "Containers").max(0),
            ));
        }
    }
    report.push_str(&align(&lines));
    report.push_str("\nContainers space usage:\n\n");
    let mut lines =
        "CONTAINER ID\tIMAGE\tCOMMAND\tLOCAL VOLUMES\tSIZE\tCREATED\tSTATUS\tNAMES\n".to_owned();
    for container in list(found, "Containers") {
        let volumes = list(container, "Mounts")
            .iter()
            .filter(|mount| text(mount, "Driver") == "local")
            .count();
        lines.push_str(&format!(
            "{}\t{}\t\"{}\"\t{volumes}\t{}\t{}\t{}\t{}\n",
            short_id(text(container, "Id")),
            text(container, "Image"),
            ellipsis(text(container, "Command"), 20),
            size(float(number(container, "SizeRw"))),
            since(number(container, "Created")),
            text(container, "Status"),
            texts(container, "Names").join(",").trim_start_matches('/'),
        ));
    }
    report.push_str(&align(&lines));
    report.push_str("\nLocal Volumes space usage:\n\n");
    let mut lines = "VOLUME NAME\tLINKS\tSIZE\n".to_owned();
    for volume in list(found, "Volumes") {
        lines.push_str(&format!(
            "{}\t{}\t{}\n",
            text(volume, "Name"),
            number(volume, "/UsageData/RefCount"),
            size(float(number(volume, "/UsageData/Size").max(0))),
        ));
    }
    report.push_str(&align(&lines));
    let records = list(found, "BuildCache");
    let whole = records.iter().map(|record| number(record, "Size")).sum();
    report.push_str(&format!("\nBuild cache usage: {}\n\n", size(float(whole))));
    let mut lines = "CACHE ID\tCACHE TYPE\tSIZE\tCREATED\tLAST USED\tUSAGE\tSHARED\n".to_owned();
    for record in records {
        let when = |name: &str| {
            engine_timestamp(text(record, name))
                .map(|then| ago(then, now))
                .unwrap_or_default()
        };
        lines.push_str(&format!(
            "{}\t{}\t{}\t{}\t{}\t{}\t{}\n",
            short_id(text(record, "ID")),
            text(record, "Type"),
            size(float(number(record, "Size"))),
            when("CreatedAt"),
            when("LastUsedAt"),
            number(record, "UsageCount"),
            flag(record, "Shared"),
        ));
    }
    report.push_str(&align(&lines));
    report
}
