//! How much a directory holds.

use std::collections::BTreeSet;
use std::path::Path;

use rootfs::{Kind, Links, Root};

/// What the files beneath `path` hold, in bytes; files with several names once. What is mounted there counts.
pub fn size_of(path: &Path) -> Result<u64, rootfs::Error> {
    let root = Root::open(path)?;
    let mut seen = BTreeSet::new();
    let mut size = 0;
    if root.metadata(".", Links::Keep)?.kind != Kind::Directory {
        return Ok(0);
    }
    let mut walk = root.walk("")?;
    while let Some(found) = walk.find_next() {
        // Files come and go while a container runs.
        let Ok(found) = found else { continue };
        let metadata = found.metadata;
        if metadata.kind == Kind::File && (metadata.links < 2 || seen.insert(metadata.identity)) {
            size += metadata.size;
        }
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::size_of;

    #[test]
    fn hard_links_count_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/one"), [0; 100]).unwrap();
        fs::hard_link(folder.path().join("a/one"), folder.path().join("two")).unwrap();
        fs::write(folder.path().join("three"), [0; 11]).unwrap();
        assert_eq!(size_of(folder.path()).unwrap(), 111);
        assert!(size_of(&folder.path().join("none")).is_err());
    }
}
