//! The body of a request to make a container. What is read is written again the same.
#![no_main]

use model::api::container::Create;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(create) = serde_json::from_slice::<Create>(bytes) {
        let text = serde_json::to_string(&create).expect("it was JSON");
        let again: Create = serde_json::from_str(&text).expect("what is written can be read");
        assert_eq!(serde_json::to_string(&again).expect("it was JSON"), text);
    }
});
