//! One instruction: its name, its flags and what they are for.

use super::{
    error::{ParseError, Problem},
    flags,
    healthcheck::{self, Healthcheck},
    lines::Line,
    words,
};

/// All instructions.
pub(super) const NAMES: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Where an instruction is, and how it is written: joined if it was continued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Of its first line, counted from 1.
    pub line: usize,
    /// What builders print of it.
    pub text: String,
}

/// An instruction and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Where.
    pub place: Place,
    /// What.
    pub command: Command,
}

/// What an instruction asks for. Variables in it are not yet replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `FROM`: a new stage.
    From(From),
    /// `ARG`: what can be given with `--build-arg`, and what it is if it is not.
    Arg(Arguments),
    /// `ENV`.
    Env(Vec<(String, String)>),
    /// `LABEL`.
    Label(Vec<(String, String)>),
    /// `RUN`.
    Run(Network, CommandLine),
    /// `COPY`.
    Copy(Copy),
    /// `ADD`: as `COPY`, but archives are unpacked.
    Add(Copy),
    /// `WORKDIR`.
    Workdir(String),
    /// `USER`.
    User(String),
    /// `EXPOSE`: the whole rest of the line, of which variables may make several words.
    Expose(String),
    /// `VOLUME`.
    Volume(Vec<String>),
    /// `ENTRYPOINT`.
    Entrypoint(CommandLine),
    /// `CMD`.
    Cmd(CommandLine),
    /// `HEALTHCHECK`.
    Healthcheck(Healthcheck),
    /// `STOPSIGNAL`.
    StopSignal(String),
    /// `SHELL`.
    Shell(Vec<String>),
    /// `MAINTAINER`.
    Maintainer(String),
    /// `ONBUILD`: an instruction, read already but kept as it is written.
    OnBuild(String),
}

/// Names of `ARG`, with what they are if nobody says.
pub type Arguments = Vec<(String, Option<String>)>;

/// `FROM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    /// An image, a stage, or `scratch`.
    pub image: String,
    /// In lower case.
    pub name: Option<String>,
    /// As it is written.
    pub platform: Option<String>,
}

/// A command: words, or a line for a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// `["program", "argument"]`
    Words(Vec<String>),
    /// Anything else.
    Shell(String),
}

/// Which network a `RUN` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// What the build has.
    Default,
    /// None.
    None,
}

/// `COPY` or `ADD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Paths of the context, with `*` and `?`; those of another stage or image with `from`.
    pub sources: Vec<String>,
    /// Files that are given in the Dockerfile.
    pub heredocs: Vec<Heredoc>,
    /// Where to: a folder if it ends in `/`, or if there are several.
    pub destination: String,
    /// Another stage, or an image.
    pub from: Option<String>,
    /// `user:group`, names or numbers.
    pub chown: Option<String>,
    /// The permissions of all of it.
    pub chmod: Option<u32>,
}

/// A here-document: lines of the Dockerfile that are a file, or input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heredoc {
    /// What its end is called.
    pub name: String,
    /// The lines.
    pub contents: String,
    /// Whether variables in it are replaced.
    pub expands: bool,
    /// Whether tabs at the start of its lines are not part of them.
    pub strips_tabs: bool,
}

pub(super) fn parse(line: Line, escape: char) -> Result<Instruction, ParseError> {
    let Line { place, heredocs } = line;
    match command(&place.text, heredocs, escape) {
        Ok(command) => Ok(Instruction { place, command }),
        Err(problem) => Err(place.error(problem)),
    }
}

fn command(text: &str, heredocs: Vec<Heredoc>, escape: char) -> Result<Command, Problem> {
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    let upper = name.to_ascii_uppercase();
    let Some(name) = NAMES.iter().find(|known| **known == upper) else {
        return Err(Problem::UnknownInstruction(upper));
    };
    if rest.is_empty() && !matches!(*name, "CMD" | "ENTRYPOINT" | "FROM" | "VOLUME") {
        return Err(Problem::NeedsArgument(name));
    }
    Ok(match *name {
        "FROM" => Command::From(from(rest, escape)?),
        "ARG" => Command::Arg(arguments(rest, escape)?),
        "ENV" => Command::Env(words::pairs(rest, escape, name)?),
        "LABEL" => Command::Label(words::pairs(rest, escape, name)?),
        "RUN" => run(rest, &heredocs, escape)?,
        "COPY" | "ADD" => copy(rest, heredocs, escape, name)?,
        "WORKDIR" => Command::Workdir(rest.to_owned()),
        "USER" => Command::User(rest.to_owned()),
        "EXPOSE" => Command::Expose(rest.to_owned()),
        "VOLUME" => match words::list(rest)? {
            volumes if volumes.is_empty() => return Err(Problem::NeedsArgument(name)),
            volumes => Command::Volume(volumes),
        },
        "ENTRYPOINT" => Command::Entrypoint(command_line(rest)?),
        "CMD" => Command::Cmd(command_line(rest)?),
        "HEALTHCHECK" => Command::Healthcheck(healthcheck::parse(rest, escape)?),
        "STOPSIGNAL" => match rest.split_once(char::is_whitespace) {
            None => Command::StopSignal(rest.to_owned()),
            Some(_) => return Err(Problem::NeedsOneArgument(name)),
        },
        "SHELL" => match words::json(rest)? {
            Some(shell) if !shell.is_empty() => Command::Shell(shell),
            Some(_) => return Err(Problem::NeedsArgument(name)),
            None => return Err(Problem::ShellForm),
        },
        "MAINTAINER" => Command::Maintainer(rest.to_owned()),
        _ => trigger(rest, heredocs, escape)?,
    })
}

