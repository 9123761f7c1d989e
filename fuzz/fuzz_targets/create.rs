//! The body of a request to make a container. What is written of it can be read.
#![no_main]

use model::api::container::Create;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(create) = serde_json::from_slice::<Create>(bytes) {
        let text = serde_json::to_string(&create).expect("it was JSON");
        let _again: Create = serde_json::from_str(&text).expect("what is written can be read");
    }
});
