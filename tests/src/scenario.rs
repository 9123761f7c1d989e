//! Scenarios: one script of `docker` commands, run by several clients on several engines, whose answers are compared.
//!
//! ```text
//!   script ──┬─ docker 20.10 ─┬─ Debian's dockerd ─┬─▶ what is expected of that client
//!            ├─ docker 28.2  ─┤                    │
//!            └─ ours         ─┴─ essaim ───────────┴─▶ compared, command by command
//! ```
//!
//! What differs from run to run (ids, times, addresses, ports) is replaced before comparing. A line of a script:
//!
//! | line | what is compared |
//! |---|---|
//! | `$ run busybox echo hi` | standard output and exit code |
//! | `% diff x` | the lines of standard output in any order, and the exit code |
//! | `! run nothing` | the exit code alone, which is not 0 |
//! | `? exec x /nothing` | that it fails |
//! | `. pull x` | nothing: it prepares or tidies |
//! | `~ ps -a => Exited (0)` | nothing: repeated until its output has these words |
//!
//! `<<< text` at the end of a line is what the command reads.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    command::{Answer, installed, run_with_input},
    debian_image,
    docker_engine::DockerEngine,
    engine::{CLIENT_LIMIT, Engine},
    essaim_engine::EssaimEngine,
    waiting::wait_for,
};

/// Docker's client of Debian, and the newer one where it is installed.
const NEWER: &str = "/usr/local/bin/docker";

/// Debian's engine and ours, with the same images and the same files.
#[derive(Debug)]
pub struct Pair {
    docker: DockerEngine,
    essaim: EssaimEngine,
}

impl Pair {
    /// Starts both, loads the test images `images` and writes `files` into the folder that commands run in.
    pub fn new(images: &[&str], files: &[(&str, &str)]) -> Self {
        let pair = Self {
            docker: DockerEngine::alone(),
            essaim: EssaimEngine::alone(),
        };
        for image in images {
            let archive = debian_image::archive(image);
            let archive = archive.to_str().expect("the repository has a plain name");
            pair.docker.docker(&["load", "--quiet", "--input", archive]);
            pair.essaim.docker(&["load", "--quiet", "--input", archive]);
        }
        for folder in [
            pair.docker.sandbox().folder(),
            pair.essaim.sandbox().folder(),
        ] {
            write_files(&folder.join("work"), files);
        }
        // Called so, our program is a `docker`.
        let link = our_docker(&pair.essaim);
        fs::create_dir_all(link.parent().expect("it is in a folder"))
            .expect("a sandbox has a folder");
        std::os::unix::fs::symlink(EssaimEngine::program(), link).expect("the name is free");
        pair
    }

    /// Our engine.
    pub fn essaim(&self) -> &EssaimEngine {
        &self.essaim
    }

    /// Runs a script by all clients and compares.
    #[track_caller]
    pub fn compare(&self, script: &str) {
        let old = installed("docker", "docker.io");
        let mut expected = vec![transcript(&self.docker, &old, script)];
        let ours = transcript(&self.essaim, &old, script);
        let mut differing = differences("docker of Debian on essaim", &ours, &expected[..1]);
        let newer = Path::new(NEWER);
        if newer.is_file() {
            expected.push(transcript(&self.docker, newer, script));
            let ours = transcript(&self.essaim, newer, script);
            differing += &differences("the newer docker on essaim", &ours, &expected[1..]);
        }
        let ours = transcript(&self.essaim, &our_docker(&self.essaim), script);
        differing += &differences("essaim called as docker", &ours, &expected);
        assert!(
            differing.is_empty(),
            "answers differ from Docker's\n{differing}"
        );
    }
}

fn our_docker(engine: &EssaimEngine) -> PathBuf {
    engine.sandbox().folder().join("bin/docker")
}

fn write_files(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).expect("a sandbox has a folder");
    for (name, contents) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("it is in a folder"))
            .expect("a folder can be made");
        fs::write(path, contents).expect("a file can be written");
    }
}

/// What a command of a script came to.
struct Step {
    /// The line, and all that is compared.
    compared: String,
    /// What it said beside that, for people.
    aside: String,
}

/// What each command of a script came to.
fn transcript(engine: &impl Engine, client: &Path, script: &str) -> Vec<Step> {
    let folder = engine.sandbox().folder().join("work");
    let ask = |line: &str| {
        let (line, input) = line.split_once(" <<< ").unwrap_or((line, ""));
        let mut command: Command = engine.client(client);
        command.args(words(line)).current_dir(&folder);
        run_with_input(&mut command, input.as_bytes(), CLIENT_LIMIT)
    };
    let mut steps = Vec::new();
    let lines = script.lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty()) {
        let (kind, command) = line.split_at(2);
        match kind {
            "$ " => {
                let answer = ask(command);
                steps.push(step(line, &answer, &normalised(&answer.stdout)));
            }
            "% " => {
                let answer = ask(command);
                let said = normalised(&answer.stdout);
                let mut lines: Vec<_> = said.lines().collect();
                lines.sort_unstable();
                steps.push(step(line, &answer, &lines.join("\n")));
            }
            "? " => {
                let answer = ask(command);
                assert!(!answer.status.success(), "{line} succeeds: {answer:?}");
            }
            "! " => {
                let answer = ask(command);
                assert!(!answer.status.success(), "{line} succeeds: {answer:?}");
                steps.push(step(line, &answer, ""));
            }
            ". " => drop(ask(command)),
            "~ " => {
                let (command, wanted) = command.split_once(" => ").expect("words to wait for");
                wait_for(line, Duration::from_secs(30), || {
                    let answer = ask(command);
                    let said = answer.stdout + &answer.stderr;
                    if said.contains(wanted) {
                        Ok(())
                    } else {
                        Err(said)
                    }
                });
            }
            _ => panic!("not a line of a scenario: {line}"),
        }
    }
    steps
}

