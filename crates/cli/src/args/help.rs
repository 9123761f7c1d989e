//! Help, in the layout that Docker's users know. Pure.

use clap::{Arg, ArgAction, Command};

use super::COMMON;

/// Help is folded to this many columns.
const WIDTH: usize = 100;

/// The help of the command at `path`.
pub(crate) fn render(definitions: &Command, path: &[String]) -> String {
    let mut command = definitions;
    let mut name = definitions.get_name().to_owned();
    let mut parent = None;
    for word in path {
        if let Some(found) = command.find_subcommand(word) {
            parent = Some(name.clone());
            command = found;
            name = format!("{name} {word}");
        }
    }
    let mut text = usage(command, &name);
    text.push('\n');
    if let Some(about) = command.get_about() {
        text.push_str(&format!("\n{about}\n"));
    }
    if let Some(parent) = parent {
        let names: Vec<String> = std::iter::once(command.get_name())
            .chain(command.get_visible_aliases())
            .map(|alias| format!("{parent} {alias}"))
            .collect();
        if names.len() > 1 {
            text.push_str(&format!("\nAliases:\n  {}\n", names.join(", ")));
        }
    }
    if command.has_subcommands() {
        subcommands(&mut text, command, path.is_empty());
    }
    let options = options(command);
    if !options.is_empty() {
        let title = if path.is_empty() {
            "Global Options"
        } else {
            "Options"
        };
        text.push_str(&format!("\n{title}:\n"));
        columns(&mut text, &options);
    }
    if command.has_subcommands() {
        text.push_str(&format!(
            "\nRun '{name} COMMAND --help' for more information on a command.\n"
        ));
    }
    text
}

/// The line that says how a command is used.
pub(crate) fn usage(command: &Command, name: &str) -> String {
    let options = if options(command).is_empty() {
        ""
    } else {
        " [OPTIONS]"
    };
    if command.has_subcommands() {
        return format!("Usage:  {name}{options} COMMAND");
    }
    let arguments = command
        .get_positionals()
        .filter_map(Arg::get_value_names)
        .flatten()
        .fold(String::new(), |line, value| line + " " + value);
    format!("Usage:  {name}{options}{arguments}")
}

fn subcommands(text: &mut String, command: &Command, root: bool) {
    let line = |sub: &Command| {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        (sub.get_name().to_owned(), about)
    };
    let visible: Vec<&Command> = command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set())
        .collect();
    let width = visible
        .iter()
        .map(|sub| sub.get_name().len())
        .max()
        .unwrap_or_default();
    let mut section = |title: &str, mut lines: Vec<(String, String)>, sorted: bool| {
        if lines.is_empty() {
            return;
        }
        if sorted {
            lines.sort();
        }
        text.push_str(&format!("\n{title}:\n"));
        for (name, about) in lines {
            text.push_str(&format!("  {name:width$}   {about}\n"));
        }
    };
    if !root {
        section(
            "Commands",
            visible.iter().map(|sub| line(sub)).collect(),
            true,
        );
        return;
    }
    let common = COMMON
        .iter()
        .filter_map(|name| visible.iter().find(|sub| sub.get_name() == *name));
    section(
        "Common Commands",
        common.map(|sub| line(sub)).collect(),
        false,
    );
    let management = visible.iter().filter(|sub| sub.has_subcommands());
    section(
        "Management Commands",
        management.map(|sub| line(sub)).collect(),
        true,
    );
    let others = visible
        .iter()
        .filter(|sub| !sub.has_subcommands() && !COMMON.contains(&sub.get_name()));
    section("Commands", others.map(|sub| line(sub)).collect(), true);
}

/// Each option's names with the kind of its value, and its help; sorted by name.
fn options(command: &Command) -> Vec<(String, String)> {
    let mut options: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| !arg.is_positional() && !arg.is_hide_set() && arg.get_id() != "help")
        .collect();
    options.sort_by_key(|arg| arg.get_long().unwrap_or_default().to_owned());
    options
        .into_iter()
        .map(|arg| {
            let short = arg
                .get_short()
                .map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
            let long = arg.get_long().unwrap_or_default();
            let value = if takes_value(arg) {
                arg.get_value_names()
                    .and_then(|names| names.first())
                    .map(|name| format!(" {name}"))
                    .unwrap_or_default()
            } else {
                String::new()
            };
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            (
                format!("{short}--{long}{value}"),
                format!("{help}{}", default_of(arg)),
            )
        })
        .collect()
}

fn takes_value(arg: &Arg) -> bool {
    !matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::Help)
        && arg
            .get_num_args()
            .is_none_or(|range| range.min_values() > 0)
}

fn default_of(arg: &Arg) -> String {
    let [default] = arg.get_default_values() else {
        return String::new();
    };
    let default = default.to_string_lossy();
    if takes_value(arg) {
        format!(" (default {default:?})")
    } else if default == "true" {
        " (default true)".to_owned()
    } else {
        String::new()
    }
}

fn columns(text: &mut String, rows: &[(String, String)]) {
    let width = rows
        .iter()
        .map(|(left, _)| left.chars().count())
        .max()
        .unwrap_or_default();
    for (left, right) in rows {
        let mut prefix = format!("  {left:width$}   ");
        let indent = " ".repeat(width + 5);
        for line in folded(right, WIDTH.saturating_sub(width + 5).max(30)) {
            text.push_str(&prefix);
            text.push_str(&line);
            text.push('\n');
            prefix.clone_from(&indent);
        }
    }
}

fn folded(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one from the start");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
