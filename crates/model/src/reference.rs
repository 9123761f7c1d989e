//! What images are called: repositories, tags and digests, in Docker's familiar short form and in full.
//!
//! `nginx` is `docker.io/library/nginx`, `user/app` is `docker.io/user/app`, and only a first part with a dot, a
//! colon, a capital letter, or `localhost` itself is a registry. Nothing here asks whether a thing exists.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The registry that names without one mean.
pub const DEFAULT_REGISTRY: &str = "docker.io";

const LEGACY_DEFAULT_REGISTRY: &str = "index.docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const DEFAULT_TAG: &str = "latest";

/// Registry and path together, as the distribution protocol bounds them.
const MAX_NAME_LENGTH: usize = 255;
const MAX_TAG_LENGTH: usize = 128;

/// A registry and a path in it: `docker.io/library/nginx`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    registry: String,
    path: String,
}

/// A tag: a letter, digit or `_`, then also `.` and `-`, 128 characters at most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// A repository with a tag, a digest, both, or neither.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    repository: Repository,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

/// A text that is no reference, in the words Docker's clients know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// It does not have the form at all.
    #[error("invalid reference format")]
    Format,
    /// A repository with capital letters.
    #[error("invalid reference format: repository name ({path}) must be lowercase")]
    Uppercase {
        /// The path, as it was given.
        path: String,
    },
    /// A name that could be taken for an image id.
    #[error("invalid repository name ({name}), cannot specify 64-byte hexadecimal strings")]
    LooksLikeId {
        /// The name, as it was given.
        name: String,
    },
    /// A name that is too long.
    #[error("repository name must not be more than {MAX_NAME_LENGTH} characters")]
    TooLong,
    /// A digest by another algorithm than SHA-256, or cut off.
    #[error("invalid reference format: unsupported digest {text:?}")]
    Digest {
        /// The part after the `@`.
        text: String,
    },
}

impl Repository {
    /// The registry's host, with its port if it has one; `docker.io` for names without.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path in the registry, as its protocol wants it: `library/nginx`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The shortest form that means the same: `nginx`.
    pub fn familiar(&self) -> String {
        if self.registry == DEFAULT_REGISTRY {
            self.path
                .strip_prefix(OFFICIAL_PREFIX)
                .filter(|rest| !rest.contains('/'))
                .unwrap_or(&self.path)
                .to_owned()
        } else {
            self.to_string()
        }
    }

    /// This repository with `tag`.
    pub fn tagged(self, tag: Tag) -> Reference {
        Reference {
            repository: self,
            tag: Some(tag),
            digest: None,
        }
    }

    /// This repository at `digest`.
    pub fn at(self, digest: Digest) -> Reference {
        Reference {
            repository: self,
            tag: None,
            digest: Some(digest),
        }
    }
}

impl FromStr for Repository {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let (registry, rest) = split_registry(text);
        let path = if registry == DEFAULT_REGISTRY && !rest.contains('/') {
            format!("{OFFICIAL_PREFIX}{rest}")
        } else {
            rest.to_owned()
        };
        if rest.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidReference::Uppercase {
                path: rest.to_owned(),
            });
        }
        if !is_registry(registry) || !path.split('/').all(is_path_component) {
            return Err(InvalidReference::Format);
        }
        if registry.len() + 1 + path.len() > MAX_NAME_LENGTH {
            return Err(InvalidReference::TooLong);
        }
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidReference::LooksLikeId {
                name: text.to_owned(),
            });
        }
        Ok(Self {
            registry: registry.to_owned(),
            path,
        })
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl Tag {
    /// The tag that is meant where none is given.
    pub fn latest() -> Self {
        Self(DEFAULT_TAG.to_owned())
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let valid = text.len() <= MAX_TAG_LENGTH
            && text.bytes().next().is_some_and(word)
            && text
                .bytes()
                .all(|byte| word(byte) || matches!(byte, b'.' | b'-'));
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidReference::Format)
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Reference {
    /// The registry and path.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, if one was given.
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, if one was given.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same with the tag `latest` if it has neither tag nor digest.
    #[must_use]
    pub fn or_latest(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some(Tag::latest());
        }
        self
    }

    /// Whether it is a repository and nothing else.
    pub fn is_name_only(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
    }

    /// The shortest form that means the same: `nginx:1.27`.
    pub fn familiar(&self) -> String {
        self.with_repository(&self.repository.familiar())
    }

    fn with_repository(&self, repository: &str) -> String {
        let mut text = repository.to_owned();
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag.as_str());
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(&digest.to_string());
        }
        text
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let parsed = digest.parse().map_err(|_| InvalidReference::Digest {
                    text: digest.to_owned(),
                })?;
                (rest, Some(parsed))
            }
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let last_part = rest.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match rest[last_part..].find(':') {
            Some(at) => {
                let (name, tag) = rest.split_at(last_part + at);
                (name, Some(tag[1..].parse()?))
            }
            None => (rest, None),
        };
        Ok(Self {
            repository: name.parse()?,
            tag,
            digest,
        })
    }
}

