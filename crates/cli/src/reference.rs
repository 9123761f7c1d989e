//! What is made from the definitions of the command line besides its help: completions, manual pages and the
//! page `docs/cli.md`.

use clap::Command;
use clap_complete::{Shell, generate};

use crate::Program;
use crate::args::{self, help};

/// The completion script for a shell: bash, zsh or fish.
pub fn completion(program: &Program, shell: &str) -> String {
    let shell = match shell {
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => Shell::Bash,
    };
    let mut script = Vec::new();
    generate(shell, &mut definitions(program), &program.name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The manual pages: each file's name and content.
pub fn manual_pages(program: &Program) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut pages = Vec::new();
    add_page(
        &definitions(program),
        &program.name,
        program.version,
        &mut pages,
    )?;
    Ok(pages)
}

fn add_page(
    command: &Command,
    name: &str,
    version: &'static str,
    pages: &mut Vec<(String, Vec<u8>)>,
) -> std::io::Result<()> {
    let mut page = Vec::new();
    let named = command.clone().name(name.to_owned()).version(version);
    clap_mangen::Man::new(named).render(&mut page)?;
    pages.push((format!("{name}.1"), page));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        add_page(sub, &format!("{name}-{}", sub.get_name()), version, pages)?;
    }
    Ok(())
}

/// The page about every command, as `docs/cli.md` holds it.
pub fn reference(program: &Program) -> String {
    let definitions = definitions(program);
    let mut page = format!(
        "# The command line\n\nMade from the program's own definitions; `{0} COMMAND --help` shows the same. Called as `docker`, the\nprogram takes the same commands.\n",
        program.name
    );
    add_section(&definitions, &definitions, &mut Vec::new(), &mut page);
    page
}

fn add_section(root: &Command, command: &Command, path: &mut Vec<String>, page: &mut String) {
    let mut title = root.get_name().to_owned();
    for word in path.iter() {
        title = format!("{title} {word}");
    }
    page.push_str(&format!(
        "\n## {title}\n\n```text\n{}```\n",
        help::render(root, path)
    ));
    // A command that stands by itself too is told once.
    let is_group = !path.is_empty();
    let mut subs: Vec<&Command> = command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set())
        .filter(|sub| {
            !is_group
                || root.find_subcommand(sub.get_name()).is_none()
                || sub.get_name() == "ls"
                || sub.get_name() == "inspect"
        })
        .collect();
    subs.sort_by_key(|sub| sub.get_name().to_owned());
    for sub in subs {
        path.push(sub.get_name().to_owned());
        add_section(root, sub, path, page);
        path.pop();
    }
}

/// The definitions, complete and checked.
fn definitions(program: &Program) -> Command {
    let mut command = args::definitions(&program.name, &program.more_commands);
    command.build();
    command
}