fn step(line: &str, answer: &Answer, said: &str) -> Step {
    let mut compared = format!("{line}\n{said}");
    let code = answer.status.code();
    if code != Some(0) {
        writeln!(compared, "exit {code:?}").expect("writing to a text does not fail");
    }
    Step {
        compared,
        aside: answer.stderr.clone(),
    }
}

/// The steps that are none of the expected ones, for people to read.
fn differences(who: &str, steps: &[Step], expected: &[Vec<Step>]) -> String {
    let mut differing = String::new();
    for (number, step) in steps.iter().enumerate() {
        let fits = expected
            .iter()
            .any(|steps| steps[number].compared == step.compared);
        if !fits {
            write!(
                differing,
                "\n=== {who}: {}\n(aside) {}\n--- Docker's answer: {}\n(aside) {}\n",
                step.compared, step.aside, expected[0][number].compared, expected[0][number].aside
            )
            .expect("writing to a text does not fail");
        }
    }
    differing
}

/// Words at white space, with `'` and `"` around what belongs together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in line.chars() {
        match quote {
            None if character.is_whitespace() => words.extend(word.take()),
            None if matches!(character, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            Some(open) if character == open => quote = None,
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// An answer with all that differs from run to run replaced.
fn normalised(text: &str) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        // No container runs for a step that only notes something down, and ours does not pretend.
        let is_of_builder = [
            " ---> Running in",
            "Removing intermediate container",
            " ---> Removed",
        ]
        .iter()
        .any(|start| line.starts_with(start));
        if is_of_builder {
            continue;
        }
        // How many layers an image has of its own is the engine's affair.
        if line.starts_with("Deleted: ") && lines.ends_with("Deleted: sha256:<id>\n") {
            continue;
        }
        let mut words: Vec<String> = Vec::new();
        for word in line.split_whitespace() {
            words.push(normalised_word(word));
        }
        lines.push_str(&without_times(&words.join(" ")));
        lines.push('\n');
    }
    lines
}

fn normalised_word(word: &str) -> String {
    let mut out = String::new();
    let mut rest = word;
    while !rest.is_empty() {
        let hex = rest
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(rest.len());
        let (run, after) = rest.split_at(hex);
        let is_id = matches!(hex, 12 | 64) && run.chars().any(|c| c.is_ascii_digit());
        if is_id {
            out.push_str("<id>");
            rest = after;
            continue;
        }
        let alphanumeric = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len())
            .max(rest.chars().next().map_or(0, char::len_utf8));
        let (run, after) = rest.split_at(alphanumeric);
        out.push_str(run);
        rest = after;
    }
    out
}

/// `Up 2 seconds`, `3 weeks ago`, `Less than a second ago`, `About a minute ago`.
fn without_times(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let mut kept: Vec<&str> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let length = time_at(&words[at..]);
        if length == 0 {
            kept.push(words[at]);
            at += 1;
        } else {
            kept.push("<time>");
            at += length;
        }
    }
    kept.join(" ")
}

/// How many words at the start are a span of time.
fn time_at(words: &[&str]) -> usize {
    let is_unit = |word: &&str| {
        let word = word.trim_end_matches([')', ',']);
        ["second", "minute", "hour", "day", "week", "month", "year"]
            .iter()
            .any(|unit| word == *unit || word.strip_suffix('s') == Some(unit))
    };
    let count = match words {
        ["Less", "than", "a", unit, ..] if is_unit(unit) => 4,
        ["About", "a" | "an", unit, ..] if is_unit(unit) => 3,
        [number, unit, ..] if number.parse::<u32>().is_ok() && is_unit(unit) => 2,
        _ => return 0,
    };
    count + usize::from(words.get(count) == Some(&"ago"))
}

#[cfg(test)]
mod tests {
    use super::{normalised, words};

    #[test]
    fn what_differs_is_replaced() {
        for (text, expected) in [
            ("ab029008f8d3  x", "<id> x\n"),
            (
                "sha256:0123456789012345678901234567890123456789012345678901234567890123",
                "sha256:<id>\n",
            ),
            ("Up 2 seconds   80/tcp", "Up <time> 80/tcp\n"),
            (
                "Exited (0) Less than a second ago  x",
                "Exited (0) <time> x\n",
            ),
            (" ---> Running in ab029008f8d3\nb", "b\n"),
            ("deadbeefcafe", "deadbeefcafe\n"),
        ] {
            assert_eq!(normalised(text), expected, "{text}");
        }
    }

    #[test]
    fn words_are_as_in_a_shell() {
        assert_eq!(
            words("a  'b c' --x=\"d e\" ''"),
            ["a", "b c", "--x=d e", ""]
        );
    }
}
