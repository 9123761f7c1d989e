//! Archives written, and read by ourselves and by others.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use image::{Progress, Store};

use crate::sample::{changes, image_on, store_with};

#[test]
fn what_is_saved_loads_as_the_same_images() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_with(&folder.path().join("one"), "busybox");
    let upper = folder.path().join("upper");
    changes(&upper, "hello");
    let base = store.resolve("busybox").unwrap();
    let image = image_on(&store, &base, &upper);
    store.tag(image.id, &"mine:1".parse().unwrap()).unwrap();
    store.tag(image.id, &"mine:2".parse().unwrap()).unwrap();
    let saved = save(
        &store,
        &folder.path().join("saved.tar"),
        &["mine", "busybox"],
    );
    let other = Store::open(folder.path().join("two")).unwrap();
    let loaded = other
        .load(File::open(&saved).unwrap(), &Progress::none())
        .unwrap();
    assert_eq!(loaded.len(), 2);
    for name in ["mine:1", "mine:2", "busybox:latest"] {
        let (left, right) = (store.resolve(name).unwrap(), other.resolve(name).unwrap());
        assert_eq!(left.id, right.id);
        assert_eq!(left.size, right.size);
    }
    let by_id = save(&store, &folder.path().join("id.tar"), &[&image.id.short()]);
    let third = Store::open(folder.path().join("three")).unwrap();
    let loaded = third
        .load(File::open(by_id).unwrap(), &Progress::none())
        .unwrap();
    assert_eq!((loaded[0].id, loaded[0].names.len()), (image.id, 0));
    let again = save(
        &other,
        &folder.path().join("again.tar"),
        &["mine", "busybox"],
    );
    assert_eq!(
        std::fs::read(saved).unwrap(),
        std::fs::read(again).unwrap(),
        "the same images give the same archive"
    );
}

#[test]
fn skopeo_reads_what_is_saved_in_both_forms() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_with(&folder.path().join("store"), "busybox");
    let id = store.resolve("busybox").unwrap().id;
    let saved = save(&store, &folder.path().join("saved.tar"), &["busybox"]);
    for (number, source) in ["docker-archive", "oci-archive"].iter().enumerate() {
        let copy = folder.path().join(format!("copy-{number}.tar"));
        let output = Command::new("skopeo")
            .args(["copy", "--insecure-policy"])
            .arg(format!("{source}:{}", saved.display()))
            .arg(format!("docker-archive:{}:copied:1", copy.display()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let other = Store::open(folder.path().join(format!("store-{number}"))).unwrap();
        let loaded = other
            .load(File::open(copy).unwrap(), &Progress::none())
            .unwrap();
        assert_eq!(loaded[0].id, id);
        assert_eq!(loaded[0].names[0].familiar(), "copied:1");
        let directories = |store: &Store| {
            let image = store.get(id).unwrap();
            store.layer_directories(image.layers()).unwrap()
        };
        crate::sample::assert_alike(&directories(&store)[0], &directories(&other)[0]);
    }
}

fn save(store: &Store, path: &Path, names: &[&str]) -> std::path::PathBuf {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    store.save(&names, File::create(path).unwrap()).unwrap();
    path.to_owned()
}
