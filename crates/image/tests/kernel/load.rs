//! Loading, and what it leaves.

use image::Store;

use crate::sample::store_with;

#[test]
fn a_loaded_image_is_there_and_its_archive_comes_out_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_with(folder.path(), "busybox");
    let image = store.resolve("busybox").unwrap();
    assert_eq!(store.list().len(), 1);
    let directories = store.layer_directories(image.layers()).unwrap();
    assert!(directories.iter().all(|directory| directory.is_dir()));
    assert!(directories[0].join("bin/busybox").is_file());
    for layer in image.layers() {
        store.write_archive(*layer, std::io::sink()).unwrap();
    }
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.resolve(&image.id.short()).unwrap(), image);
    assert_eq!(
        store.names_of(image.id).tags[0].familiar(),
        "busybox:latest"
    );
}