impl TryFrom<String> for Reference {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, InvalidReference> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_repository(&self.repository.to_string()))
    }
}

fn split_registry(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((first, rest)) if is_registry_by_its_look(first) => {
            let registry = if first == LEGACY_DEFAULT_REGISTRY {
                DEFAULT_REGISTRY
            } else {
                first
            };
            (registry, rest)
        }
        Some(_) | None => (DEFAULT_REGISTRY, text),
    }
}

fn is_registry_by_its_look(first: &str) -> bool {
    first == "localhost"
        || first
            .bytes()
            .any(|byte| matches!(byte, b'.' | b':') || byte.is_ascii_uppercase())
}

fn is_registry(text: &str) -> bool {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        if address.is_empty()
            || !address
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b':')
        {
            return false;
        }
        let port = match port.strip_prefix(':') {
            Some(port) => Some(port),
            None if port.is_empty() => None,
            None => return false,
        };
        return port.is_none_or(is_port);
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    host.split('.').all(is_host_label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_host_label(label: &str) -> bool {
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    ends(label.bytes().next())
        && ends(label.bytes().last())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Lower-case letters and digits, parted by one `.`, one or two `_`, or any number of `-`.
fn is_path_component(component: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let ends = |byte: Option<&u8>| byte.copied().is_some_and(alphanumeric);
    ends(bytes.first())
        && ends(bytes.last())
        && bytes
            .split(|byte| alphanumeric(*byte))
            .filter(|separator| !separator.is_empty())
            .all(|separator| {
                matches!(separator, b"." | b"_" | b"__")
                    || separator.iter().all(|byte| *byte == b'-')
            })
}

#[cfg(test)]
mod tests {
    use super::Reference;

    #[track_caller]
    fn check(text: &str, full: &str, familiar: &str) {
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.to_string(), full, "{text}");
        assert_eq!(reference.familiar(), familiar, "{text}");
        assert_eq!(full.parse::<Reference>().unwrap(), reference);
        assert_eq!(familiar.parse::<Reference>().unwrap(), reference);
    }

    #[track_caller]
    fn refused(text: &str, message: &str) {
        let error = text.parse::<Reference>().unwrap_err();
        assert_eq!(error.to_string(), message, "{text:?}");
    }

    #[test]
    fn familiar_and_full_forms_mean_the_same() {
        check("nginx", "docker.io/library/nginx", "nginx");
        check("nginx:1.27", "docker.io/library/nginx:1.27", "nginx:1.27");
        check("user/app", "docker.io/user/app", "user/app");
        check("docker.io/nginx", "docker.io/library/nginx", "nginx");
        check(
            "index.docker.io/library/nginx",
            "docker.io/library/nginx",
            "nginx",
        );
        check("localhost/nginx", "localhost/nginx", "localhost/nginx");
        check(
            "127.0.0.1:5000/a/b:c",
            "127.0.0.1:5000/a/b:c",
            "127.0.0.1:5000/a/b:c",
        );
        check("[::1]:5000/a:1", "[::1]:5000/a:1", "[::1]:5000/a:1");
        check(
            "docker.io/library/a/b",
            "docker.io/library/a/b",
            "library/a/b",
        );
        let digest = format!("sha256:{}", "ab".repeat(32));
        check(
            &format!("a/b__c:x@{digest}"),
            &format!("docker.io/a/b__c:x@{digest}"),
            &format!("a/b__c:x@{digest}"),
        );
    }

    #[test]
    fn what_is_no_reference_is_refused_in_dockers_words() {
        let format = "invalid reference format";
        for text in [
            "",
            ":tag",
            "a:",
            "a//b",
            "/a",
            "a/",
            "-a",
            "a_",
            "a..b",
            "a___b",
            "a b",
            "a:b:c",
            "é",
            "a:-b",
            "host.:1/a",
            "h.x:port/a",
            &format!("a:{}", "t".repeat(129)),
        ] {
            refused(text, format);
        }
        refused(
            "Nginx",
            "invalid reference format: repository name (Nginx) must be lowercase",
        );
        refused(
            "a@sha256:12",
            "invalid reference format: unsupported digest \"sha256:12\"",
        );
        refused(
            &"a".repeat(260),
            "repository name must not be more than 255 characters",
        );
        let hex = "ab".repeat(32);
        refused(
            &hex,
            &format!("invalid repository name ({hex}), cannot specify 64-byte hexadecimal strings"),
        );
    }

    #[test]
    fn a_missing_tag_is_latest_unless_there_is_a_digest() {
        let plain: Reference = "nginx".parse().unwrap();
        assert!(plain.is_name_only());
        assert_eq!(plain.or_latest().familiar(), "nginx:latest");
        let digest = format!("nginx@sha256:{}", "ab".repeat(32));
        let pinned: Reference = digest.parse().unwrap();
        assert_eq!(pinned.or_latest().familiar(), digest);
    }
}
