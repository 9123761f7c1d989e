//! Whole trees: removed, copied, seen through an overlay.

use rootfs::{CopyOptions, Kind, Links, Mode, Overlay, Owner, Root, copy};

use crate::Ground;

#[test]
fn trees_deeper_than_any_path_are_removed() {
    let ground = Ground::new();
    let mut here = ground.root();
    // No path names the end of it: each part is 200 characters, a path has 4096 at most.
    for _ in 0..300 {
        let name = "d".repeat(200);
        here.make_directory(&name, Mode(0o755)).unwrap();
        here = here.enter(&name).unwrap();
    }
    here.symlink(ground.outside(), "way").unwrap();
    drop(here);
    ground.root().remove_all("d".repeat(200)).unwrap();
    assert!(ground.root().entries("/").unwrap().is_empty());
    ground.root().remove_all("nothing/there").unwrap();
    ground.assert_untouched();
}

#[test]
fn copies_keep_what_makes_a_file_what_it_is() {
    let ground = Ground::new();
    let root = ground.root();
    let owner = Owner { user: 5, group: 6 };
    root.make_directories("from/dir", Mode(0o750), owner)
        .unwrap();
    std::fs::write(ground.path().join("from/file"), "hello").unwrap();
    root.set_mode("from/file", Mode(0o4755)).unwrap();
    root.set_modified("from/file", 1_000, 5).unwrap();
    root.set_attribute("from/file", c"user.colour", b"blue")
        .unwrap();
    root.hard_link("from/file", "from/dir/hard").unwrap();
    root.symlink(ground.outside(), "from/link").unwrap();
    root.make_node("from/pipe", Kind::Fifo, Mode(0o600), (0, 0))
        .unwrap();
    copy(&root, "from", &root, "to", &CopyOptions::default()).unwrap();
    let file = root.metadata("to/file", Links::Keep).unwrap();
    assert_eq!((file.size, file.mode, file.links), (5, Mode(0o4755), 2));
    assert_eq!(
        (file.modified_seconds, file.modified_nanoseconds),
        (1_000, 5)
    );
    let attributes = root.attributes("to/file").unwrap();
    assert_eq!(attributes.get(c"user.colour"), Some(&b"blue"[..]));
    let directory = root.metadata("to/dir", Links::Keep).unwrap();
    assert_eq!((directory.owner, directory.mode), (owner, Mode(0o750)));
    let link = root.metadata("to/link", Links::Keep).unwrap();
    assert_eq!(link.kind, Kind::Symlink);
    // Once more onto itself, now that a link waits where a directory comes.
    root.remove_all("to/dir").unwrap();
    root.symlink(ground.outside(), "to/dir").unwrap();
    assert!(copy(&root, "from", &root, "to", &CopyOptions::default()).is_err());
    ground.assert_untouched();
}

#[test]
fn an_overlay_is_seen_without_being_mounted_anywhere() {
    let ground = Ground::new();
    let path = |name: &str| {
        let path = ground.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    };
    let (low, high, upper, work) = (path("low,a:b"), path("high"), path("upper"), path("work"));
    std::fs::write(low.join("both"), "low").unwrap();
    std::fs::write(high.join("both"), "high").unwrap();
    std::fs::write(low.join("below"), "low").unwrap();
    let view = Overlay::read_only(vec![high.clone(), low.clone()])
        .mount()
        .unwrap();
    let read =
        |root: &Root, name: &str| std::io::read_to_string(root.open_file(name).unwrap()).unwrap();
    assert_eq!(
        (read(&view, "both"), read(&view, "below")),
        ("high".into(), "low".into())
    );
    assert!(view.create_file("new", Mode(0o644)).is_err());
    let view = Overlay::writable(vec![high, low.clone()], upper.clone(), work)
        .mount()
        .unwrap();
    view.remove("below").unwrap();
    view.create_file("new", Mode(0o644)).unwrap();
    let gone = Root::open(&upper).unwrap();
    assert_eq!(
        gone.metadata("below", Links::Keep).unwrap().kind,
        Kind::CharacterDevice
    );
    assert!(upper.join("new").exists() && low.join("below").exists());
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(upper.to_str().unwrap()));
    let only = Overlay::read_only(vec![low]).mount().unwrap();
    assert_eq!(read(&only, "below"), "low");
}
