//! Build contexts: what a folder sends to an engine that is to build an image of it.
//!
//! ```text
//!   Context::open(folder, Dockerfile) ── reads .dockerignore ──▶ Context
//!   Context::pack(writer)             ── walks, leaves out what is ignored ──▶ tar, the same bytes every time
//! ```
//!
//! [`Ignore`] alone is pure: which paths a `.dockerignore` leaves out. The engine asks it too, for the files that a
//! client must send although they are ignored.
//!
//! It must never follow a link out of the folder, or hold a file's content in memory.

mod ignore;
mod pack;
mod pattern;

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

pub use ignore::{Ignore, IgnoreError};

/// The name of the file that says what to leave out.
pub const IGNORE_FILE: &str = ".dockerignore";

/// What can go wrong with a context.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder is not there, or is none.
    #[error("unable to prepare context: path \"{}\" not found", path.display())]
    Folder {
        /// As it was given.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The Dockerfile is not there, or cannot be read.
    #[error("unable to prepare context: unable to evaluate symlinks in Dockerfile path: {}", path.display())]
    Dockerfile {
        /// Where it was looked for.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A `.dockerignore` cannot be read.
    #[error("failed to read {}", path.display())]
    ReadIgnore {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A `.dockerignore` has a pattern that means nothing.
    #[error("error checking context: {}", path.display())]
    Ignore {
        /// Which.
        path: PathBuf,
        /// The pattern.
        #[source]
        source: IgnoreError,
    },
    /// A file of the context cannot be read.
    #[error("can't read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file changed its length while it was packed.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// The archive could not be written: who reads it has gone, or its disk is full.
    #[error("writing the context failed")]
    Write(#[source] io::Error),
}

/// Where a Dockerfile comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dockerfile {
    /// `Dockerfile` in the folder, or else `dockerfile`.
    Default,
    /// This file: relative to the current directory or, if it is not there, to the folder. It may lie outside.
    Path(PathBuf),
    /// This text, from standard input.
    Contents(Vec<u8>),
}

/// A folder that is to be sent. See the module.
#[derive(Debug)]
pub struct Context {
    root: PathBuf,
    ignore: Ignore,
    dockerfile: String,
    /// A Dockerfile that is not in the folder, sent under the name in `dockerfile`.
    added: Option<Vec<u8>>,
}

impl Context {
    /// Finds the Dockerfile and reads what is to be left out: `<Dockerfile>.dockerignore` beside the Dockerfile, or
    /// else `.dockerignore` in the folder.
    pub fn open(folder: &Path, dockerfile: Dockerfile) -> Result<Self, Error> {
        let root = canonical_folder(folder).map_err(|source| Error::Folder {
            path: folder.to_owned(),
            source,
        })?;
        let (name, added) = match dockerfile {
            Dockerfile::Default => (default_dockerfile(&root)?, None),
            Dockerfile::Path(path) => named_dockerfile(&root, &path)?,
            Dockerfile::Contents(contents) => (name_for_added(&contents), Some(contents)),
        };
        let mut ignore = read_ignore(&root, if added.is_some() { None } else { Some(&name) })?;
        // The engine needs both, whatever is ignored; it forgets them again where they are.
        ignore.keep(IGNORE_FILE);
        ignore.keep(&name);
        Ok(Self {
            root,
            ignore,
            dockerfile: name,
            added,
        })
    }

    /// The name of the Dockerfile within the archive: what the engine is to be told.
    pub fn dockerfile(&self) -> &str {
        &self.dockerfile
    }

    /// Writes the archive and returns how many bytes it has. `progress` is told the bytes so far, often.
    pub fn pack(&self, out: impl io::Write, progress: impl FnMut(u64)) -> Result<u64, Error> {
        let added = self
            .added
            .as_deref()
            .map(|contents| (self.dockerfile.as_str(), contents));
        pack::pack(&self.root, &self.ignore, added, out, progress)
    }
}

/// The archive of a context that is only a Dockerfile, and the name that it has in there.
pub fn of_dockerfile(contents: &[u8]) -> Result<(Vec<u8>, String), Error> {
    let mut archive = Vec::new();
    let name = "Dockerfile";
    pack::pack_one(name, contents, &mut archive)?;
    Ok((archive, name.to_owned()))
}

/// Whether what starts so is an archive, maybe a compressed one, rather than the text of a Dockerfile. It takes the
/// first 512 bytes.
pub fn is_archive(head: &[u8]) -> bool {
    const COMPRESSED: [&[u8]; 4] = [b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];
    COMPRESSED.iter().any(|magic| head.starts_with(magic))
        || head.get(257..262) == Some(b"ustar".as_slice())
}

/// Whether a name, without slashes, is matched by a pattern with `*`, `?` and `[a-z]`; none if the pattern means
/// nothing.
pub fn name_matches(pattern: &str, name: &str) -> Option<bool> {
    Some(pattern::Pattern::compile(pattern)?.matches(name))
}

fn canonical_folder(folder: &Path) -> io::Result<PathBuf> {
    let root = fs::canonicalize(folder)?;
    if root.is_dir() {
        Ok(root)
    } else {
        Err(io::Error::from(io::ErrorKind::NotADirectory))
    }
}

fn default_dockerfile(root: &Path) -> Result<String, Error> {
    let found = ["Dockerfile", "dockerfile"]
        .into_iter()
        .find(|name| root.join(name).exists());
    found.map(str::to_owned).ok_or_else(|| Error::Dockerfile {
        path: root.join("Dockerfile"),
        source: io::ErrorKind::NotFound.into(),
    })
}

/// The name within the folder; or, of one outside, a name for it and its text.
fn named_dockerfile(root: &Path, path: &Path) -> Result<(String, Option<Vec<u8>>), Error> {
    let failed = |source| Error::Dockerfile {
        path: path.to_owned(),
        source,
    };
    let absolute = std::path::absolute(path).map_err(failed)?;
    let candidate = if absolute.exists() {
        absolute
    } else {
        root.join(path)
    };
    let parent = candidate.parent().unwrap_or(Path::new("/"));
    let parent = fs::canonicalize(parent).map_err(failed)?;
    let file = candidate
        .file_name()
        .ok_or_else(|| failed(io::ErrorKind::IsADirectory.into()))?;
    let place = parent.join(file);
    if let Ok(inside) = place.strip_prefix(root)
        && let Some(name) = slashes(inside)
    {
        fs::metadata(&place).map_err(failed)?;
        return Ok((name, None));
    }
    let contents = fs::read(&place).map_err(failed)?;
    Ok((name_for_added(&contents), Some(contents)))
}

/// A name that no file of the folder has, and that stays the same for the same text.
fn name_for_added(contents: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    contents.hash(&mut hasher);
    format!(".dockerfile.{:020}", hasher.finish())
}

fn read_ignore(root: &Path, dockerfile: Option<&str>) -> Result<Ignore, Error> {
    let own = dockerfile.map(|name| root.join(format!("{name}{IGNORE_FILE}")));
    let general = root.join(IGNORE_FILE);
    for path in own.into_iter().chain([general]) {
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(Error::ReadIgnore { path, source }),
        };
        return Ignore::parse(&String::from_utf8_lossy(&text))
            .map_err(|source| Error::Ignore { path, source });
    }
    Ok(Ignore::default())
}

/// A relative path as an archive writes it; none if it is not text or goes up.
fn slashes(path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = path
        .components()
        .map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    parts.map(|parts| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::is_archive;

    #[test]
    fn an_archive_is_told_from_a_text() {
        let (archive, name) = super::of_dockerfile(b"FROM scratch\n").unwrap();
        assert_eq!(name, "Dockerfile");
        assert!(is_archive(&archive[..512]));
        assert!(is_archive(b"\x1f\x8b\x08\0"));
        assert!(!is_archive(b"FROM scratch\n"));
        assert!(!is_archive(b""));
    }
}
