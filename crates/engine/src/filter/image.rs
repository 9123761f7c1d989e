//! The filters of the list of images. Pure: the facts about each image are handed in.

use std::collections::BTreeMap;

use jiff::Timestamp;

use model::api::filter::{Filters, InvalidFilters};

use super::{moment_of, single};

const KNOWN: &[&str] = &["before", "dangling", "label", "reference", "since", "until"];

/// Which images a client wants to see.
#[derive(Debug, Clone, Default)]
pub struct ImageFilter {
    filters: Filters,
    dangling: Option<bool>,
    until: Option<Timestamp>,
}

/// What the filters look at in one image.
#[derive(Debug, Clone)]
pub struct ImageFacts<'a> {
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
    /// Whether it has no tag.
    pub dangling: bool,
}

/// When the images were made that `before` and `since` name, looked up by the caller.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context {
    /// All shown ones are older.
    pub before: Option<Timestamp>,
    /// All shown ones are younger.
    pub since: Option<Timestamp>,
}

impl ImageFilter {
    /// Reads the filters of a request; `until` may be a time ago.
    pub fn of(filters: Filters, now: Timestamp) -> Result<Self, InvalidFilters> {
        filters.accept(KNOWN)?;
        let until = moment_of(&filters, "until", now)?;
        Ok(Self {
            dangling: filters.flag("dangling")?,
            until,
            filters,
        })
    }

    /// The image that all shown ones are older than.
    pub fn before(&self) -> Result<Option<&str>, InvalidFilters> {
        single(&self.filters, "before")
    }

    /// The image that all shown ones are younger than.
    pub fn since(&self) -> Result<Option<&str>, InvalidFilters> {
        single(&self.filters, "since")
    }

    /// Whether this image is wanted, its references apart.
    pub fn wants(&self, facts: &ImageFacts<'_>, context: Context) -> bool {
        self.dangling.is_none_or(|wanted| wanted == facts.dangling)
            && self.until.is_none_or(|until| facts.created < until)
            && context.before.is_none_or(|before| facts.created < before)
            && context.since.is_none_or(|since| facts.created > since)
            && self.filters.labels("label", facts.labels)
    }

    /// Whether only images with certain references are wanted.
    pub fn by_reference(&self) -> bool {
        self.filters.contains("reference")
    }

    /// Whether the reference, in its short form `name:tag`, is wanted.
    pub fn wants_reference(&self, familiar: &str) -> bool {
        let name = familiar.split_once('@').map_or(familiar, |(name, _)| name);
        let name = match name.rsplit_once(':') {
            Some((before, tag)) if !tag.contains('/') => before,
            _ => name,
        };
        (self.filters).any("reference", |pattern| {
            path_matches(pattern, familiar) || path_matches(pattern, name)
        })
    }
}

/// Shell patterns over paths: `*` and `?` stop at slashes; `[a-z]` and `[^a]`; a backslash quotes.
pub fn path_matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    matches_from(&pattern, &text)
}

fn matches_from(mut pattern: &[char], mut text: &[char]) -> bool {
    // Where to go on after the last star: its rest of the pattern, and the text that it has not eaten yet.
    let mut star: Option<(&[char], &[char])> = None;
    loop {
        if let ['*', rest @ ..] = pattern {
            star = Some((rest, text));
            pattern = rest;
            continue;
        }
        if pattern.is_empty() && text.is_empty() {
            return true;
        }
        if let Some((rest, character)) = text.split_first().map(|(first, rest)| (rest, *first))
            && let Some(after) = matches_one(pattern, character)
        {
            (pattern, text) = (after, rest);
            continue;
        }
        // One more character for the star, which may be anything but a slash.
        match star {
            Some((rest, [first, eaten @ ..])) if *first != '/' => {
                star = Some((rest, eaten));
                (pattern, text) = (rest, eaten);
            }
            _ => return false,
        }
    }
}

/// The pattern after its first element, if that matches `character`.
fn matches_one(pattern: &[char], character: char) -> Option<&[char]> {
    match pattern {
        ['?', rest @ ..] => (character != '/').then_some(rest),
        ['\\', quoted, rest @ ..] => (*quoted == character).then_some(rest),
        ['[', class @ ..] => {
            let end = class.iter().skip(1).position(|next| *next == ']')? + 1;
            let (class, rest) = (&class[..end], &class[end + 1..]);
            let (negated, class) = match class {
                ['^', class @ ..] => (true, class),
                class => (false, class),
            };
            let mut within = false;
            let mut left = class;
            while let [first, others @ ..] = left {
                if let ['-', last, others @ ..] = others {
                    within |= (*first..=*last).contains(&character);
                    left = others;
                } else {
                    within |= *first == character;
                    left = others;
                }
            }
            (within != negated && character != '/').then_some(rest)
        }
        [first, rest @ ..] => (*first == character).then_some(rest),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::{Context, ImageFacts, ImageFilter, path_matches};
    use model::api::filter::Filters;

    fn filter(text: &str) -> ImageFilter {
        let now = Timestamp::from_second(10_000).unwrap();
        ImageFilter::of(Filters::parse(text).unwrap(), now).unwrap()
    }

    #[track_caller]
    fn check(filters: &str, expect: bool) {
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let facts = ImageFacts {
            labels: &labels,
            created: Timestamp::from_second(5_000).unwrap(),
            dangling: true,
        };
        assert_eq!(
            filter(filters).wants(&facts, Context::default()),
            expect,
            "{filters}"
        );
    }

    #[test]
    fn images_are_filtered() {
        check("{}", true);
        check(r#"{"dangling":["true"]}"#, true);
        check(r#"{"dangling":["false"]}"#, false);
        check(r#"{"label":["a"]}"#, true);
        check(r#"{"label":["a=c"]}"#, false);
        check(r#"{"until":["1h"]}"#, true);
        check(r#"{"until":["2h"]}"#, false);
    }

    #[test]
    fn references_match_patterns() {
        let check = |pattern: &str, reference: &str, expect: bool| {
            let filter = filter(&format!(r#"{{"reference":["{pattern}"]}}"#));
            assert_eq!(
                filter.wants_reference(reference),
                expect,
                "{pattern} {reference}"
            );
        };
        check("nginx", "nginx:1", true);
        check("nginx:1", "nginx:1", true);
        check("nginx:2", "nginx:1", false);
        check("ng*", "nginx:1", true);
        check("*:1", "nginx:1", true);
        check("*", "team/nginx:1", false);
        check("*/*", "team/nginx:1", true);
        check("host:5000/nginx", "host:5000/nginx:1", true);
    }

    #[test]
    fn patterns_are_those_of_paths() {
        assert!(path_matches("a[b-d]e", "ace"));
        assert!(!path_matches("a[^b-d]e", "ace"));
        assert!(path_matches("a?c", "abc"));
        assert!(!path_matches("a?c", "a/c"));
        assert!(path_matches("*a*b*", "xxaxxbxx"));
        assert!(!path_matches("*a*b", "xxaxxbxx"));
        assert!(path_matches("\\*", "*"));
        assert!(path_matches("", ""));
        assert!(!path_matches("[", "["));
        // Exponential in a naive matcher.
        assert!(!path_matches(&"*a".repeat(50), &"a".repeat(49)));
    }
}
