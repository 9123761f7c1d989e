//! The name of an image. What is read is written so that it is read the same.
#![no_main]

use model::reference::Reference;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<Reference>() {
        let familiar = reference.familiar();
        let again: Reference = familiar.parse().expect("a familiar name is a name");
        assert_eq!(again, reference, "{text} became {familiar}");
    }
});
