//! What instructions change of an image's configuration, in a build and in `commit` and `import` alike. Pure.

use std::time::Duration;

use image::dockerfile::{Command, CommandLine, Healthcheck, parse_trigger};
use model::api::container::HealthConfig;
use model::api::image::ImageConfig;
use model::api::set::Set;
use model::api::text_list::TextList;

use crate::error::{Error, Result};

/// The shell of images that name none.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// Where programs are looked for in images that do not say.
pub(super) const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether the `CMD` is the Dockerfile's own. One that comes from the image below ends with a new `ENTRYPOINT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Cmd {
    /// It comes from below, or there is none.
    #[default]
    Inherited,
    /// This Dockerfile has one.
    Own,
}

/// Applies an instruction that changes nothing but the configuration, and gives the words that the image's
/// history has for it. `command` has its variables replaced.
///
/// # Panics
/// Never: instructions that do more are refused as an internal error.
pub(super) fn configure(
    config: &mut ImageConfig,
    command: &Command,
    cmd: &mut Cmd,
) -> Result<String> {
    Ok(match command {
        Command::Env(variables) => {
            let env = config.env.get_or_insert_default();
            for (name, value) in variables {
                set_variable(env, name, value);
            }
            format!("ENV {}", joined(variables))
        }
        Command::Label(labels) => {
            let own = config.labels.get_or_insert_default();
            own.extend(labels.iter().cloned());
            format!("LABEL {}", joined(labels))
        }
        Command::Workdir(path) => {
            config.working_dir = below(&config.working_dir, path);
            format!("WORKDIR {}", config.working_dir)
        }
        Command::User(user) => {
            config.user.clone_from(user);
            format!("USER {user}")
        }
        Command::Expose(ports) => {
            let exposed = config.exposed_ports.get_or_insert_default();
            for port in ports.split_whitespace() {
                exposed.extend(exposed_ports(port)?.0);
            }
            format!("EXPOSE {ports}")
        }
        Command::Volume(volumes) => {
            if volumes.iter().any(|volume| volume.trim().is_empty()) {
                return Err(Error::bad_parameter(
                    "VOLUME specified can not be an empty string",
                ));
            }
            let own = config.volumes.get_or_insert_default();
            own.extend(volumes.iter().cloned());
            format!("VOLUME [{}]", volumes.join(" "))
        }
        Command::Entrypoint(line) => {
            let words = words(config, line);
            if *cmd == Cmd::Inherited {
                config.cmd = None;
            }
            let text = format!("ENTRYPOINT {}", quoted(&words));
            config.entrypoint = (!words.is_empty()).then_some(TextList(words));
            text
        }
        Command::Cmd(line) => {
            let words = words(config, line);
            *cmd = Cmd::Own;
            let text = format!("CMD {}", quoted(&words));
            config.cmd = Some(TextList(words));
            text
        }
        Command::Healthcheck(check) => {
            config.healthcheck = Some(health(check));
            format!("HEALTHCHECK {}", quoted(&check.test))
        }
        Command::StopSignal(signal) => {
            crate::resolve::signal::parse(signal)?;
            config.stop_signal.clone_from(signal);
            format!("STOPSIGNAL {signal}")
        }
        Command::Shell(shell) => {
            config.shell = Some(TextList(shell.clone()));
            format!("SHELL [{}]", shell.join(" "))
        }
        Command::OnBuild(trigger) => {
            config
                .on_build
                .get_or_insert_default()
                .push(trigger.clone());
            format!("ONBUILD {trigger}")
        }
        Command::Maintainer(author) => format!("MAINTAINER {author}"),
        Command::Arg(arguments) => {
            let words: Vec<_> = arguments
                .iter()
                .map(|(name, default)| match default {
                    Some(default) => format!("{name}={default}"),
                    None => name.clone(),
                })
                .collect();
            format!("ARG {}", words.join(" "))
        }
        Command::From(_) | Command::Run(..) | Command::Copy(_) | Command::Add(_) => {
            return Err(Error::internal("this instruction changes files"));
        }
    })
}

