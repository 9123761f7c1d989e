//! Links and `..` that lead out of the root lead nowhere.

use rootfs::{Links, Mode, Owner};

use crate::Ground;

#[test]
fn links_are_resolved_as_in_a_container() {
    let ground = Ground::new();
    let root = ground.root();
    root.symlink(ground.outside(), "absolute").unwrap();
    root.symlink("../../outside", "climbing").unwrap();
    root.symlink("/etc", "settings").unwrap();
    root.make_directory("etc", Mode(0o755)).unwrap();
    root.create_file("etc/passwd", Mode(0o644)).unwrap();
    for link in ["absolute", "climbing"] {
        assert!(root.open_file(format!("{link}/secret")).is_err());
        assert!(
            root.create_file(format!("{link}/new"), Mode(0o644))
                .is_err()
        );
        assert!(
            root.make_directory(format!("{link}/new"), Mode(0o755))
                .is_err()
        );
        assert!(root.remove(format!("{link}/secret")).is_err());
        assert!(root.rename("etc/passwd", format!("{link}/new")).is_err());
        assert!(root.enter(link).is_err());
    }
    assert!(root.open_file("../outside/secret").is_err());
    root.open_file("settings/passwd").unwrap();
    root.open_file("../../settings/passwd").unwrap();
    let canonical = root.canonical("settings/../settings/passwd").unwrap();
    assert_eq!(canonical.to_str(), Some("/etc/passwd"));
    ground.assert_untouched();
}

#[test]
fn the_last_part_of_a_path_is_not_followed_where_something_is_made() {
    let ground = Ground::new();
    let root = ground.root();
    let secret = ground.outside().join("secret");
    root.symlink(&secret, "link").unwrap();
    assert!(root.create_file("link", Mode(0o644)).is_err());
    assert!(root.set_mode("link", Mode(0o777)).is_err());
    root.set_owner("link", Owner { user: 7, group: 7 }).unwrap();
    root.set_modified("link", 1, 0).unwrap();
    root.hard_link("link", "other").unwrap();
    root.replace_file("link", Mode(0o644)).unwrap();
    root.remove_all("other").unwrap();
    let made = root.metadata("link", Links::Keep).unwrap();
    assert_eq!(made.size, 0);
    let outside = rootfs::Root::open(ground.outside()).unwrap();
    let outside = outside.metadata("secret", Links::Keep).unwrap();
    assert_eq!(outside.owner, Owner::ROOT);
    assert_ne!(outside.modified_seconds, 1);
    ground.assert_untouched();
}

#[test]
fn the_kernels_own_links_are_not_followed() {
    let root = rootfs::Root::open("/proc").unwrap();
    assert!(root.open_file("self/exe").is_err());
    assert!(root.enter("self/root").is_err());
    assert!(root.enter("self/cwd").is_err());
}

#[test]
fn nothing_that_is_no_file_is_opened() {
    let ground = Ground::new();
    let root = ground.root();
    root.make_node("pipe", rootfs::Kind::Fifo, Mode(0o600), (0, 0))
        .unwrap();
    root.make_node("zero", rootfs::Kind::CharacterDevice, Mode(0o666), (1, 5))
        .unwrap();
    assert!(root.open_file("pipe").is_err(), "it would wait for ever");
    assert!(root.open_file("zero").is_err(), "it would never end");
    assert!(root.open_file("/").is_err());
}
