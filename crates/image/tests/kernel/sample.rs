//! Images to try things with.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use image::{Progress, Store};

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
