//! An archive, read to its end.
#![no_main]

use std::io::Read as _;

use rootfs::tar::Reader;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    while let Ok(Some(header)) = reader.next_entry() {
        assert!(header.path.len() <= bytes.len());
        let mut content = Vec::new();
        let _read = (&mut reader).take(1 << 20).read_to_end(&mut content);
    }
});
