//! The configuration that a container gets from its request and its image together.

use std::collections::BTreeMap;

use model::api::container::{Config, HealthConfig};
use model::api::image::ImageConfig;
use model::api::text_list::TextList;

use super::signal;
use crate::error::{Error, Result};

/// Where programs are looked up when nobody says.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What was asked for, and what the image says where nothing was.
#[must_use]
pub fn merge(mut config: Config, image: &ImageConfig) -> Config {
    let absent = |list: &Option<TextList>| list.as_ref().is_none_or(TextList::is_empty);
    if absent(&config.entrypoint) {
        if absent(&config.cmd) {
            config.cmd.clone_from(&image.cmd);
        }
        if config.entrypoint.is_none() {
            config.entrypoint.clone_from(&image.entrypoint);
        }
    }
    // `--entrypoint ""` takes the image's away.
    if matches!(config.entrypoint.as_deref(), Some([only]) if only.is_empty()) {
        config.entrypoint = None;
    }
    if config.user.is_empty() {
        config.user.clone_from(&image.user);
    }
    if config.working_dir.is_empty() {
        config.working_dir.clone_from(&image.working_dir);
    }
    if config.stop_signal.is_empty() {
        config.stop_signal.clone_from(&image.stop_signal);
    }
    if config.shell.is_none() {
        config.shell.clone_from(&image.shell);
    }
    config.env = merge_environment(config.env, image.env.as_deref().unwrap_or_default());
    for (name, value) in image.labels.iter().flatten() {
        let labels = config.labels.get_or_insert_default();
        labels.entry(name.clone()).or_insert_with(|| value.clone());
    }
    if let Some(ports) = image.exposed_ports.as_deref()
        && !ports.is_empty()
    {
        let exposed = config.exposed_ports.get_or_insert_default();
        exposed.0.extend(ports.iter().cloned());
    }
    if let Some(volumes) = image.volumes.as_deref()
        && !volumes.is_empty()
    {
        let all = config.volumes.get_or_insert_default();
        all.0.extend(volumes.iter().cloned());
    }
    config.healthcheck = merge_health(config.healthcheck, image.healthcheck.as_ref());
    config
}

fn merge_environment(asked: Option<Vec<String>>, image: &[String]) -> Option<Vec<String>> {
    let mut environment = asked.unwrap_or_default();
    for variable in image {
        let name = name_of(variable);
        if !environment.iter().any(|asked| name_of(asked) == name) {
            environment.push(variable.clone());
        }
    }
    (!environment.is_empty()).then_some(environment)
}

fn merge_health(asked: Option<HealthConfig>, image: Option<&HealthConfig>) -> Option<HealthConfig> {
    let (Some(mut health), Some(image)) = (asked.clone(), image) else {
        return asked.or_else(|| image.cloned());
    };
    if health.test.as_ref().is_none_or(Vec::is_empty) {
        health.test.clone_from(&image.test);
    }
    let fill = |value: &mut i64, from: i64| {
        if *value == 0 {
            *value = from;
        }
    };
    fill(&mut health.interval, image.interval);
    fill(&mut health.timeout, image.timeout);
    fill(&mut health.start_period, image.start_period);
    fill(&mut health.start_interval, image.start_interval);
    fill(&mut health.retries, image.retries);
    Some(health)
}

/// Finds what is wrong with a merged configuration.
pub fn check(config: &Config) -> Result<()> {
    if command(config).is_empty() {
        return Err(Error::bad_parameter("no command specified"));
    }
    let directory = &config.working_dir;
    if !directory.is_empty() && !directory.starts_with('/') {
        return Err(Error::bad_parameter(format!(
            "the working directory '{directory}' is invalid, it needs to be an absolute path"
        )));
    }
    for variable in config.env.iter().flatten() {
        if name_of(variable).is_empty() {
            return Err(Error::bad_parameter(format!(
                "invalid environment variable: {variable}"
            )));
        }
    }
    if !config.stop_signal.is_empty() {
        signal::parse(&config.stop_signal)?;
    }
    let texts = command(config);
    let texts = texts.iter().chain(config.env.iter().flatten());
    let mut texts = texts.chain([directory, &config.user, &config.hostname]);
    if texts.any(|text| text.contains('\0')) {
        return Err(Error::bad_parameter(
            "a command, variable, user or directory cannot contain a zero byte",
        ));
    }
    let host_name = &config.hostname;
    if host_name.len() > 64 {
        return Err(Error::bad_parameter(format!(
            "invalid hostname {host_name:?}: 64 characters at most"
        )));
    }
    Ok(())
}

