//! What a `COPY` names: patterns to paths beneath a root, and digests of what is there.

use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use blake3::{Hash, Hasher};
use rootfs::{Kind, Links, Root};

use super::context::{clean, internal};
use crate::error::{Error, Result};

/// A file or folder to be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Where it really is beneath its root, links followed.
    pub(super) path: PathBuf,
    /// The name that it has in a folder that it is copied to.
    pub(super) name: OsString,
    /// Whether it is a folder, whose contents are meant.
    pub(super) is_folder: bool,
}

/// Finds what these patterns mean. `instruction` is for messages.
pub(super) fn sources(root: &Root, patterns: &[String], instruction: &str) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    for pattern in patterns {
        let before = found.len();
        for path in expanded(root, pattern, instruction)? {
            found.push(source(root, &path, pattern, instruction)?);
        }
        if found.len() == before {
            return Err(Error::bad_parameter(format!(
                "{instruction} failed: no source files were specified"
            )));
        }
    }
    Ok(found)
}

fn source(root: &Root, path: &Path, pattern: &str, instruction: &str) -> Result<Source> {
    let real = root.canonical(path).map_err(|error| {
        if error.is_not_found() {
            Error::bad_parameter(format!(
                "{instruction} failed: file not found in build context or excluded by .dockerignore: stat {pattern}: file does not exist"
            ))
        } else {
            Error::bad_parameter(format!("{instruction} failed: {pattern}: {error}"))
        }
        .because(error)
    })?;
    let metadata = root.metadata(&real, Links::Keep).map_err(internal)?;
    Ok(Source {
        name: path.file_name().unwrap_or_default().to_owned(),
        is_folder: metadata.kind == Kind::Directory,
        path: real,
    })
}

/// The paths that a pattern with `*`, `?` and `[` matches, in their order; a path without them is itself.
fn expanded(root: &Root, pattern: &str, instruction: &str) -> Result<Vec<PathBuf>> {
    if climbs(pattern) {
        return Err(Error::bad_parameter(format!(
            "{instruction} failed: forbidden path outside the build context: {pattern} ()"
        )));
    }
    let cleaned = clean(OsStr::new(pattern));
    if !pattern.contains(['*', '?', '[']) {
        return Ok(vec![cleaned]);
    }
    let mut paths = vec![PathBuf::new()];
    for part in &cleaned {
        let part = part.to_string_lossy();
        if !part.contains(['*', '?', '[', '\\']) {
            for path in &mut paths {
                path.push(&*part);
            }
            continue;
        }
        let mut longer = Vec::new();
        for path in paths {
            // Only folders have something in them, and a link is none.
            let is_folder = root
                .metadata(&path, Links::Keep)
                .is_ok_and(|metadata| metadata.kind == Kind::Directory);
            if !is_folder {
                continue;
            }
            for entry in root.entries(&path).map_err(internal)? {
                let matches = context::name_matches(&part, &entry.name.to_string_lossy());
                match matches {
                    None => {
                        return Err(Error::bad_parameter(format!(
                            "{instruction} failed: syntax error in pattern: {pattern}"
                        )));
                    }
                    Some(true) => longer.push(path.join(&entry.name)),
                    Some(false) => {}
                }
            }
        }
        paths = longer;
    }
    // What comes after a pattern need not be there for each match.
    paths.retain(|path| root.exists(path).unwrap_or(false));
    Ok(paths)
}

