//! Raw mode: each key goes to the container, none to this computer's line editor.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::failure::Failure;

/// Standard input in raw mode, and put back when this is dropped, a panic included.
#[derive(Debug)]
pub(crate) struct Raw {
    before: Termios,
}

impl Raw {
    /// Puts standard input into raw mode.
    pub(crate) fn enter() -> Result<Self, Failure> {
        let failed =
            |error: rustix::io::Errno| Failure::caused("setting the terminal to raw mode", &error);
        let before = tcgetattr(rustix::stdio::stdin()).map_err(failed)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw).map_err(failed)?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // What the container's programs changed of the screen is theirs; the line discipline is ours.
        let _restored = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}

/// Reads a line from the terminal without showing it.
pub(crate) fn read_secret(prompt: &str) -> Result<String, Failure> {
    use rustix::termios::LocalModes;

    let failed = |error: rustix::io::Errno| Failure::caused("reading from the terminal", &error);
    let before = tcgetattr(rustix::stdio::stdin()).map_err(failed)?;
    let mut quiet = before.clone();
    quiet.local_modes.remove(LocalModes::ECHO);
    let guard = Raw { before };
    tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &quiet).map_err(failed)?;
    let line = read_line(prompt);
    drop(guard);
    crate::output::warn("");
    line
}

/// Reads a line from standard input, after saying what it is to be.
pub(crate) fn read_line(prompt: &str) -> Result<String, Failure> {
    use std::io::Write;

    let mut stderr = std::io::stderr().lock();
    let _asked = stderr
        .write_all(prompt.as_bytes())
        .and_then(|()| stderr.flush());
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|error| Failure::caused("reading standard input", &error))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
