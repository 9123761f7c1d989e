//! The page's files, carried inside the program. It must never read a file from disk.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "src/webui/page/"]
struct Page;

/// A file of the page by its name.
pub(super) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(file) = Page::get(&name) else {
        return (StatusCode::NOT_FOUND, "the page is at /\n").into_response();
    };
    let tag = entity_tag(&file.metadata.sha256_hash());
    // Asked again at each load, so that a new release shows at once, but sent only when it changed.
    let caching = [
        (header::CACHE_CONTROL, "no-cache"),
        (header::ETAG, tag.as_str()),
    ];
    if headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known == tag.as_str())
    {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let kind = [(header::CONTENT_TYPE, file.metadata.mimetype())];
    (caching, kind, file.data.into_owned()).into_response()
}

fn entity_tag(hash: &[u8; 32]) -> String {
    use std::fmt::Write;
    let mut tag = String::from("\"");
    for byte in &hash[..8] {
        write!(tag, "{byte:02x}").ok();
    }
    tag + "\""
}