/// The program and its arguments.
pub fn command(config: &Config) -> Vec<String> {
    let entrypoint = config.entrypoint.as_deref().unwrap_or_default();
    let cmd = config.cmd.as_deref().unwrap_or_default();
    entrypoint.iter().chain(cmd).cloned().collect()
}

/// The environment, whole but for `HOME`.
pub fn environment(config: &Config) -> Vec<String> {
    let mut base = vec![
        DEFAULT_PATH.to_owned(),
        format!("HOSTNAME={}", config.hostname),
    ];
    if config.tty {
        base.push("TERM=xterm".to_owned());
    }
    overlay_environment(base, config.env.as_deref().unwrap_or_default())
}

/// `base` with these variables set, or taken away where one has no `=`.
pub fn overlay_environment(base: Vec<String>, with: &[String]) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for variable in base.iter().chain(with) {
        let name = name_of(variable).to_owned();
        if !variable.contains('=') {
            values.remove(&name);
            order.retain(|known| *known != name);
        } else if values.insert(name.clone(), variable.clone()).is_none() {
            order.push(name);
        }
    }
    order
        .iter()
        .filter_map(|name| values.remove(name))
        .collect()
}

fn name_of(variable: &str) -> &str {
    variable.split('=').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use model::api::container::{Config, HealthConfig};
    use model::api::image::ImageConfig;
    use model::api::text_list::TextList;

    use super::{command, environment, merge};

    fn list(texts: &[&str]) -> TextList {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[track_caller]
    fn check(entrypoint: Option<&[&str]>, cmd: Option<&[&str]>, expect: &[&str]) {
        let image = ImageConfig {
            entrypoint: Some(list(&["/entry"])),
            cmd: Some(list(&["serve"])),
            ..ImageConfig::default()
        };
        let config = Config {
            entrypoint: entrypoint.map(list),
            cmd: cmd.map(list),
            ..Config::default()
        };
        assert_eq!(command(&merge(config, &image)), expect);
    }

    #[test]
    fn commands_are_merged_as_docker_does() {
        check(None, None, &["/entry", "serve"]);
        check(None, Some(&["x"]), &["/entry", "x"]);
        check(Some(&["/mine"]), None, &["/mine"]);
        check(Some(&["/mine"]), Some(&["x"]), &["/mine", "x"]);
        check(Some(&[""]), Some(&["x"]), &["x"]);
        check(Some(&[]), Some(&["x"]), &["x"]);
    }

    #[test]
    fn variables_of_the_request_win() {
        let image = ImageConfig {
            env: Some(strings(&["A=1", "B=2"])),
            ..ImageConfig::default()
        };
        let config = Config {
            env: Some(strings(&["B=3", "PATH=/x"])),
            hostname: "box".to_owned(),
            tty: true,
            ..Config::default()
        };
        assert_eq!(
            environment(&merge(config, &image)),
            ["PATH=/x", "HOSTNAME=box", "TERM=xterm", "B=3", "A=1"]
        );
    }

    #[test]
    fn a_variable_without_a_value_is_taken_away() {
        let config = Config {
            env: Some(strings(&["HOSTNAME", "A="])),
            ..Config::default()
        };
        let environment = environment(&config);
        assert_eq!(environment.len(), 2);
        assert_eq!(environment[1], "A=");
    }

    #[test]
    fn a_health_check_takes_from_the_image_what_it_lacks() {
        let image = ImageConfig {
            healthcheck: Some(HealthConfig {
                test: Some(strings(&["CMD", "probe"])),
                interval: 7,
                ..HealthConfig::default()
            }),
            ..ImageConfig::default()
        };
        let config = Config {
            healthcheck: Some(HealthConfig {
                retries: 2,
                ..HealthConfig::default()
            }),
            ..Config::default()
        };
        let merged = merge(config, &image).healthcheck.unwrap();
        assert_eq!(merged.test, Some(strings(&["CMD", "probe"])));
        assert_eq!((merged.interval, merged.retries), (7, 2));
    }

    #[test]
    fn what_cannot_run_is_refused() {
        let with = |change: fn(&mut Config)| {
            let mut config = Config {
                cmd: Some(list(&["true"])),
                ..Config::default()
            };
            change(&mut config);
            super::check(&config).is_ok()
        };
        assert!(with(|_| ()));
        assert!(!with(|config| config.cmd = None));
        assert!(!with(|config| config.working_dir = "tmp".to_owned()));
        assert!(!with(|config| config.env = Some(vec!["=x".to_owned()])));
        assert!(!with(|config| config.stop_signal = "SIGNOT".to_owned()));
        assert!(!with(|config| config.user = "a\0b".to_owned()));
        assert!(!with(|config| config.hostname = "a".repeat(65)));
    }
}
