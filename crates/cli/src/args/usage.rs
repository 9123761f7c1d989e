//! What is said of arguments that make no sense, in the words of Docker's clients. Pure.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use super::help;
use crate::failure::{Failure, OUR_ERROR};

/// Makes a failure of what `clap` found.
pub(crate) fn failure(
    definitions: &Command,
    arguments: &[OsString],
    error: &clap::Error,
) -> Failure {
    let place = Place::of(definitions, arguments);
    match error.kind() {
        ErrorKind::DisplayHelp => Failure::Answer(help::render(definitions, &place.path)),
        ErrorKind::MissingRequiredArgument
        | ErrorKind::TooFewValues
        | ErrorKind::WrongNumberOfValues
            if needs_positional(place.command, error) =>
        {
            place.arity()
        }
        ErrorKind::UnknownArgument => match text(error, ContextKind::InvalidArg) {
            Some(word) if word.starts_with('-') => place.unknown_flag(&word, error),
            Some(word) if place.command.has_subcommands() => place.unknown_command(&word),
            _ => place.arity(),
        },
        ErrorKind::InvalidSubcommand => {
            let word = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            place.unknown_command(&word)
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => place.invalid_value(error),
        ErrorKind::NoEquals
        | ErrorKind::TooManyValues
        | ErrorKind::MissingRequiredArgument
        | ErrorKind::TooFewValues
        | ErrorKind::WrongNumberOfValues => {
            let flag = text(error, ContextKind::InvalidArg).unwrap_or_default();
            let flag = flag
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned();
            place.flag_error(&format!("flag needs an argument: {flag}"))
        }
        _ => place.flag_error(error.to_string().trim()),
    }
}

/// The path of a command's names, `container ls`, without the program's, as far as `arguments` lead.
pub(crate) fn command_path(definitions: &Command, arguments: &[OsString]) -> Vec<String> {
    Place::of(definitions, arguments).path
}

struct Place<'definitions> {
    program: String,
    path: Vec<String>,
    command: &'definitions Command,
}

impl<'definitions> Place<'definitions> {
    fn of(definitions: &'definitions Command, arguments: &[OsString]) -> Self {
        let mut command = definitions;
        let mut path = Vec::new();
        let mut words = arguments.iter().filter_map(|word| word.to_str());
        while let Some(word) = words.next() {
            if word == "--" {
                break;
            }
            if word.starts_with('-') {
                if takes_next(command, word) {
                    words.next();
                }
                continue;
            }
            match command.find_subcommand(word) {
                Some(found) => {
                    path.push(word.to_owned());
                    command = found;
                }
                None => break,
            }
        }
        Self {
            program: definitions.get_name().to_owned(),
            path,
            command,
        }
    }

