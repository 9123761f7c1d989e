//! A Dockerfile, and the substitution of variables in each of its lines.
#![no_main]

use image::dockerfile::{Dockerfile, expand};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = Dockerfile::parse(text) {
        assert!(!error.to_string().is_empty());
        let _hint = error.hint();
    }
    for line in text.lines().take(50) {
        let lookup = |name: &str| (name.len() % 2 == 0).then(|| "a b".to_owned());
        let _word = expand::expand(line, '\\', &lookup);
        let _words = expand::expand_words(line, '`', &lookup);
        let _lines = expand::expand_lines(line, '\\', &lookup);
    }
});
