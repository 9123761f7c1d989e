//! What goes where, by the rules of `docker cp`. Pure.

/// One side of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Side {
    Container { name: String, path: String },
    Local(String),
    Stdio,
}

/// What stands at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Absent,
    File,
    Folder,
}

impl Known {
    /// Something is there.
    pub(super) fn found(is_folder: bool) -> Self {
        if is_folder { Self::Folder } else { Self::File }
    }
}

/// What is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) path: String,
    /// The name that it has at the destination unless it gets another.
    pub(super) name: String,
    pub(super) is_folder: bool,
}

impl Source {
    /// Whether what is in the folder is copied rather than the folder: `path/.`.
    pub(super) fn is_contents(&self) -> bool {
        self.is_folder && (matches!(self.path.as_str(), "." | "/") || self.path.ends_with("/."))
    }
}

/// Where an archive is unpacked, and what its root is called there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placement {
    pub(super) folder: String,
    /// None: as in the archive.
    pub(super) rename: Option<String>,
}

impl Side {
    /// `NAME:PATH` is in a container; what begins with `/` or `.` is here, whatever colons it has.
    pub(super) fn parse(text: &str) -> Self {
        if text == "-" {
            return Self::Stdio;
        }
        if text.starts_with('/') || text.starts_with('.') {
            return Self::Local(text.to_owned());
        }
        match text.split_once(':') {
            Some((name, path)) => Self::Container {
                name: name.to_owned(),
                // A path of a container is one from its root.
                path: if path.starts_with('/') {
                    path.to_owned()
                } else {
                    format!("/{path}")
                },
            },
            None => Self::Local(text.to_owned()),
        }
    }
}

/// Decides where the source goes.
pub(super) fn placement(
    source: &Source,
    destination: &str,
    known: Known,
) -> Result<Placement, String> {
    let (folder, base) = split(destination);
    match known {
        Known::Folder => Ok(Placement {
            folder: destination.to_owned(),
            rename: (!source.is_contents()).then(|| source.name.clone()),
        }),
        Known::File if source.is_folder => Err("cannot copy directory".to_owned()),
        Known::File if destination.ends_with('/') => {
            Err(format!("{destination:?} is not a directory"))
        }
        Known::Absent if !source.is_folder && destination.ends_with('/') => {
            Err(format!("no such directory: {destination:?}"))
        }
        Known::File | Known::Absent => Ok(Placement {
            folder,
            rename: Some(base),
        }),
    }
}

/// The last name of a path.
pub(super) fn base(path: &str) -> String {
    split(path).1
}

fn split(path: &str) -> (String, String) {
    let trimmed = path.trim_end_matches("/.").trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        Some(("", base)) => ("/".to_owned(), base.to_owned()),
        Some((folder, base)) => (folder.to_owned(), base.to_owned()),
        None => (String::new(), trimmed.to_owned()),
    }
}

/// Where a link at `path` points to.
pub(super) fn link_target(path: &str, target: &str) -> String {
    if target.is_empty() {
        path.to_owned()
    } else if target.starts_with('/') {
        target.to_owned()
    } else {
        let folder = split(path).0;
        format!("{}/{target}", folder.trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::{Known, Side, Source, link_target, placement};

    #[track_caller]
    fn check(
        source: (&str, bool),
        destination: (&str, Known),
        expect: Result<(&str, Option<&str>), &str>,
    ) {
        let source = Source {
            path: source.0.to_owned(),
            name: super::base(source.0),
            is_folder: source.1,
        };
        let found = placement(&source, destination.0, destination.1)
            .map(|placement| (placement.folder, placement.rename));
        let expect = expect
            .map(|(folder, rename)| (folder.to_owned(), rename.map(str::to_owned)))
            .map_err(str::to_owned);
        assert_eq!(found, expect);
    }

    #[test]
    fn a_file_goes_into_a_folder_or_takes_a_name() {
        check(
            ("/a/f", false),
            ("/d", Known::Folder),
            Ok(("/d", Some("f"))),
        );
        check(
            ("/a/f", false),
            ("/d/g", Known::Absent),
            Ok(("/d", Some("g"))),
        );
        check(
            ("/a/f", false),
            ("/d/g", Known::File),
            Ok(("/d", Some("g"))),
        );
        check(("/a/f", false), ("g", Known::Absent), Ok(("", Some("g"))));
        check(
            ("/a/f", false),
            ("/d/", Known::Absent),
            Err("no such directory: \"/d/\""),
        );
        check(
            ("/a/f", false),
            ("/d/", Known::File),
            Err("\"/d/\" is not a directory"),
        );
    }

    #[test]
    fn a_folder_goes_into_one_or_becomes_one() {
        check(("/a", true), ("/d", Known::Folder), Ok(("/d", Some("a"))));
        check(("/a/", true), ("/d", Known::Folder), Ok(("/d", Some("a"))));
        check(("/a/.", true), ("/d", Known::Folder), Ok(("/d", None)));
        check(("/", true), ("/d", Known::Folder), Ok(("/d", None)));
        check(
            ("/a", true),
            ("/d/new/", Known::Absent),
            Ok(("/d", Some("new"))),
        );
        check(
            ("/a/.", true),
            ("/d/new", Known::Absent),
            Ok(("/d", Some("new"))),
        );
        check(
            ("/a", true),
            ("/d/f", Known::File),
            Err("cannot copy directory"),
        );
    }

    #[test]
    fn sides_are_told_apart() {
        let container = |name: &str, path: &str| Side::Container {
            name: name.into(),
            path: path.into(),
        };
        assert_eq!(Side::parse("-"), Side::Stdio);
        assert_eq!(Side::parse("c:/a"), container("c", "/a"));
        assert_eq!(Side::parse("c:a:b"), container("c", "/a:b"));
        assert_eq!(Side::parse("./c:/a"), Side::Local("./c:/a".into()));
        assert_eq!(Side::parse("/c:/a"), Side::Local("/c:/a".into()));
        assert_eq!(Side::parse("file"), Side::Local("file".into()));
    }

    #[test]
    fn links_are_relative_to_their_folder() {
        assert_eq!(link_target("/a/l", "t"), "/a/t");
        assert_eq!(link_target("/l", "t"), "/t");
        assert_eq!(link_target("/a/l", "/t"), "/t");
    }
}