    fn name(&self) -> String {
        std::iter::once(self.program.as_str())
            .chain(self.path.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn usage(&self) -> String {
        help::usage(self.command, &self.name())
    }

    /// The number of arguments is wrong.
    fn arity(&self) -> Failure {
        let name = self.name();
        let (least, most) = arity_of(self.command);
        let plural = |count: usize| if count == 1 { "argument" } else { "arguments" };
        let wanted = match (least, most) {
            (_, Some(0)) => "accepts no arguments".to_owned(),
            (least, Some(most)) if least == most => format!("requires {least} {}", plural(least)),
            (0, Some(most)) => format!("requires at most {most} {}", plural(most)),
            (least, None) => format!("requires at least {least} {}", plural(least)),
            (least, Some(most)) => format!(
                "requires at least {least} and at most {most} {}",
                plural(most)
            ),
        };
        Failure::message(format!(
            "{}: '{name}' {wanted}\n\n{}\n\nSee '{name} --help' for more information",
            self.program,
            self.usage(),
        ))
    }

    fn flag_error(&self, text: &str) -> Failure {
        let name = self.name();
        Failure::message(format!(
            "{text}\n\n{}\n\nRun '{name} --help' for more information",
            self.usage()
        ))
        .with_code(OUR_ERROR)
    }

    fn unknown_flag(&self, word: &str, error: &clap::Error) -> Failure {
        let flag = word.split('=').next().unwrap_or(word);
        let failure = if flag.starts_with("--") {
            self.flag_error(&format!("unknown flag: {flag}"))
        } else {
            let letter = flag.chars().nth(1).unwrap_or('-');
            self.flag_error(&format!("unknown shorthand flag: '{letter}' in {word}"))
        };
        match text(error, ContextKind::SuggestedArg) {
            Some(known) if !known.contains(' ') => {
                failure.with_hint(format!("did you mean \"{known}\"?"))
            }
            _ => failure,
        }
    }

    fn unknown_command(&self, word: &str) -> Failure {
        let name = self.name();
        let visible = self
            .command
            .get_subcommands()
            .filter(|sub| !sub.is_hide_set());
        let names = visible.flat_map(Command::get_name_and_visible_aliases);
        let failure = Failure::message(format!(
            "{}: unknown command: {name} {word}\n\nRun '{name} --help' for more information",
            self.program
        ));
        match likeliest(word, names) {
            Some(known) => failure.with_hint(format!("did you mean \"{name} {known}\"?")),
            None => failure,
        }
    }

    fn invalid_value(&self, error: &clap::Error) -> Failure {
        let value = text(error, ContextKind::InvalidValue).unwrap_or_default();
        let argument = text(error, ContextKind::InvalidArg).unwrap_or_default();
        let reason = match std::error::Error::source(error) {
            Some(cause) => cause.to_string(),
            None => match text(error, ContextKind::ValidValue) {
                Some(valid) if !valid.is_empty() => format!("must be one of {valid}"),
                _ => "not a possible value".to_owned(),
            },
        };
        let long = argument
            .split(|character: char| !(character.is_alphanumeric() || character == '-'))
            .next()
            .unwrap_or_default();
        let known = self.command.get_arguments().find(|arg| {
            arg.get_long()
                .is_some_and(|name| long.strip_prefix("--") == Some(name))
        });
        // An option without a value at all is told apart from one with a wrong value.
        if value.is_empty() && known.is_some() && reason == "not a possible value" {
            return self.flag_error(&format!("flag needs an argument: {long}"));
        }
        match known {
            Some(arg) => self.flag_error(&format!(
                "invalid argument {value:?} for \"{}\" flag: {reason}",
                both_names(arg)
            )),
            None => self.flag_error(&format!("invalid argument {value:?}: {reason}")),
        }
    }
}

fn takes_next(command: &Command, word: &str) -> bool {
    if word.contains('=') {
        return false;
    }
    let takes = |arg: &Arg| {
        arg.get_action().takes_values()
            && arg
                .get_num_args()
                .is_none_or(|range| range.min_values() > 0)
    };
    if let Some(long) = word.strip_prefix("--") {
        return command
            .get_arguments()
            .any(|arg| arg.get_long() == Some(long) && takes(arg));
    }
    // Of letters in one word only the last can take the next word.
    let last = word.chars().last();
    command
        .get_arguments()
        .any(|arg| arg.get_short() == last && takes(arg))
        && word.chars().count() == 2
}

fn both_names(arg: &Arg) -> String {
    match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (Some(short), None) => format!("-{short}"),
        (None, long) => format!("--{}", long.unwrap_or_default()),
    }
}

fn needs_positional(command: &Command, error: &clap::Error) -> bool {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(names)) => names.iter().any(|name| !name.starts_with("--")),
        Some(ContextValue::String(name)) => !name.starts_with('-'),
        _ => command.get_positionals().next().is_some(),
    }
}

/// How many arguments a command takes: at least, and at most if there is such a bound.
fn arity_of(command: &Command) -> (usize, Option<usize>) {
    let mut bounds = (0, Some(0));
    for arg in command.get_positionals() {
        let (least, most) = match arg.get_num_args() {
            Some(range) => (range.min_values(), range.max_values()),
            None if matches!(arg.get_action(), clap::ArgAction::Append) => (1, usize::MAX),
            None => (1, 1),
        };
        let most = if matches!(arg.get_action(), clap::ArgAction::Append) {
            usize::MAX
        } else {
            most
        };
        bounds.0 += if arg.is_required_set() {
            least.max(1)
        } else {
            0
        };
        bounds.1 = match bounds.1 {
            Some(sum) if most != usize::MAX => Some(sum + most),
            _ => None,
        };
    }
    bounds
}