fn from(rest: &str, escape: char) -> Result<From, Problem> {
    let (mut flags, rest) = flags::take(rest, escape, "FROM")?;
    let platform = flags.value("platform")?;
    flags.finish(&[])?;
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (image, name) = match words.as_slice() {
        [image] => (image, None),
        [image, keyword, name] if keyword.eq_ignore_ascii_case("as") => {
            let lower = name.to_ascii_lowercase();
            let starts_well = lower.starts_with(|first: char| first.is_ascii_lowercase());
            let goes_on_well = lower
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c));
            if !starts_well || !goes_on_well {
                return Err(Problem::StageName((*name).to_owned()));
            }
            (image, Some(lower))
        }
        _ => return Err(Problem::FromArguments),
    };
    Ok(From {
        image: (*image).to_owned(),
        name,
        platform,
    })
}

fn arguments(rest: &str, escape: char) -> Result<Arguments, Problem> {
    words::split(rest, escape)
        .into_iter()
        .map(|word| {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (word, None),
            };
            if name.is_empty() {
                return Err(Problem::BlankName("ARG"));
            }
            Ok((name, value))
        })
        .collect()
}

fn command_line(rest: &str) -> Result<CommandLine, Problem> {
    Ok(match words::json(rest)? {
        Some(words) => CommandLine::Words(words),
        None if rest.is_empty() => CommandLine::Words(Vec::new()),
        None => CommandLine::Shell(rest.to_owned()),
    })
}

fn run(rest: &str, heredocs: &[Heredoc], escape: char) -> Result<Command, Problem> {
    let (mut flags, rest) = flags::take(rest, escape, "RUN")?;
    let network = match flags.value("network")?.as_deref() {
        None | Some("default") => Network::Default,
        Some("none") => Network::None,
        Some(value) => {
            return Err(Problem::FlagValue {
                flag: "network",
                value: value.to_owned(),
            });
        }
    };
    flags.finish(&["mount", "security", "device"])?;
    let line = match heredocs {
        [] => command_line(rest)?,
        // Nothing but a here-document: it is the script.
        [script] if words::split(rest, escape).len() == 1 => {
            if script.contents.starts_with("#!") {
                return Err(Problem::HeredocInterpreter);
            }
            CommandLine::Shell(script.contents.clone())
        }
        // The shell reads them itself.
        several => {
            let mut script = rest.to_owned();
            for heredoc in several {
                script.push('\n');
                script.push_str(&heredoc.contents);
                script.push_str(&heredoc.name);
            }
            CommandLine::Shell(script)
        }
    };
    if matches!(&line, CommandLine::Words(words) if words.is_empty()) {
        return Err(Problem::NeedsArgument("RUN"));
    }
    Ok(Command::Run(network, line))
}

fn copy(
    rest: &str,
    heredocs: Vec<Heredoc>,
    escape: char,
    name: &'static str,
) -> Result<Command, Problem> {
    let (mut flags, rest) = flags::take(rest, escape, name)?;
    let is_copy = name == "COPY";
    let from = if is_copy { flags.value("from")? } else { None };
    let chown = flags.value("chown")?;
    let chmod = match flags.value("chmod")? {
        None => None,
        Some(value) => match u32::from_str_radix(&value, 8) {
            Ok(mode) if mode <= 0o7777 => Some(mode),
            _ => {
                return Err(Problem::FlagValue {
                    flag: "chmod",
                    value,
                });
            }
        },
    };
    // A hint for how layers are kept: it changes nothing here.
    let _link = flags.switch("link")?;
    flags.finish(if is_copy {
        &["parents", "exclude"]
    } else {
        &["checksum", "keep-git-dir", "exclude", "unpack"]
    })?;

    let mut sources = words::list(rest)?;
    if sources.len() < 2 {
        return Err(if sources.is_empty() {
            Problem::NeedsArgument(name)
        } else {
            Problem::NeedsDestination(name)
        });
    }
    let destination = sources.pop().unwrap_or_default();
    if !heredocs.is_empty() {
        sources.retain(|source| !source.contains("<<"));
    }
    let copy = Copy {
        sources,
        heredocs,
        destination,
        from,
        chown,
        chmod,
    };
    Ok(if is_copy {
        Command::Copy(copy)
    } else {
        Command::Add(copy)
    })
}

fn trigger(rest: &str, heredocs: Vec<Heredoc>, escape: char) -> Result<Command, Problem> {
    let kept = heredocs.iter().fold(rest.to_owned(), |mut text, heredoc| {
        text.push('\n');
        text.push_str(&heredoc.contents);
        text.push_str(&heredoc.name);
        text
    });
    // Looked at first, so that no chain of them, however long, is followed.
    let first = rest.split_whitespace().next();
    if first.is_some_and(|name| name.eq_ignore_ascii_case("ONBUILD")) {
        return Err(Problem::ChainedTrigger);
    }
    match command(rest, heredocs, escape)? {
        Command::From(_) => Err(Problem::Trigger("FROM")),
        Command::Maintainer(_) => Err(Problem::Trigger("MAINTAINER")),
        _ => Ok(Command::OnBuild(kept)),
    }
}
