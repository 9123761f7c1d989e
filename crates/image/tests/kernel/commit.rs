//! Layers made of changes.

use image::archive::Import;
use image::{Progress, Store};

use crate::sample::{assert_alike, changes, image_on, listing, store_with};

#[test]
fn an_adopted_layer_is_moved_and_packs_to_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    let (upper, copy) = (folder.path().join("upper"), folder.path().join("copy"));
    changes(&upper, "hello");
    let before = listing(&upper);
    let committed = store.commit_layer(&upper).unwrap();
    assert_eq!(listing(&upper), before, "a commit leaves the changes alone");
    let adopted = store.adopt_layer(&upper).unwrap();
    assert!(!upper.exists(), "an adoption takes the changes");
    assert_eq!(committed.diff_id, adopted.diff_id);
    assert_eq!(adopted.size, 5, "a file counts once, whatever names it has");
    let directory = &store.layer_directories(&[adopted.diff_id]).unwrap()[0];
    assert_eq!(listing(directory), before);
    let mut archive = Vec::new();
    store.write_archive(adopted.diff_id, &mut archive).unwrap();
    std::fs::create_dir(&copy).unwrap();
    let options = rootfs::ExtractOptions {
        whiteouts: rootfs::Whiteouts::Overlay,
        ..rootfs::ExtractOptions::default()
    };
    let root = rootfs::Root::open(&copy).unwrap();
    rootfs::extract(archive.as_slice(), &root, &options).unwrap();
    assert_alike(directory, &copy);
}

#[test]
fn a_layer_that_was_changed_on_disk_is_not_handed_out_as_if_it_were_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_with(&folder.path().join("store"), "busybox");
    let layer = store.resolve("busybox").unwrap().layers()[0];
    let directory = &store.layer_directories(&[layer]).unwrap()[0];
    let root = rootfs::Root::open(directory).unwrap();
    let file = root.walk("/").map(|mut walk| {
        while let Some(found) = walk.find_next() {
            let found = found.unwrap();
            if found.metadata.kind == rootfs::Kind::File && found.metadata.size > 0 {
                return found.path.to_owned();
            }
        }
        panic!("a file")
    });
    let path = directory.join(file.unwrap());
    let mut data = std::fs::read(&path).unwrap();
    data[0] ^= 1;
    std::fs::write(&path, data).unwrap();
    let error = store.write_archive(layer, std::io::sink()).unwrap_err();
    assert!(
        matches!(error, image::Error::LayerChanged { .. }),
        "{error}"
    );
}

#[test]
fn layers_and_images_made_here_outlive_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let store = store_with(&root, "busybox");
    let upper = folder.path().join("upper");
    changes(&upper, "hello");
    let parent = store.resolve("busybox").unwrap();
    let image = image_on(&store, &parent, &upper);
    store.remember_step("step", image.id).unwrap();
    store.settle().unwrap();
    drop(store);
    std::fs::create_dir(root.join("layers/half")).unwrap();
    std::fs::write(root.join("incoming/half"), "made").unwrap();
    let store = Store::open(&root).unwrap();
    assert_eq!(store.get(image.id).as_ref(), Some(&image));
    assert_eq!(store.remembered_step("step"), Some(image.clone()));
    assert_eq!(store.children_of(parent.id), [image.id]);
    assert!(!root.join("layers/half").exists());
    assert!(!root.join("incoming/half").exists());
    let history = store.history(&image);
    assert_eq!(history[0].id, image.id.to_string());
}

#[test]
fn a_root_is_imported() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    let upper = folder.path().join("upper");
    changes(&upper, "hello");
    let mut archive = Vec::new();
    let root = rootfs::Root::open(&upper).unwrap();
    rootfs::pack(&root, "/", &mut archive, &rootfs::PackOptions::default()).unwrap();
    let import = Import {
        comment: "by hand".to_owned(),
        ..Import::default()
    };
    let compressed = zstd::encode_all(archive.as_slice(), 1).unwrap();
    let image = store
        .import(compressed.as_slice(), &import, &Progress::none())
        .unwrap();
    assert_eq!(image.config.os, "linux");
    assert_eq!(image.config.history[0].comment, "by hand");
    assert_eq!(image.size, 5);
    let error = store.import([1_u8; 700].as_slice(), &import, &Progress::none());
    assert!(error.is_err());
    assert_eq!(store.list().len(), 1);
}
