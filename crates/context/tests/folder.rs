//! Folders of a disk as contexts.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not as it expects"
)]

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
};

use context::{Context, Dockerfile, Error};

/// Name to kind and content or target, of all in an archive.
fn listed(archive: &[u8]) -> BTreeMap<String, String> {
    tar::Archive::new(archive)
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let link = entry.link_name().unwrap().map(std::borrow::Cow::into_owned);
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let kind = entry.header().entry_type();
            let what = match link {
                Some(target) if kind.is_hard_link() => format!("link {}", target.display()),
                Some(target) => format!("symlink {}", target.display()),
                None if kind.is_dir() => "folder".to_owned(),
                None => format!("file {text}"),
            };
            (name, what)
        })
        .collect()
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, contents) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    folder
}

fn pack(folder: &Path, dockerfile: Dockerfile) -> (Vec<u8>, String) {
    let context = Context::open(folder, dockerfile).unwrap();
    let mut archive = Vec::new();
    let mut last = 0;
    let size = context.pack(&mut archive, |bytes| last = bytes).unwrap();
    assert_eq!((size, last), (archive.len() as u64, archive.len() as u64));
    (archive, context.dockerfile().to_owned())
}

#[test]
fn a_folder_is_packed_as_it_is() {
    let folder = folder(&[
        ("Dockerfile", "FROM scratch\n"),
        ("a/b/c", "deep"),
        ("z", ""),
    ]);
    let path = folder.path();
    fs::hard_link(path.join("z"), path.join("y")).unwrap();
    symlink("/etc/passwd", path.join("out")).unwrap();
    let _socket = UnixListener::bind(path.join("socket")).unwrap();
    let long = "n".repeat(200);
    fs::create_dir(path.join(&long)).unwrap();
    symlink("t".repeat(300), path.join(&long).join("link")).unwrap();

    let (archive, name) = pack(path, Dockerfile::Default);
    assert_eq!(name, "Dockerfile");
    let files = listed(&archive);
    assert_eq!(files["Dockerfile"], "file FROM scratch\n");
    assert_eq!(files["a/b/c"], "file deep");
    assert_eq!(files["a/b/"], "folder");
    assert_eq!(files["y"], "file ");
    assert_eq!(files["z"], "link y");
    assert_eq!(files["out"], "symlink /etc/passwd");
    assert_eq!(
        files[&format!("{long}/link")],
        format!("symlink {}", "t".repeat(300))
    );
    assert!(!files.contains_key("socket"));
    assert_eq!(
        pack(path, Dockerfile::Default).0,
        archive,
        "the same bytes again"
    );
}

#[test]
fn what_is_ignored_stays_but_the_dockerfile_goes() {
    let folder = folder(&[
        ("Dockerfile", "FROM scratch\n"),
        (".dockerignore", "*\n!keep/this\n"),
        ("secret", "x"),
        ("keep/this", "kept"),
        ("keep/that", "x"),
    ]);
    let (archive, _) = pack(folder.path(), Dockerfile::Default);
    let names: Vec<_> = listed(&archive).into_keys().collect();
    assert_eq!(names, [".dockerignore", "Dockerfile", "keep/this"]);
}

#[test]
fn a_dockerfile_may_have_its_own_ignore_file() {
    let folder = folder(&[
        ("docker/app", "FROM scratch\n"),
        ("docker/app.dockerignore", "b\n"),
        (".dockerignore", "a\n"),
        ("a", ""),
        ("b", ""),
    ]);
    let (archive, name) = pack(folder.path(), Dockerfile::Path("docker/app".into()));
    assert_eq!(name, "docker/app");
    let files = listed(&archive);
    assert!(files.contains_key("a") && !files.contains_key("b"));
}

#[test]
fn a_dockerfile_may_lie_outside_or_come_from_nowhere() {
    let outside = folder(&[("Other", "FROM other\n")]);
    let folder = folder(&[("a", ""), (".dockerignore", "*")]);
    for source in [
        Dockerfile::Path(outside.path().join("Other")),
        Dockerfile::Contents(b"FROM other\n".to_vec()),
    ] {
        let (archive, name) = pack(folder.path(), source);
        assert!(name.starts_with(".dockerfile."));
        assert_eq!(listed(&archive)[&name], "file FROM other\n");
    }
}

#[test]
fn what_is_missing_is_said() {
    let folder = folder(&[("a", "")]);
    let open = |path: &Path, dockerfile| Context::open(path, dockerfile).unwrap_err();
    assert!(matches!(
        open(&folder.path().join("nowhere"), Dockerfile::Default),
        Error::Folder { .. }
    ));
    assert!(matches!(
        open(&folder.path().join("a"), Dockerfile::Default),
        Error::Folder { .. }
    ));
    assert!(matches!(
        open(folder.path(), Dockerfile::Default),
        Error::Dockerfile { .. }
    ));
    assert!(matches!(
        open(folder.path(), Dockerfile::Path("nowhere".into())),
        Error::Dockerfile { .. }
    ));
    fs::write(folder.path().join("Dockerfile"), "").unwrap();
    fs::write(folder.path().join(".dockerignore"), "[").unwrap();
    assert!(matches!(
        open(folder.path(), Dockerfile::Default),
        Error::Ignore { .. }
    ));
}

#[test]
fn a_reader_that_goes_away_ends_the_packing() {
    struct Gone;
    impl io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let folder = folder(&[("Dockerfile", "FROM scratch\n")]);
    let context = Context::open(folder.path(), Dockerfile::Default).unwrap();
    assert!(matches!(context.pack(Gone, |_| ()), Err(Error::Write(_))));
}