/// Whether a path goes above where it starts.
fn climbs(pattern: &str) -> bool {
    let mut depth = 0_i64;
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

/// A digest of what is at `path` beneath `root`: kinds, permissions, names and contents, but no times and owners.
pub(super) fn digest(root: &Root, path: &Path) -> Result<Hash> {
    let mut hasher = Hasher::new();
    let metadata = root.metadata(path, Links::Keep).map_err(internal)?;
    add(
        &mut hasher,
        b"",
        &metadata,
        || root.open_file(path),
        || root.read_link(path),
    )?;
    if metadata.kind == Kind::Directory {
        let mut walk = root.walk(path).map_err(internal)?;
        while let Some(found) = walk.find_next() {
            let found = found.map_err(internal)?;
            let name = found.path.as_os_str().as_bytes().to_vec();
            add(
                &mut hasher,
                &name,
                &found.metadata,
                || found.open_file(),
                || found.read_link(),
            )?;
        }
    }
    Ok(hasher.finalize())
}

fn add(
    hasher: &mut Hasher,
    name: &[u8],
    metadata: &rootfs::Metadata,
    open: impl FnOnce() -> Result<std::fs::File, rootfs::Error>,
    read_link: impl FnOnce() -> Result<PathBuf, rootfs::Error>,
) -> Result<()> {
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(name);
    let size = if metadata.kind == Kind::File {
        metadata.size
    } else {
        0
    };
    part(
        format!(
            "{:?} {:o} {size} {:?}",
            metadata.kind, metadata.mode.0, metadata.device
        )
        .as_bytes(),
    );
    match metadata.kind {
        Kind::Symlink => part(read_link().map_err(internal)?.as_os_str().as_bytes()),
        Kind::File => {
            let mut file = open().map_err(internal)?;
            let mut buffer = vec![0; 128 * 1024];
            loop {
                let count = file
                    .read(&mut buffer)
                    .map_err(|cause| Error::io("read a file to copy", cause))?;
                if count == 0 {
                    break;
                }
                hasher.update(&buffer[..count]);
            }
        }
        Kind::Directory | Kind::CharacterDevice | Kind::BlockDevice | Kind::Fifo | Kind::Socket => {
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use rootfs::Root;

    use super::{digest, sources};

    fn folder() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::create_dir_all(path.join("a/b")).unwrap();
        for name in ["x.txt", "y.txt", "z", "a/b/c.txt"] {
            fs::write(path.join(name), name).unwrap();
        }
        symlink("/z", path.join("inside")).unwrap();
        symlink("../../../../etc", path.join("outside")).unwrap();
        let root = Root::open(path).unwrap();
        (folder, root)
    }

    fn names(root: &Root, patterns: &[&str]) -> Result<Vec<String>, String> {
        let patterns: Vec<_> = patterns
            .iter()
            .map(|pattern| (*pattern).to_owned())
            .collect();
        sources(root, &patterns, "COPY")
            .map(|sources| {
                sources
                    .iter()
                    .map(|source| format!("{} {}", source.path.display(), source.name.display()))
                    .collect()
            })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn patterns_find_paths_in_their_order() {
        let (_folder, root) = folder();
        let found = |patterns: &[&str]| names(&root, patterns).unwrap();
        assert_eq!(found(&["z"]), ["/z z"]);
        assert_eq!(found(&["/a/./b/"]), ["/a/b b"]);
        assert_eq!(found(&["*.txt"]), ["/x.txt x.txt", "/y.txt y.txt"]);
        assert_eq!(found(&["*/b/c.txt"]), ["/a/b/c.txt c.txt"]);
        assert_eq!(found(&["."]), ["/ "]);
        assert_eq!(found(&["inside"]), ["/z inside"]);
    }

    #[test]
    fn nothing_outside_is_found() {
        let (_folder, root) = folder();
        let failed = |pattern: &str| names(&root, &[pattern]).unwrap_err();
        assert_eq!(
            failed("../x"),
            "COPY failed: forbidden path outside the build context: ../x ()"
        );
        assert_eq!(
            failed("nothing"),
            "COPY failed: file not found in build context or excluded by .dockerignore: stat nothing: file does not exist"
        );
        assert!(failed("outside/passwd").contains("file does not exist"));
        assert_eq!(
            failed("*.md"),
            "COPY failed: no source files were specified"
        );
        assert!(failed("a/[").contains("syntax error in pattern"));
    }

    #[test]
    fn a_digest_is_of_contents_and_not_of_times() {
        let (one_folder, one) = folder();
        let (_other_folder, other) = folder();
        let of = |root: &Root, path: &str| digest(root, Path::new(path)).unwrap();
        assert_eq!(of(&one, "/"), of(&other, "/"));
        fs::write(one_folder.path().join("a/b/c.txt"), "changed").unwrap();
        assert_ne!(of(&one, "a"), of(&other, "a"));
        assert_eq!(of(&one, "z"), of(&other, "z"));
    }
}
