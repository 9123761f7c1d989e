//! `inspect`, of everything, as the engine wrote it.

use client::{Request, encode_component};
use serde_json::Value;

use super::{container_path, image_path};
use crate::args::{container, image, network, system, volume};
use crate::failure::Failure;
use crate::output;
use crate::output::json::indent;
use crate::output::listing::object;
use crate::session::Session;

/// A kind of object, in the order in which a name is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Container,
    Image,
    Network,
    Volume,
}

const ALL: &[Kind] = &[Kind::Container, Kind::Image, Kind::Network, Kind::Volume];

/// `inspect`.
pub(crate) async fn run(session: &Session, raw: &system::Inspect) -> Result<(), Failure> {
    let kinds: &[Kind] = match raw.kind.as_deref() {
        None | Some("") => ALL,
        Some("container") => &[Kind::Container],
        Some("image") => &[Kind::Image],
        Some("network") => &[Kind::Network],
        Some("volume") => &[Kind::Volume],
        Some(other) => {
            return Err(Failure::message(format!(
                "{other:?} is not a valid value for --type"
            )));
        }
    };
    show(session, kinds, &raw.names, raw.format.as_deref(), raw.size).await
}

/// `container inspect`.
pub(crate) async fn containers(session: &Session, raw: &container::Inspect) -> Result<(), Failure> {
    show(
        session,
        &[Kind::Container],
        &raw.containers,
        raw.format.as_deref(),
        raw.size,
    )
    .await
}

/// `image inspect`.
pub(crate) async fn images(session: &Session, raw: &image::Inspect) -> Result<(), Failure> {
    show(
        session,
        &[Kind::Image],
        &raw.images,
        raw.format.as_deref(),
        false,
    )
    .await
}

/// `network inspect`.
pub(crate) async fn networks(session: &Session, raw: &network::Inspect) -> Result<(), Failure> {
    show(
        session,
        &[Kind::Network],
        &raw.networks,
        raw.format.as_deref(),
        false,
    )
    .await
}

/// `volume inspect`.
pub(crate) async fn volumes(session: &Session, raw: &volume::Inspect) -> Result<(), Failure> {
    show(
        session,
        &[Kind::Volume],
        &raw.volumes,
        raw.format.as_deref(),
        false,
    )
    .await
}

async fn show(
    session: &Session,
    kinds: &[Kind],
    names: &[String],
    format: Option<&str>,
    size: bool,
) -> Result<(), Failure> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for name in names {
        match find(session, kinds, name, size).await {
            Ok(object) => found.push(object),
            Err(Failure::Client(error)) if error.is_unreachable() => {
                return Err(Failure::Client(error));
            }
            Err(failure) => missing.push(failure),
        }
    }
    let shown = match format.filter(|format| !format.is_empty()) {
        Some(format) => templates(&found, format),
        None => Ok(array(&found)),
    };
    // What was found is shown, then what was not is told.
    output::print(&shown?)?;
    for failure in &missing {
        output::warn(&failure.text().unwrap_or_default());
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Failure::Exit(1))
    }
}

fn templates(found: &[Vec<u8>], format: &str) -> Result<String, Failure> {
    if format.trim() == "json" {
        let items: Vec<Vec<u8>> = found.iter().map(|raw| output::json::compact(raw)).collect();
        return Ok(format!(
            "[{}]\n",
            String::from_utf8_lossy(&items.join(&b','))
        ));
    }
    let mut text = String::new();
    for raw in found {
        let value: Value = serde_json::from_slice(raw)
            .map_err(|error| Failure::caused("reading the engine's answer", &error))?;
        text.push_str(&object(format, raw, &value)?);
        text.push('\n');
    }
    Ok(text)
}

fn array(found: &[Vec<u8>]) -> String {
    let whole = [b"[".as_slice(), &found.join(&b','), b"]"].concat();
    format!("{}\n", String::from_utf8_lossy(&indent(&whole, 4)))
}

async fn find(
    session: &Session,
    kinds: &[Kind],
    name: &str,
    size: bool,
) -> Result<Vec<u8>, Failure> {
    for &kind in kinds {
        let request = match kind {
            Kind::Container => Request::get(container_path(name, "/json")?).flag("size", size),
            Kind::Image => Request::get(image_path(name, "/json")),
            Kind::Network => Request::get(format!("/networks/{}", encode_component(name))),
            Kind::Volume => Request::get(format!("/volumes/{}", encode_component(name))),
        };
        match session.client.send(request).await {
            Ok(answer) => return Ok(answer.bytes().await?.to_vec()),
            Err(error) if kinds.len() > 1 && is_absent(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::message(format!("error: no such object: {name}")))
}

/// Not there as such a kind; a name that a kind cannot have is not there as one either.
fn is_absent(error: &client::Error) -> bool {
    error.is_not_found() || error.status() == Some(http::StatusCode::BAD_REQUEST)
}
