//! Images to try things with.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use image::{Config, ConfigRootFs, Image, Progress, Store};
use rootfs::{Kind, Links, Mode, Root};
use sha2::{Digest as _, Sha256};

/// The archive of a test image, made if it is not there yet.
pub(crate) fn archive(name: &str) -> PathBuf {
    let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/test-images");
    let output = Command::new(tool).arg(name).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// A store with the test image `name` in it.
pub(crate) fn store_with(root: &Path, name: &str) -> Store {
    let store = Store::open(root).unwrap();
    let file = File::open(archive(name)).unwrap();
    store.load(file, &Progress::none()).unwrap();
    store
}

/// A directory as an overlay leaves it: a file, a changed owner, a whiteout, an opaque directory, a hard link, an
/// attribute.
pub(crate) fn changes(path: &Path, contents: &str) {
    std::fs::create_dir(path).unwrap();
    let root = Root::open(path).unwrap();
    root.make_directories("etc/app", Mode(0o750), rootfs::Owner { user: 7, group: 8 })
        .unwrap();
    std::fs::write(path.join("etc/app/settings"), contents).unwrap();
    root.hard_link("etc/app/settings", "etc/other").unwrap();
    root.set_attribute("etc/app/settings", c"user.colour", b"blue")
        .unwrap();
    root.make_node("etc/gone", Kind::CharacterDevice, Mode(0), (0, 0))
        .unwrap();
    root.make_directory("opaque", Mode(0o755)).unwrap();
    root.set_attribute("opaque", c"trusted.overlay.opaque", b"y")
        .unwrap();
    root.symlink("/etc/app", "link").unwrap();
    root.make_node("pipe", Kind::Fifo, Mode(0o600), (0, 0))
        .unwrap();
}

/// Whether two trees are alike in all that an archive keeps.
#[track_caller]
pub(crate) fn assert_alike(left: &Path, right: &Path) {
    let (left, right) = (listing(left), listing(right));
    assert_eq!(left, right);
}

/// Every path of a tree, with what is known of it.
pub(crate) fn listing(path: &Path) -> Vec<String> {
    let root = Root::open(path).unwrap();
    let mut lines = Vec::new();
    let mut walk = root.walk("/").unwrap();
    while let Some(found) = walk.find_next() {
        let found = found.unwrap();
        let metadata = found.metadata;
        let detail = match metadata.kind {
            Kind::File => {
                let data = std::fs::read(path.join(found.path)).unwrap();
                format!("{:?}", Sha256::digest(data))
            }
            Kind::Symlink => found.read_link().unwrap().display().to_string(),
            _ => String::new(),
        };
        let size = if metadata.kind == Kind::File {
            metadata.size
        } else {
            0
        };
        lines.push(format!(
            "{} {:?} {:?} {:?} {size} {} {:?} {detail} {:?}",
            found.path.display(),
            metadata.kind,
            metadata.mode,
            metadata.owner,
            metadata.modified_seconds,
            metadata.device,
            found.attributes().unwrap(),
        ));
    }
    assert!(root.metadata("/", Links::Keep).is_ok());
    lines
}

/// An image of these layers on top of another image's.
pub(crate) fn image_on(store: &Store, parent: &Image, changes: &Path) -> Arc<Image> {
    let layer = store.adopt_layer(changes).unwrap();
    let mut config: Config = parent.config.clone();
    let mut diff_ids = parent.layers().to_vec();
    diff_ids.push(layer.diff_id);
    config.rootfs = ConfigRootFs {
        diff_ids,
        ..ConfigRootFs::default()
    };
    store.put_image(&config, Some(parent.id)).unwrap()
}
