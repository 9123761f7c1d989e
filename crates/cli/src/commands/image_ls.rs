//! `images`.

use client::Request;
use jiff::Timestamp;
use serde_json::Value;

use super::filters;
use crate::args::image::Ls;
use crate::failure::Failure;
use crate::output;
use crate::output::field::{map, number, text, texts};
use crate::output::listing::{Field, Listing, Row, render};
use crate::output::units::{ago, float, precise_size, short_id, size};
use crate::session::Session;

const HEADERS: &[Field] = &[
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("VirtualSize", "SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
];

const NONE: &str = "<none>";

/// What follows `image` as a command, and `images` only as the name of a repository.
const COMMANDS: &[&str] = &[
    "build", "history", "import", "inspect", "list", "load", "ls", "prune", "pull", "push",
    "remove", "rm", "save", "tag",
];

/// Runs the command.
pub(crate) async fn run(session: &Session, raw: &Ls) -> Result<(), Failure> {
    let mut conditions = raw.filter.clone();
    if let Some(repository) = &raw.repository {
        conditions.push(format!("reference={repository}"));
    }
    let request = Request::get("/images/json")
        .flag("all", raw.all)
        .query_if("filters", filters(&conditions)?);
    let found: Vec<Value> = session.client.send(request).await?.json().await?;
    let format = raw
        .format
        .as_deref()
        .or_else(|| session.config.text("imagesFormat").filter(|_| !raw.quiet));
    let wants_digests = raw.digests || format.is_some_and(|format| format.contains(".Digest"));
    let rows: Vec<Row> = found
        .iter()
        .flat_map(|image| rows(session, image, raw.no_trunc, wants_digests))
        .collect();
    let table = if raw.digests {
        "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
    } else {
        "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
    };
    let listing = Listing {
        format,
        table,
        headers: HEADERS,
        quiet: raw.quiet.then_some("{{.ID}}"),
    };
    output::print(&render(&listing, &rows)?)?;
    if let Some(word) = raw.repository.as_deref()
        && found.is_empty()
        && COMMANDS.contains(&word)
    {
        output::hint(&format!(
            "did you mean \"image {word}\"? \"images {word}\" lists images named {word:?}"
        ));
    }
    Ok(())
}

/// A row for each name of an image; one without a name if it has none.
fn rows(session: &Session, image: &Value, no_trunc: bool, wants_digests: bool) -> Vec<Row> {
    shown_as(image, wants_digests)
        .into_iter()
        .map(|shown| row(session, image, no_trunc, shown))
        .collect()
}

/// Repository, tag and digest of each of an image's rows.
fn shown_as(image: &Value, wants_digests: bool) -> Vec<[String; 3]> {
    let none = || NONE.to_owned();
    let is_named = |name: &String| !name.starts_with(NONE);
    let tags: Vec<(String, String)> = texts(image, "RepoTags")
        .into_iter()
        .filter(is_named)
        .map(|name| split_tag(&name))
        .collect();
    let digests: Vec<(String, String)> = texts(image, "RepoDigests")
        .into_iter()
        .filter(is_named)
        .filter_map(|name| {
            let (repository, digest) = name.split_once('@')?;
            Some((repository.to_owned(), digest.to_owned()))
        })
        .collect();
    let mut shown: Vec<[String; 3]> = Vec::new();
    for (repository, tag) in &tags {
        let of_repository = digests.iter().filter(|(other, _)| other == repository);
        let before = shown.len();
        if wants_digests {
            shown.extend(
                of_repository.map(|(_, digest)| [repository.clone(), tag.clone(), digest.clone()]),
            );
        }
        if shown.len() == before {
            shown.push([repository.clone(), tag.clone(), none()]);
        }
    }
    for (repository, digest) in &digests {
        let has_tag = tags.iter().any(|(other, _)| other == repository);
        let is_shown = !wants_digests && shown.iter().any(|[other, ..]| other == repository);
        if !has_tag && !is_shown {
            shown.push([repository.clone(), none(), digest.clone()]);
        }
    }
    if shown.is_empty() {
        shown.push([none(), none(), none()]);
    }
    shown
}

fn row(
    session: &Session,
    image: &Value,
    no_trunc: bool,
    [repository, tag, digest]: [String; 3],
) -> Row {
    let id = text(image, "Id");
    let created = number(image, "Created");
    let whole = number(image, "Size");
    let shared = number(image, "SharedSize");
    let count = number(image, "Containers");
    let known = |bytes: i64| {
        if bytes < 0 {
            "N/A".to_owned()
        } else {
            size(float(bytes))
        }
    };
    let since = Timestamp::from_second(created)
        .map_or_else(|_| "N/A".to_owned(), |then| ago(then, session.now()));
    let mut row = Row::new([
        (
            "ID",
            if no_trunc {
                id.to_owned()
            } else {
                short_id(id)
            },
        ),
        ("Repository", repository),
        ("Tag", tag),
        ("Digest", digest),
        (
            "CreatedSince",
            if created == 0 {
                "N/A".to_owned()
            } else {
                since
            },
        ),
        ("CreatedAt", session.local_time(created)),
        ("Size", size(float(whole))),
        ("VirtualSize", precise_size(float(whole))),
        ("SharedSize", known(shared)),
        (
            "UniqueSize",
            if shared < 0 {
                "N/A".to_owned()
            } else {
                known(whole - shared)
            },
        ),
        (
            "Containers",
            if count < 0 {
                "N/A".to_owned()
            } else {
                count.to_string()
            },
        ),
    ]);
    row.labels = map(image, "Labels");
    row
}

/// `repository:tag`, where a repository may have a port.
fn split_tag(name: &str) -> (String, String) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository.to_owned(), tag.to_owned()),
        _ => (name.to_owned(), NONE.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::shown_as;

    #[track_caller]
    fn check(image: serde_json::Value, wants_digests: bool, expect: &[[&str; 3]]) {
        assert_eq!(shown_as(&image, wants_digests), expect);
    }

    #[test]
    fn an_image_has_a_row_for_each_name() {
        let image = json!({"RepoTags": ["a:1", "host:5000/b:2"], "RepoDigests": ["a@sha256:x", "c@sha256:y"]});
        check(
            image.clone(),
            false,
            &[
                ["a", "1", "<none>"],
                ["host:5000/b", "2", "<none>"],
                ["c", "<none>", "sha256:y"],
            ],
        );
        check(
            image,
            true,
            &[
                ["a", "1", "sha256:x"],
                ["host:5000/b", "2", "<none>"],
                ["c", "<none>", "sha256:y"],
            ],
        );
        check(
            json!({"RepoTags": null}),
            false,
            &[["<none>", "<none>", "<none>"]],
        );
        check(
            json!({"RepoTags": ["<none>:<none>"]}),
            false,
            &[["<none>", "<none>", "<none>"]],
        );
    }
}
