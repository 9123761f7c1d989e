//! Colours of the prefixes, on a terminal that wants them. It must never colour what goes into a file.

use std::io::IsTerminal;

/// The terminal's own colours, in the order in which services get them: cyan, yellow, green, magenta,
/// blue, and their bright kin. No red: that is for errors.
const COLOURS: [u8; 10] = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94];

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    colours: bool,
}

impl Palette {
    /// Colours if standard output is a terminal and `NO_COLOR` is not set (<https://no-color.org>).
    pub(super) fn for_standard_output() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            colours: std::io::stdout().is_terminal() && !unwanted,
        }
    }

    /// Whether standard output is a terminal that understands more than text.
    pub(super) fn is_coloured(self) -> bool {
        self.colours
    }

    /// A service's name before each of its lines, `rng-1     | `.
    pub(super) fn prefix(self, name: &str, width: usize, place: usize) -> String {
        let prefix = format!("{name:<width$} | ");
        if self.colours {
            format!("\x1b[{}m{prefix}\x1b[0m", COLOURS[place % COLOURS.len()])
        } else {
            prefix
        }
    }

    /// A line of `up` itself.
    pub(super) fn emphasised(self, line: &str) -> String {
        if self.colours {
            format!("\x1b[1m{line}\x1b[0m")
        } else {
            line.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_line_up() {
        let plain = Palette { colours: false };
        assert_eq!(plain.prefix("rng-1", 8, 0), "rng-1    | ");
        let coloured = Palette { colours: true };
        assert_eq!(
            coloured.prefix("rng-1", 8, 10),
            "\x1b[36mrng-1    | \x1b[0m"
        );
    }
}
