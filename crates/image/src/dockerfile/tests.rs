use std::time::Duration;

use proptest::prelude::*;

use super::{Command, CommandLine, Copy, Dockerfile, Network, Problem, parse_trigger};

/// The commands after a `FROM scratch`.
#[track_caller]
fn commands(text: &str) -> Vec<Command> {
    let dockerfile = Dockerfile::parse(&format!("FROM scratch\n{text}")).unwrap();
    let [stage] = <[_; 1]>::try_from(dockerfile.stages).unwrap();
    stage
        .instructions
        .into_iter()
        .map(|instruction| instruction.command)
        .collect()
}

#[track_caller]
fn command(text: &str) -> Command {
    let [command] = <[_; 1]>::try_from(commands(text)).unwrap();
    command
}

fn shell(line: &str) -> Command {
    Command::Run(Network::Default, CommandLine::Shell(line.to_owned()))
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What is wrong with the instruction after a `FROM`, which is in line 2.
#[track_caller]
fn wrong(text: &str) -> Problem {
    let error = Dockerfile::parse(&format!("FROM scratch\n{text}")).unwrap_err();
    assert_eq!(error.line, 2, "{text}: {error}");
    error.problem
}

#[test]
fn stages_have_names_and_numbers() {
    let dockerfile = Dockerfile::parse(
        "ARG TAG=1\nFROM a:$TAG AS Build\nRUN x\n\nFROM --platform=linux/amd64 b\nfrom build as last\n",
    )
    .unwrap();
    assert_eq!(dockerfile.arguments.len(), 1);
    let images: Vec<_> = dockerfile
        .stages
        .iter()
        .map(|stage| {
            (
                stage.from.image.as_str(),
                stage.from.name.as_deref(),
                stage.place.line,
            )
        })
        .collect();
    assert_eq!(
        images,
        [
            ("a:$TAG", Some("build"), 2),
            ("b", None, 5),
            ("build", Some("last"), 6)
        ]
    );
    assert_eq!(
        dockerfile.stages[1].from.platform.as_deref(),
        Some("linux/amd64")
    );
    assert_eq!(dockerfile.stage("BUILD"), Some(0));
    assert_eq!(dockerfile.stage("1"), Some(1));
    assert_eq!(dockerfile.stage("3"), None);
    assert_eq!(dockerfile.stages[0].instructions[0].place.text, "RUN x");
}

#[test]
fn lines_are_continued_without_their_comments() {
    assert_eq!(
        command("RUN a && \\\n    # why\n  # more\n    b \\\n\n  c\n"),
        shell("a &&     b   c")
    );
    assert_eq!(command("RUN a \\  \n b"), shell("a  b"));
    assert_eq!(command("RUN a \\"), shell("a"));
    assert_eq!(command(r"RUN echo \\"), shell(r"echo \\"));
    assert_eq!(command("RUN echo # no comment"), shell("echo # no comment"));
    assert_eq!(command("\t  run a\r\n"), shell("a"));
    assert_eq!(commands("# a\n\n   # b\n"), []);
}

#[test]
fn an_instruction_knows_its_first_line() {
    let text = "\u{feff}# syntax=docker/dockerfile:1\n\nFROM a\nRUN b \\\n c\n\nRUN d\n";
    let stage = &Dockerfile::parse(text).unwrap().stages[0];
    assert_eq!(stage.place.line, 3);
    assert_eq!(stage.instructions[0].place.line, 4);
    assert_eq!(stage.instructions[0].place.text, "RUN b  c");
    assert_eq!(stage.instructions[1].place.line, 7);
}

#[test]
fn the_escape_character_can_be_chosen() {
    let dockerfile = Dockerfile::parse("# escape=`\nFROM a\nRUN b `\n c\\\nRUN d\n").unwrap();
    assert_eq!(dockerfile.escape, '`');
    assert_eq!(dockerfile.stages[0].instructions.len(), 2);
    // Only at the very top.
    let dockerfile = Dockerfile::parse("# a comment\n# escape=`\nFROM a\n").unwrap();
    assert_eq!(dockerfile.escape, '\\');

    let problem = |text: &str| Dockerfile::parse(text).unwrap_err().problem;
    assert_eq!(
        problem("# escape=x\nFROM a"),
        Problem::Escape("x".to_owned())
    );
    assert_eq!(
        problem("# escape=`\n# escape=`\nFROM a"),
        Problem::DuplicateDirective("escape".to_owned())
    );
}

#[test]
fn commands_are_words_or_a_line() {
    assert_eq!(
        command(r#"CMD ["a", "b c"]"#),
        Command::Cmd(CommandLine::Words(strings(&["a", "b c"])))
    );
    assert_eq!(command("RUN [ -f x ]"), shell("[ -f x ]"));
    assert_eq!(
        command("ENTRYPOINT a b"),
        Command::Entrypoint(CommandLine::Shell("a b".to_owned()))
    );
    assert_eq!(command("CMD"), Command::Cmd(CommandLine::Words(Vec::new())));
    assert_eq!(
        command("CMD []"),
        Command::Cmd(CommandLine::Words(Vec::new()))
    );
    assert_eq!(
        command(r#"SHELL ["/bin/bash", "-c"]"#),
        Command::Shell(strings(&["/bin/bash", "-c"]))
    );
    assert_eq!(
        command("RUN --network=none a"),
        Command::Run(Network::None, CommandLine::Shell("a".to_owned()))
    );
}

#[test]
fn pairs_keep_their_quotes() {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        command(r#"ENV a=1 b="2 3" c=4\ 5"#),
        Command::Env(pairs(&[("a", "1"), ("b", "\"2 3\""), ("c", r"4\ 5")]))
    );
    assert_eq!(
        command("ENV a  b = c"),
        Command::Env(pairs(&[("a", "b = c")]))
    );
    assert_eq!(
        command(r#"LABEL "a b"=c x="#),
        Command::Label(pairs(&[("\"a b\"", "c"), ("x", "")]))
    );
    assert_eq!(
        command("ARG a b=1"),
        Command::Arg(vec![
            ("a".to_owned(), None),
            ("b".to_owned(), Some("1".to_owned()))
        ])
    );
}

#[test]
fn copies_have_sources_and_flags() {
    let plain = Copy {
        sources: strings(&["a", "b"]),
        heredocs: Vec::new(),
        destination: "/c/".to_owned(),
        from: None,
        chown: None,
        chmod: None,
    };
    assert_eq!(command("COPY a b /c/"), Command::Copy(plain.clone()));
    assert_eq!(command("ADD a b /c/"), Command::Add(plain.clone()));
    assert_eq!(
        command(r#"COPY --from=build --chown=1:2 --chmod=0755 --link ["a", "b", "/c/"]"#),
        Command::Copy(Copy {
            from: Some("build".to_owned()),
            chown: Some("1:2".to_owned()),
            chmod: Some(0o755),
            ..plain
        })
    );
}

#[test]
fn here_documents_are_scripts_files_or_input() {
    assert_eq!(command("RUN <<EOF\na\n  b\nEOF\n"), shell("a\n  b\n"));
    assert_eq!(
        command("RUN cat <<-A && cat <<'B'\n\tone\n\tA\ntwo\nB\n"),
        shell("cat <<-A && cat <<'B'\none\nA\ntwo\nB")
    );
    assert_eq!(command("RUN echo \"<<EOF\"\n"), shell("echo \"<<EOF\""));
    let Command::Copy(copy) = command("COPY x <<a <<\"b\" /to/\n$v\na\n$v\nb\n") else {
        panic!("a copy");
    };
    assert_eq!(copy.sources, ["x"]);
    assert_eq!(copy.destination, "/to/");
    let files: Vec<_> = copy
        .heredocs
        .iter()
        .map(|file| (file.name.as_str(), file.contents.as_str(), file.expands))
        .collect();
    assert_eq!(files, [("a", "$v\n", true), ("b", "$v\n", false)]);
    assert_eq!(
        wrong("RUN <<EOF\na\n"),
        Problem::UnterminatedHeredoc("EOF".to_owned())
    );
    assert_eq!(
        wrong("RUN <<EOF\n#!/bin/x\nEOF"),
        Problem::HeredocInterpreter
    );
}

#[test]
fn health_is_asked_for_in_three_ways() {
    let Command::Healthcheck(check) =
        command("HEALTHCHECK --interval=1m --retries=2 --timeout=0s CMD a || b")
    else {
        panic!("a health check");
    };
    assert_eq!(check.test, ["CMD-SHELL", "a || b"]);
    assert_eq!(check.interval, Some(Duration::from_mins(1)));
    assert_eq!(check.timeout, None);
    assert_eq!(check.retries, Some(2));
    let Command::Healthcheck(check) = command(r#"HEALTHCHECK CMD ["a"]"#) else {
        panic!("a health check");
    };
    assert_eq!(check.test, ["CMD", "a"]);
    let Command::Healthcheck(check) = command("HEALTHCHECK none") else {
        panic!("a health check");
    };
    assert_eq!(check.test, ["NONE"]);
}

#[test]
fn triggers_are_read_and_kept() {
    assert_eq!(
        command("ONBUILD  COPY a b"),
        Command::OnBuild("COPY a b".to_owned())
    );
    let trigger = parse_trigger("COPY a b").unwrap();
    assert!(matches!(trigger.command, Command::Copy(_)));
    let trigger = parse_trigger("RUN <<E\na\nE").unwrap();
    assert_eq!(trigger.command, shell("a\n"));
    assert!(parse_trigger("").is_err());
    assert!(parse_trigger("RUN a\nRUN b").is_err());
    assert_eq!(wrong("ONBUILD ONBUILD RUN a"), Problem::ChainedTrigger);
    assert_eq!(wrong("ONBUILD FROM a"), Problem::Trigger("FROM"));
    assert_eq!(wrong(&"ONBUILD ".repeat(100_000)), Problem::ChainedTrigger);
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    for (text, expected) in [
        ("RNU a", Problem::UnknownInstruction("RNU".to_owned())),
        ("RUN", Problem::NeedsArgument("RUN")),
        ("RUN []", Problem::NeedsArgument("RUN")),
        ("VOLUME", Problem::NeedsArgument("VOLUME")),
        ("COPY a", Problem::NeedsDestination("COPY")),
        ("FROM a b", Problem::FromArguments),
        ("FROM", Problem::FromArguments),
        ("FROM a AS 1", Problem::StageName("1".to_owned())),
        ("ENV a", Problem::TwoArguments("ENV")),
        ("ENV a=1 b", Problem::NoEquals("b".to_owned())),
        ("ENV =1", Problem::BlankName("ENV")),
        ("ARG =1", Problem::BlankName("ARG")),
        ("SHELL /bin/sh", Problem::ShellForm),
        ("CMD [\"a\", 1]", Problem::NotStrings),
        ("STOPSIGNAL a b", Problem::NeedsOneArgument("STOPSIGNAL")),
        ("HEALTHCHECK a", Problem::HealthcheckType("A".to_owned())),
        ("HEALTHCHECK CMD", Problem::HealthcheckCommand),
        ("HEALTHCHECK NONE a", Problem::HealthcheckNone),
        ("COPY --what a b", Problem::UnknownFlag("what".to_owned())),
        (
            "COPY --from a b",
            Problem::FlagWithoutValue("from".to_owned()),
        ),
        (
            "COPY --from=a --from=b a b",
            Problem::DuplicateFlag("from".to_owned()),
        ),
        (
            "COPY --chmod=u+x a b",
            Problem::FlagValue {
                flag: "chmod",
                value: "u+x".to_owned(),
            },
        ),
        (
            "RUN --mount=type=cache,target=/x a",
            Problem::UnsupportedFlag {
                instruction: "RUN",
                flag: "mount".to_owned(),
            },
        ),
        (
            "ADD --checksum=x a b",
            Problem::UnsupportedFlag {
                instruction: "ADD",
                flag: "checksum".to_owned(),
            },
        ),
        ("ADD --from=a b c", Problem::UnknownFlag("from".to_owned())),
    ] {
        assert_eq!(wrong(text), expected, "{text}");
    }
    let error = Dockerfile::parse("FROM a\n\nRNU x\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "dockerfile parse error line 3: unknown instruction: RNU"
    );
    assert_eq!(error.hint().as_deref(), Some("did you mean RUN?"));
    assert_eq!(error.text, "RNU x");
    for text in ["", "# only\n", "ARG a\n", "RUN a\n"] {
        let error = Dockerfile::parse(text).unwrap_err();
        assert!(matches!(error.problem, Problem::Empty | Problem::NoStage));
        assert_eq!(error.line, 1);
        assert!(error.hint().is_some());
    }
}

#[test]
fn what_is_odd_is_warned_of() {
    let dockerfile = Dockerfile::parse("FROM a\nRUN b \\\n\n c\nCMD ['x']\n").unwrap();
    let lines: Vec<_> = dockerfile
        .warnings
        .iter()
        .map(|warning| warning.line)
        .collect();
    assert_eq!(lines, [3, 5]);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        let _read = Dockerfile::parse(&text);
        let _trigger = parse_trigger(&text);
    }

    #[test]
    fn anything_like_a_dockerfile_is_read_or_refused(
        lines in proptest::collection::vec(
            "(FROM|RUN|COPY|ADD|ENV|ARG|CMD|ONBUILD|HEALTHCHECK|SHELL|LABEL)[ \\\\\"'\\[\\],<=a-c-]{0,16}",
            0..8,
        ),
    ) {
        let text = format!("FROM a\n{}", lines.join("\n"));
        match Dockerfile::parse(&text) {
            Ok(read) => {
                let count: usize = read.stages.iter().map(|stage| stage.instructions.len()).sum();
                prop_assert!(count <= lines.len());
            }
            Err(error) => prop_assert!(error.line <= lines.len() + 1),
        }
    }
}