/// Applies `commit --change` and `import --change`: instructions, each with no variables but those of the image.
pub fn apply_changes(config: &mut ImageConfig, changes: &[String]) -> Result<()> {
    for change in changes {
        let instruction = parse_trigger(change)
            .map_err(|error| Error::bad_parameter(error.problem.to_string()))?;
        let name = change.split_whitespace().next().unwrap_or_default();
        let is_allowed = matches!(
            instruction.command,
            Command::Cmd(_)
                | Command::Entrypoint(_)
                | Command::Healthcheck(_)
                | Command::Env(_)
                | Command::Expose(_)
                | Command::Label(_)
                | Command::OnBuild(_)
                | Command::StopSignal(_)
                | Command::User(_)
                | Command::Volume(_)
                | Command::Workdir(_)
        );
        if !is_allowed {
            let name = name.to_ascii_uppercase();
            return Err(Error::bad_parameter(format!(
                "{name} is not a valid change command"
            )));
        }
        let lookup = |name: &str| variable(config, name);
        let command = super::expand::replaced(&instruction.command, '\\', &lookup)
            .map_err(|error| Error::bad_parameter(error.to_string()))?;
        // A change that names a command means it, whatever else is changed.
        configure(config, &command, &mut Cmd::Own)?;
    }
    Ok(())
}

/// The value of a variable in the configuration's environment.
pub(super) fn variable(config: &ImageConfig, name: &str) -> Option<String> {
    config.env.iter().flatten().find_map(|variable| {
        let (own, value) = variable.split_once('=')?;
        (own == name).then(|| value.to_owned())
    })
}

/// The words of a command: of a line, those that give it to the shell.
pub(super) fn words(config: &ImageConfig, line: &CommandLine) -> Vec<String> {
    match line {
        CommandLine::Words(words) => words.clone(),
        CommandLine::Shell(line) => {
            let mut words: Vec<String> = match &config.shell {
                Some(shell) if !shell.is_empty() => shell.to_vec(),
                _ => SHELL.map(str::to_owned).to_vec(),
            };
            words.push(line.clone());
            words
        }
    }
}

/// `path`, seen from `from`, without `.`, `..` and doubled slashes.
pub(super) fn below(from: &str, path: &str) -> String {
    let whole = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{from}/{path}")
    };
    let mut names: Vec<&str> = Vec::new();
    for name in whole.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

fn set_variable(env: &mut Vec<String>, name: &str, value: &str) {
    let variable = format!("{name}={value}");
    let there = env
        .iter_mut()
        .find(|own| own.split_once('=').is_some_and(|(own, _)| own == name));
    match there {
        Some(own) => *own = variable,
        None => env.push(variable),
    }
}

/// `80`, `80/udp`, `8000-8002`: as `port/protocol`.
fn exposed_ports(text: &str) -> Result<Set> {
    let invalid = || Error::bad_parameter(format!("Invalid containerPort: {text}"));
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(Error::bad_parameter(format!("Invalid proto: {protocol}")));
    }
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let first: u16 = first.parse().map_err(|_| invalid())?;
    let last: u16 = last.parse().map_err(|_| invalid())?;
    if first == 0 || last < first {
        return Err(invalid());
    }
    Ok((first..=last)
        .map(|port| format!("{port}/{protocol}"))
        .collect())
}

fn health(check: &Healthcheck) -> HealthConfig {
    let nanoseconds = |duration: Option<Duration>| {
        duration.map_or(0, |duration| {
            i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
        })
    };
    HealthConfig {
        test: Some(check.test.clone()),
        interval: nanoseconds(check.interval),
        timeout: nanoseconds(check.timeout),
        start_period: nanoseconds(check.start_period),
        start_interval: nanoseconds(check.start_interval),
        retries: check.retries.map_or(0, i64::from),
    }
}

fn joined(pairs: &[(String, String)]) -> String {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join(" ")
}

/// `["a" "b"]`, as Go prints a list of texts.
fn quoted(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    format!("[{}]", words.join(" "))
}

