//! Environment variables and labels, from the command line and from files. Pure: files' contents and the
//! environment are handed in.

/// The lines of a file of variables: empty ones and comments are left out. `NAME` alone takes its value from
/// `lookup`, and is left out where there is none.
pub(crate) fn file_lines(
    path: &str,
    content: &str,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    for line in content.lines() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (line.trim_end(), None),
        };
        if name.is_empty() {
            return Err(format!(
                "invalid env file ({path}): no variable name on line '{line}'"
            ));
        }
        if name.contains(char::is_whitespace) {
            return Err(format!(
                "invalid env file ({path}): variable '{name}' contains whitespaces"
            ));
        }
        match value {
            Some(value) => lines.push(format!("{name}={value}")),
            None => lines.extend(lookup(name).map(|value| format!("{name}={value}"))),
        }
    }
    Ok(lines)
}

/// One variable of the command line: `NAME=value`, or `NAME` with the value from `lookup`. Without one the bare
/// name is kept: it takes the variable away from the image's.
pub(crate) fn variable(
    text: &str,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    match text.split_once('=') {
        Some(("", _)) => Err(format!("invalid environment variable: {text}")),
        Some(_) => Ok(text.to_owned()),
        None if text.is_empty() => Err(format!("invalid environment variable: {text}")),
        None => Ok(lookup(text).map_or_else(|| text.to_owned(), |value| format!("{text}={value}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{file_lines, variable};

    fn lookup(name: &str) -> Option<String> {
        (name == "HOME").then(|| "/root".to_owned())
    }

    #[track_caller]
    fn check(content: &str, expect: Result<&[&str], &str>) {
        let found = file_lines("f", content, lookup);
        let expect = expect
            .map(|lines| {
                lines
                    .iter()
                    .map(|&line| line.to_owned())
                    .collect::<Vec<_>>()
            })
            .map_err(str::to_owned);
        assert_eq!(found, expect);
    }

    #[test]
    fn a_file_has_a_variable_a_line() {
        check(
            "\u{feff}# no\n\n  A=1\nB= two \nHOME\nNONE\n",
            Ok(&["A=1", "B= two ", "HOME=/root"]),
        );
        check(
            "=x",
            Err("invalid env file (f): no variable name on line '=x'"),
        );
        check(
            "a b=x",
            Err("invalid env file (f): variable 'a b' contains whitespaces"),
        );
    }

    #[test]
    fn a_name_alone_takes_the_value_from_here() {
        assert_eq!(variable("A=b=c", lookup).unwrap(), "A=b=c");
        assert_eq!(variable("HOME", lookup).unwrap(), "HOME=/root");
        assert_eq!(variable("NONE", lookup).unwrap(), "NONE");
        assert!(variable("=x", lookup).is_err());
    }
}
