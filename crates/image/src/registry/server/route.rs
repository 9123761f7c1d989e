//! What a path asks for. Pure.

use std::str::FromStr;

use model::digest::Digest;
use model::reference::{Repository, Tag};

use super::answer::{Code, Refusal};

/// The name of a repository, which is also a path in the storage: lower-case parts without dots at their ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(String);

/// The name of an upload: digits and letters only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UploadId(String);

/// What names a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ManifestRef {
    Tag(Tag),
    Digest(Digest),
}

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Base,
    Catalog,
    Tags(Name),
    Manifest(Name, ManifestRef),
    Blob(Name, Digest),
    NewUpload(Name),
    Upload(Name, UploadId),
}

impl Name {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        // The registry's part of a reference is of no interest here, but the rules are the same.
        let full = format!("registry.invalid/{text}");
        match full.parse::<Repository>() {
            Ok(name) if name.path() == text => Ok(Self(text.to_owned())),
            _ => Err(Refusal::bad(
                Code::NameInvalid,
                format!("invalid repository name {text:?}"),
            )),
        }
    }
}

impl UploadId {
    pub(super) fn from_random(number: u128) -> Self {
        Self(format!("{number:032x}"))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UploadId {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Refusal::not_found(Code::UploadUnknown, "no such upload"))
        }
    }
}

impl FromStr for ManifestRef {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if text.contains(':') {
            return digest(text).map(Self::Digest);
        }
        text.parse()
            .map(Self::Tag)
            .map_err(|_| Refusal::bad(Code::ManifestInvalid, format!("invalid tag {text:?}")))
    }
}

/// Reads a digest.
pub(super) fn digest(text: &str) -> Result<Digest, Refusal> {
    text.parse()
        .map_err(|error| Refusal::bad(Code::DigestInvalid, format!("{error}")))
}

/// What the path asks for. Names may have slashes and be called `blobs`, so it is read from its end.
pub(super) fn parse(path: &str) -> Result<Route, Refusal> {
    let unknown = || Refusal::not_found(Code::Unsupported, "404 page not found");
    let rest = match path {
        "/v2" | "/v2/" => return Ok(Route::Base),
        "/v2/_catalog" => return Ok(Route::Catalog),
        other => other.strip_prefix("/v2/").ok_or_else(unknown)?,
    };
    if let Some(name) = rest
        .strip_suffix("/blobs/uploads/")
        .or_else(|| rest.strip_suffix("/blobs/uploads"))
    {
        return Ok(Route::NewUpload(name.parse()?));
    }
    if let Some(name) = rest.strip_suffix("/tags/list") {
        return Ok(Route::Tags(name.parse()?));
    }
    let (before, last) = rest.rsplit_once('/').ok_or_else(unknown)?;
    if let Some(name) = before.strip_suffix("/blobs/uploads") {
        Ok(Route::Upload(name.parse()?, last.parse()?))
    } else if let Some(name) = before.strip_suffix("/blobs") {
        Ok(Route::Blob(name.parse()?, digest(last)?))
    } else if let Some(name) = before.strip_suffix("/manifests") {
        Ok(Route::Manifest(name.parse()?, last.parse()?))
    } else {
        Err(unknown())
    }
}

#[cfg(test)]
mod tests {
    use super::{ManifestRef, Route, parse};

    #[test]
    fn paths_are_read_from_their_end() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let name = |text: &str| text.parse().unwrap();
        let check = |path: &str, expect: Route| {
            assert_eq!(parse(path).unwrap(), expect, "{path}");
        };
        check("/v2/", Route::Base);
        check("/v2/_catalog", Route::Catalog);
        check("/v2/a/b/tags/list", Route::Tags(name("a/b")));
        check("/v2/blobs/blobs/uploads/", Route::NewUpload(name("blobs")));
        check(
            &format!("/v2/a/manifests/blobs/{digest}"),
            Route::Blob(name("a/manifests"), digest.parse().unwrap()),
        );
        check(
            "/v2/a/manifests/latest",
            Route::Manifest(name("a"), "latest".parse().unwrap()),
        );
        check(
            &format!("/v2/a/manifests/{digest}"),
            Route::Manifest(name("a"), ManifestRef::Digest(digest.parse().unwrap())),
        );
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for path in [
            "/",
            "/v1/",
            "/v2/a",
            "/v2/../blobs/uploads/",
            "/v2/a/../b/tags/list",
            "/v2/A/tags/list",
            "/v2/_uploads/tags/list",
            "/v2//tags/list",
            "/v2/a/blobs/sha256:12",
            "/v2/a/blobs/uploads/../x",
            "/v2/a/manifests/..",
            "/v2/a/manifests/a%2fb",
        ] {
            assert!(parse(path).is_err(), "{path}");
        }
    }
}