/// The command that is likely meant: one letter in three may be more, less or other. Anything further off would be
/// a guess that only confuses.
fn likeliest<'names>(word: &str, names: impl Iterator<Item = &'names str>) -> Option<&'names str> {
    names
        .map(|name| (distance(word, name), name))
        .filter(|&(distance, _)| distance * 3 <= word.len())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// How many letters have to be put in, taken out or changed to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for column in 0..other.len() {
            let changed = diagonal + usize::from(letter != other[column]);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use crate::args;

    fn said(line: &str) -> String {
        let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        match args::parse("docker", &[], &arguments) {
            Ok(_) => "fine".to_owned(),
            Err(failure) => failure.text().unwrap_or_default(),
        }
    }

    #[track_caller]
    fn check(line: &str, expect: &str) {
        assert_eq!(
            said(line).lines().next().unwrap_or_default(),
            expect,
            "{line}"
        );
    }

    #[test]
    fn the_number_of_arguments_is_told() {
        check("run", "docker: 'docker run' requires at least 1 argument");
        check("rm -f", "docker: 'docker rm' requires at least 1 argument");
        check("ps x", "docker: 'docker ps' accepts no arguments");
        check(
            "images a b",
            "docker: 'docker images' requires at most 1 argument",
        );
        check("rename a", "docker: 'docker rename' requires 2 arguments");
        check(
            "exec a",
            "docker: 'docker exec' requires at least 2 arguments",
        );
        check(
            "container stop",
            "docker: 'docker container stop' requires at least 1 argument",
        );
        check("tag a b c", "docker: 'docker tag' requires 2 arguments");
    }

    #[test]
    fn unknown_things_are_named() {
        check("run --foo busybox", "unknown flag: --foo");
        check("run -Z busybox", "unknown shorthand flag: 'Z' in -Z");
        check("foo", "docker: unknown command: docker foo");
        check(
            "container foo",
            "docker: unknown command: docker container foo",
        );
        assert!(said("contianer ls").ends_with("hint: did you mean \"docker container\"?"));
        for line in ["swarm init", "compose up", "search x", "xy"] {
            assert!(!said(line).contains("did you mean"), "{line}");
        }
        assert!(said("image lss").ends_with("hint: did you mean \"docker image ls\"?"));
    }

    #[test]
    fn a_wrong_value_is_shown_with_its_flag() {
        check(
            "run -m 1x busybox",
            "invalid argument \"1x\" for \"-m, --memory\" flag: invalid suffix: 'x'",
        );
        check(
            "run --pull=often busybox",
            "invalid argument \"often\" for \"--pull\" flag: invalid pull option: 'often': must be one of \"always\", \"missing\" or \"never\"",
        );
        check(
            "run --rm=perhaps busybox",
            "invalid argument \"perhaps\" for \"--rm\" flag: strconv.ParseBool: parsing \"perhaps\": invalid syntax",
        );
        check("run --name", "flag needs an argument: --name");
    }

    #[test]
    fn some_flags_are_on_unless_told_otherwise() {
        use crate::args::Command;
        let pauses = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            match args::parse("docker", &[], &words).map(|parsed| parsed.command) {
                Ok(Some(Command::Commit(raw))) => raw.pause,
                _ => unreachable!("the line is one of commit"),
            }
        };
        assert!(pauses("commit c"));
        assert!(pauses("commit --pause c"));
        assert!(!pauses("commit --pause=false c"));
        assert!(!pauses("commit -p=0 c"));
    }

    #[test]
    fn what_docker_takes_is_taken() {
        for line in [
            "run -it --rm=true --sig-proxy=false busybox sh -c x --foo",
            "run --memory-swap -1 busybox",
            "run --rm --rm --name a --name b busybox",
            "run busybox -it",
            "exec -i c sh -i -x",
            "rm a -f b",
            "-H unix:///x ps -aq --no-trunc=false",
            "top c -ef",
            "ps -n5",
            "logs c -f --tail 5",
            "stop -t 5 c",
            "stop --time=5 c",
            "network create -d bridge --subnet 10.0.0.0/8 n",
        ] {
            assert_eq!(said(line), "fine", "{line}");
        }
    }
}
