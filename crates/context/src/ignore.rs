//! What a `.dockerignore` leaves out.
//!
//! A path is left out if the last pattern that matches it, or a folder that it is in, is none with a `!`.

use crate::pattern::Pattern;

/// The patterns of a `.dockerignore`, in their order. The default leaves nothing out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    keeps: bool,
    pattern: Pattern,
}

/// A line that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreError {
    /// A `!` with nothing after it.
    #[error("illegal exclusion pattern: \"!\" (line {line})")]
    NothingAfterExclamation {
        /// Counted from 1.
        line: usize,
    },
    /// A `[` that nothing closes, or the like.
    #[error("syntax error in pattern: {pattern} (line {line})")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// As it is written.
        pattern: String,
    },
}

impl Ignore {
    /// Reads the text of a `.dockerignore`.
    pub fn parse(text: &str) -> Result<Self, IgnoreError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rules = Vec::new();
        for (number, line) in text.lines().enumerate() {
            // A comment starts in the first column: after white space, `#` is part of a name.
            if line.starts_with('#') {
                continue;
            }
            let written = line.trim();
            if written.is_empty() {
                continue;
            }
            let (keeps, pattern) = match written.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, written),
            };
            let line = number + 1;
            if pattern.is_empty() {
                return Err(IgnoreError::NothingAfterExclamation { line });
            }
            let pattern = Pattern::compile(&clean(pattern)).ok_or_else(|| IgnoreError::Syntax {
                line,
                pattern: written.to_owned(),
            })?;
            rules.push(Rule { keeps, pattern });
        }
        Ok(Self { rules })
    }

    /// Keeps this path, whatever else is said of it.
    pub(crate) fn keep(&mut self, path: &str) {
        let escaped: String = path
            .chars()
            .flat_map(|character| {
                let special = matches!(character, '*' | '?' | '[' | ']' | '\\');
                special.then_some('\\').into_iter().chain([character])
            })
            .collect();
        if self.excludes(path)
            && let Some(pattern) = Pattern::compile(&escaped)
        {
            self.rules.push(Rule {
                keeps: true,
                pattern,
            });
        }
    }

    /// Whether it leaves nothing out.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether `path`, relative to the context and with `/` between names, is left out.
    pub fn excludes(&self, path: &str) -> bool {
        let mut excluded = false;
        for rule in &self.rules {
            // Only a rule that would change the answer is of interest.
            if rule.keeps == excluded
                && path_and_parents(path).any(|path| rule.pattern.matches(path))
            {
                excluded = !rule.keeps;
            }
        }
        excluded
    }

    /// Whether something beneath `folder`, which is left out, may nevertheless be kept.
    pub fn may_keep_beneath(&self, folder: &str) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.keeps && rule.pattern.may_match_beneath(folder))
    }
}

/// `a/b/c`, `a/b`, `a`.
fn path_and_parents(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| {
        path.rsplit_once('/').map(|(parent, _)| parent)
    })
}

/// Takes `.`, `..`, doubled slashes and slashes at the ends out of a pattern, by its text.
fn clean(pattern: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in pattern.split('/') {
        match name {
            "" | "." => {}
            // Beyond the context there is nothing: what goes up from its top is that top.
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    names.join("/")
}

#[cfg(test)]
mod tests {
    use super::{Ignore, IgnoreError};
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, excluded: &[&str], kept: &[&str]) {
        let ignore = Ignore::parse(text).unwrap();
        for path in excluded {
            assert!(ignore.excludes(path), "{path} is left out by {text:?}");
        }
        for path in kept {
            assert!(!ignore.excludes(path), "{path} is kept by {text:?}");
        }
    }

    #[test]
    fn patterns_leave_out_what_they_match_and_all_beneath() {
        check("", &[], &["a", "a/b"]);
        check("a", &["a", "a/b", "a/b/c"], &["b", "b/a", "ab"]);
        check("/a/", &["a", "a/b"], &["b/a"]);
        check(
            "*/temp*",
            &["x/temporary.txt", "x/temp/y"],
            &["temp", "x/y/temp"],
        );
        check(
            "**/node_modules",
            &["node_modules/x", "a/b/node_modules/c"],
            &["a/b"],
        );
        check("a/../b", &["b"], &["a"]);
        check("./a//b/", &["a/b"], &["a"]);
        check(".\n/\n", &[], &["a"]);
    }

    #[test]
    fn the_last_that_matches_decides() {
        check("*.md\n!README.md", &["A.md"], &["README.md"]);
        check(
            "*.md\n!README*.md\nREADME-secret.md",
            &["README-secret.md"],
            &["README-x.md"],
        );
        check(
            "*.md\nREADME-secret.md\n!README*.md",
            &[],
            &["README-secret.md"],
        );
        check(
            "dir\n!dir/keep",
            &["dir/other"],
            &["dir/keep", "dir/keep/x"],
        );
        check("*\n!a", &["b"], &["a", "a/b"]);
        check("!a\na", &["a"], &[]);
        check("**\n!**/*.rs", &["a/b.md"], &["a/b.rs", "c.rs"]);
    }

    #[test]
    fn comments_white_space_and_a_byte_order_mark_are_no_patterns() {
        check("\u{feff}# a\n\n   \n  b  \r\n! c\n", &["b"], &["# a", "c"]);
        check(" #a", &["#a"], &["a"]);
    }

    #[test]
    fn what_means_nothing_is_refused_with_its_line() {
        assert_eq!(
            Ignore::parse("a\n!"),
            Err(IgnoreError::NothingAfterExclamation { line: 2 })
        );
        assert_eq!(
            Ignore::parse("# x\n\n[a"),
            Err(IgnoreError::Syntax {
                line: 3,
                pattern: "[a".to_owned()
            })
        );
    }

    #[test]
    fn a_path_can_be_kept_by_its_name() {
        let mut ignore = Ignore::parse("*\n").unwrap();
        ignore.keep("[odd]*");
        assert!(!ignore.excludes("[odd]*"));
        assert!(ignore.excludes("odd"));
    }

    #[test]
    fn folders_that_hold_what_is_kept_are_known() {
        let ignore = Ignore::parse("a\nb\n!a/x/y\n").unwrap();
        assert!(ignore.may_keep_beneath("a"));
        assert!(ignore.may_keep_beneath("a/x"));
        assert!(!ignore.may_keep_beneath("b"));
    }

    proptest! {
        #[test]
        fn what_is_kept_lies_where_it_may(text in "([ab/*!?\\n]{0,20})", path in "[ab](/[ab]){0,3}") {
            let Ok(ignore) = Ignore::parse(&text) else { return Ok(()) };
            if let Some((folder, _)) = path.rsplit_once('/') {
                let lost = ignore.excludes(folder) && !ignore.may_keep_beneath(folder);
                prop_assert!(!lost || ignore.excludes(&path));
            }
        }
    }
}
