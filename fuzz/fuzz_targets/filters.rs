//! The filters of a list, as a query carries them.
#![no_main]

use model::api::filter::Filters;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(filters) = Filters::parse(text) {
        let _accepted = filters.accept(&["label", "name"]);
        let _flag = filters.flag("dangling");
        filters.any("name", |value| value.is_empty());
    }
});
