//! Variables of an instruction replaced, where Docker replaces them. Pure.

use image::dockerfile::expand::{ExpandError, expand, expand_lines, expand_words};
use image::dockerfile::{Command, Copy};

/// `command` with variables replaced by what `lookup` knows.
pub(super) fn replaced(
    command: &Command,
    escape: char,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Command, ExpandError> {
    let one = |word: &String| expand(word, escape, lookup);
    let all = |words: &[String]| words.iter().map(one).collect::<Result<Vec<_>, _>>();
    let pairs = |pairs: &[(String, String)]| {
        pairs
            .iter()
            .map(|(name, value)| Ok((one(name)?, one(value)?)))
            .collect::<Result<Vec<_>, ExpandError>>()
    };
    let copy = |copy: &Copy| {
        let mut copy = copy.clone();
        copy.sources = all(&copy.sources)?;
        copy.destination = one(&copy.destination)?;
        copy.chown = copy.chown.as_ref().map(one).transpose()?;
        for heredoc in &mut copy.heredocs {
            if heredoc.expands {
                heredoc.contents = expand_lines(&heredoc.contents, escape, lookup)?;
            }
        }
        Ok(copy)
    };
    Ok(match command {
        Command::Arg(arguments) => Command::Arg(
            arguments
                .iter()
                .map(|(name, value)| Ok((one(name)?, value.as_ref().map(one).transpose()?)))
                .collect::<Result<_, ExpandError>>()?,
        ),
        Command::Env(variables) => Command::Env(pairs(variables)?),
        Command::Label(labels) => Command::Label(pairs(labels)?),
        Command::Copy(files) => Command::Copy(copy(files)?),
        Command::Add(files) => Command::Add(copy(files)?),
        Command::Workdir(path) => Command::Workdir(one(path)?),
        Command::User(user) => Command::User(one(user)?),
        Command::Expose(ports) => Command::Expose(expand_words(ports, escape, lookup)?.join(" ")),
        Command::Volume(volumes) => Command::Volume(all(volumes)?),
        Command::StopSignal(signal) => Command::StopSignal(one(signal)?),
        // A shell replaces its own; the rest is taken as it is.
        Command::From(_)
        | Command::Run(..)
        | Command::Entrypoint(_)
        | Command::Cmd(_)
        | Command::Healthcheck(_)
        | Command::Shell(_)
        | Command::Maintainer(_)
        | Command::OnBuild(_) => command.clone(),
    })
}
