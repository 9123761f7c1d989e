//! An archive, extracted beneath a folder: nothing beside the folder changes.
#![no_main]

use std::fs;

use rootfs::{ExtractOptions, Root};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let inside = folder.path().join("inside");
    fs::create_dir(&inside).expect("the folder is empty");
    fs::write(folder.path().join("beside"), "kept").expect("the folder is empty");
    let root = Root::open(&inside).expect("it was just made");
    let _extracted = rootfs::extract(bytes, &root, &ExtractOptions::default());
    assert_eq!(fs::read(folder.path().join("beside")).expect("it is still there"), b"kept");
    assert_eq!(fs::read_dir(folder.path()).expect("it is a folder").count(), 2);
});
