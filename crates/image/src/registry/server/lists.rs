//! Lists of repositories and tags, in pages.

use axum::body::Body;
use axum::response::Response;
use http::{Uri, header};
use serde_json::{Value, json};

use super::Registry;
use super::answer::{Code, Refusal};
use super::route::Name;
use super::uploads::Query;

/// A page has no more, whatever is asked for.
const MAX_PAGE: usize = 1_000;

pub(super) async fn catalog(registry: &Registry, uri: &Uri) -> Result<Response, Refusal> {
    let names = registry
        .on_storage(|storage| Ok(storage.repositories()?))
        .await?;
    let names = names.iter().map(|name| name.as_str().to_owned()).collect();
    page(
        "/v2/_catalog",
        names,
        uri,
        |names| json!({ "repositories": names }),
    )
}

pub(super) async fn tags(registry: &Registry, name: Name, uri: &Uri) -> Result<Response, Refusal> {
    let tags = registry
        .on_storage({
            let name = name.clone();
            move |storage| Ok(storage.tags(&name)?)
        })
        .await?
        .ok_or_else(|| {
            Refusal::not_found(Code::NameUnknown, "repository name not known to registry")
        })?;
    let path = format!("/v2/{}/tags/list", name.as_str());
    page(
        &path,
        tags,
        uri,
        |tags| json!({ "name": name.as_str(), "tags": tags }),
    )
}

fn page(
    path: &str,
    names: Vec<String>,
    uri: &Uri,
    render: impl FnOnce(&[String]) -> Value,
) -> Result<Response, Refusal> {
    let query = Query::parse(uri);
    let asked = query
        .get("n")
        .map(|text| {
            text.parse::<usize>().map_err(|_| {
                Refusal::bad(
                    Code::Unsupported,
                    format!("invalid number of results {text:?}"),
                )
            })
        })
        .transpose()?;
    let size = asked.unwrap_or(MAX_PAGE).min(MAX_PAGE);
    let last = query.get("last").unwrap_or_default();
    let start = names.partition_point(|name| *name <= last);
    let end = (start + size).min(names.len());
    let shown = &names[start..end];
    let mut response = Response::builder().header(header::CONTENT_TYPE, "application/json");
    if end < names.len()
        && let Some(last) = shown.last()
    {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("last", last)
            .append_pair("n", &size.to_string())
            .finish();
        response = response.header(header::LINK, format!("<{path}?{query}>; rel=\"next\""));
    }
    response
        .body(Body::from(render(shown).to_string()))
        .map_err(|error| Refusal::internal(error.to_string()))
}
