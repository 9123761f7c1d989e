//! Dockerfiles: text in, stages of instructions out, or the line that is wrong and why.
//!
//! ```text
//!   text ─ lines ─▶ logical lines (continued, without comments, with their here-documents)
//!        ─ instruction ─▶ commands with flags, words, JSON forms
//!        ─ here ─▶ stages
//! ```
//!
//! Variables are not replaced here: what they are is known only while building, and [`expand`] does it then.
//!
//! It must never read a file, and never take more than a moment or fail otherwise than with a [`ParseError`],
//! whatever the text.

pub mod error;
pub mod expand;
mod flags;
mod healthcheck;
pub mod instruction;
mod lines;
mod words;

pub use error::{ParseError, Problem};
pub use healthcheck::Healthcheck;
pub use instruction::{
    Arguments, Command, CommandLine, Copy, From, Heredoc, Instruction, Network, Place,
};

/// What a Dockerfile says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dockerfile {
    /// The character that takes the meaning of the next one: `\`, or a backtick where the Dockerfile says so.
    pub escape: char,
    /// The `ARG`s before the first `FROM`: only `FROM`s see them.
    pub arguments: Vec<Instruction>,
    /// At least one.
    pub stages: Vec<Stage>,
    /// What is allowed but hardly meant.
    pub warnings: Vec<Warning>,
}

/// A `FROM` and what follows until the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Where its `FROM` is.
    pub place: Place,
    /// What it starts from, and what it is called.
    pub from: From,
    /// What is done on top.
    pub instructions: Vec<Instruction>,
}

/// See [`Dockerfile::warnings`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Counted from 1.
    pub line: usize,
    /// What is odd there.
    pub message: String,
}

impl Dockerfile {
    /// Reads the text of a Dockerfile.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let lines::Split {
            escape,
            lines,
            mut warnings,
        } = lines::split(text)?;
        let mut arguments = Vec::new();
        let mut stages: Vec<Stage> = Vec::new();
        for line in lines {
            let parsed = instruction::parse(line, escape)?;
            if let Command::Run(_, CommandLine::Shell(command))
            | Command::Cmd(CommandLine::Shell(command)) = &parsed.command
                && looks_like_a_list(command)
            {
                warnings.push(Warning {
                    line: parsed.place.line,
                    message: format!("{command} is no JSON list, so a shell is given it as it is"),
                });
            }
            match (parsed.command, stages.last_mut()) {
                (Command::From(from), _) => stages.push(Stage {
                    place: parsed.place,
                    from,
                    instructions: Vec::new(),
                }),
                (command, Some(stage)) => stage.instructions.push(Instruction {
                    place: parsed.place,
                    command,
                }),
                (command @ Command::Arg(_), None) => arguments.push(Instruction {
                    place: parsed.place,
                    command,
                }),
                (_, None) => return Err(parsed.place.error(Problem::NoStage)),
            }
        }
        if stages.is_empty() {
            let last = arguments.last().map_or(
                Place {
                    line: 1,
                    text: String::new(),
                },
                |last: &Instruction| last.place.clone(),
            );
            let problem = if arguments.is_empty() {
                Problem::Empty
            } else {
                Problem::NoStage
            };
            return Err(last.error(problem));
        }
        Ok(Self {
            escape,
            arguments,
            stages,
            warnings,
        })
    }

    /// The number of the stage with this name, or of this number.
    pub fn stage(&self, name: &str) -> Option<usize> {
        let named = self.stages.iter().position(|stage| {
            let own = stage.from.name.as_deref();
            own.is_some_and(|own| own.eq_ignore_ascii_case(name))
        });
        named.or_else(|| {
            let number = name.parse().ok()?;
            (number < self.stages.len()).then_some(number)
        })
    }
}

/// Reads one instruction by itself, as an image's `ONBUILD` keeps them.
pub fn parse_trigger(text: &str) -> Result<Instruction, ParseError> {
    let mut lines = lines::split(text)?.lines.into_iter();
    let empty = || Place {
        line: 1,
        text: text.to_owned(),
    };
    let line = lines.next().ok_or_else(|| empty().error(Problem::Empty))?;
    if lines.next().is_some() {
        return Err(empty().error(Problem::SeveralTriggers));
    }
    instruction::parse(line, '\\')
}

/// `['a', 'b']`: meant as a list, but JSON has no such quotes.
fn looks_like_a_list(command: &str) -> bool {
    command.starts_with("['") && command.ends_with("']")
}

#[cfg(test)]
mod tests;