#[cfg(test)]
mod tests {
    use model::api::image::ImageConfig;

    use super::{Cmd, apply_changes, below, configure};
    use image::dockerfile::parse_trigger;

    /// The configuration as JSON, and the history, after these instructions.
    fn configured(text: &[&str]) -> (String, Vec<String>) {
        let mut config = ImageConfig {
            cmd: Some(vec!["inherited".to_owned()].into()),
            ..ImageConfig::default()
        };
        let mut cmd = Cmd::default();
        let history = text
            .iter()
            .map(|text| {
                let command = parse_trigger(text).unwrap().command;
                configure(&mut config, &command, &mut cmd).unwrap()
            })
            .collect();
        (serde_json::to_string(&config).unwrap(), history)
    }

    #[test]
    fn instructions_change_the_configuration() {
        let (json, history) = configured(&[
            "ENV a=1 b=2",
            "ENV a=3",
            "LABEL l=x",
            "WORKDIR /a",
            "WORKDIR b/../c",
            "USER me:us",
            "EXPOSE 80 53/UDP 8000-8001",
            "VOLUME /data",
            "STOPSIGNAL SIGQUIT",
            "SHELL [\"/bin/bash\", \"-c\"]",
            "CMD run it",
            "ONBUILD RUN x",
        ]);
        assert_eq!(
            json,
            r#"{"User":"me:us","ExposedPorts":{"53/udp":{},"80/tcp":{},"8000/tcp":{},"8001/tcp":{}},"Env":["a=3","b=2"],"Cmd":["/bin/bash","-c","run it"],"Volumes":{"/data":{}},"WorkingDir":"/a/c","Labels":{"l":"x"},"StopSignal":"SIGQUIT","OnBuild":["RUN x"],"Shell":["/bin/bash","-c"]}"#
        );
        assert_eq!(history[1], "ENV a=3");
        assert_eq!(history[4], "WORKDIR /a/c");
        assert_eq!(history[10], r#"CMD ["/bin/bash" "-c" "run it"]"#);
    }

    #[test]
    fn an_entrypoint_ends_an_inherited_cmd_only() {
        let (json, _) = configured(&["ENTRYPOINT [\"a\"]"]);
        assert_eq!(json, r#"{"Entrypoint":["a"]}"#);
        let (json, _) = configured(&["CMD [\"b\"]", "ENTRYPOINT [\"a\"]"]);
        assert_eq!(json, r#"{"Entrypoint":["a"],"Cmd":["b"]}"#);
    }

    #[test]
    fn health_is_in_nanoseconds() {
        let (json, _) = configured(&["HEALTHCHECK --interval=1s --retries=2 CMD x"]);
        assert!(json.contains(
            r#""Healthcheck":{"Test":["CMD-SHELL","x"],"Interval":1000000000,"Retries":2}"#
        ));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for text in [
            "EXPOSE x",
            "EXPOSE 0",
            "EXPOSE 80/x",
            "EXPOSE 9-8",
            "STOPSIGNAL NO",
        ] {
            let command = parse_trigger(text).unwrap().command;
            let configured = configure(&mut ImageConfig::default(), &command, &mut Cmd::Own);
            assert!(configured.is_err(), "{text}");
        }
    }

    #[test]
    fn changes_are_some_of_the_instructions() {
        let mut config = ImageConfig::default();
        let changes = ["ENV a=1", "ENV b=$a", "CMD x"].map(str::to_owned);
        apply_changes(&mut config, &changes).unwrap();
        assert_eq!(
            config.env.as_deref(),
            Some(["a=1", "b=1"].map(str::to_owned).as_slice())
        );
        for change in ["RUN x", "FROM x", "NONE", "ENV"] {
            assert!(
                apply_changes(&mut config, &[change.to_owned()]).is_err(),
                "{change}"
            );
        }
    }

    #[test]
    fn paths_are_seen_from_a_folder() {
        assert_eq!(below("", "a"), "/a");
        assert_eq!(below("/a", "../../b/./c//"), "/b/c");
        assert_eq!(below("/a", "/"), "/");
    }
}
