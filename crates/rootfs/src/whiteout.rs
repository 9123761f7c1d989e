//! How a layer says that something below it is gone: as files with special names in archives, as special
//! files and attributes in the directories that overlayfs mounts.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// What becomes of the whiteouts in an archive, and of an overlay's in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Whiteouts {
    /// They are names like any other.
    #[default]
    Plain,
    /// `.wh.` names in the archive stand for the overlay's own form in the tree.
    Overlay,
}

/// What a name in a layer's archive stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning<'name> {
    /// Itself.
    Name,
    /// The thing of this name below is gone.
    Removed(&'name OsStr),
    /// All that is below the directory is gone.
    Opaque,
    /// Nothing: bookkeeping of an older union file system.
    Ignored,
}

/// The prefix of a name that says that another is gone.
pub(crate) const PREFIX: &str = ".wh.";
/// The name that says that all that is below its directory is gone.
pub(crate) const OPAQUE_NAME: &str = ".wh..wh..opq";

/// What the name of an archive's entry stands for.
pub(crate) fn meaning(name: &OsStr) -> Meaning<'_> {
    let Some(rest) = name.as_bytes().strip_prefix(PREFIX.as_bytes()) else {
        return Meaning::Name;
    };
    if name == OPAQUE_NAME {
        Meaning::Opaque
    } else if rest.starts_with(PREFIX.as_bytes()) {
        Meaning::Ignored
    } else if rest.is_empty() || rest == b"." || rest == b".." || rest.contains(&b'/') {
        // No name that could be gone; making it would be no better.
        Meaning::Ignored
    } else {
        Meaning::Removed(OsStr::from_bytes(rest))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::{Meaning, meaning};

    #[track_caller]
    fn check(name: &str, expect: Meaning<'_>) {
        assert_eq!(meaning(OsStr::new(name)), expect, "{name}");
    }

    #[test]
    fn names_with_the_prefix_have_a_meaning() {
        check("passwd", Meaning::Name);
        check(".wh", Meaning::Name);
        check(".wh.passwd", Meaning::Removed(OsStr::new("passwd")));
        check(".wh..hidden", Meaning::Removed(OsStr::new(".hidden")));
        check(".wh..wh..opq", Meaning::Opaque);
        check(".wh..wh.aufs", Meaning::Ignored);
        check(".wh.", Meaning::Ignored);
        check(".wh..", Meaning::Ignored);
        check(".wh...", Meaning::Ignored);
    }
}
