//! A `.dockerignore`, and paths that it is asked about.
#![no_main]

use context::Ignore;

libfuzzer_sys::fuzz_target!(|input: (&str, Vec<&str>)| {
    let (text, paths) = input;
    if let Ok(ignore) = Ignore::parse(text) {
        for path in paths.into_iter().take(20) {
            ignore.excludes(path);
            ignore.may_keep_beneath(path);
        }
    }
});
