//! `HostConfig` as a container has it: what was asked for, with what this engine does where nothing was said.

use model::api::container::Config;
use model::api::host_config::{HostConfig, LogConfig, RestartPolicy};

use super::network_mode::{NetworkMode, joined};
use super::{Host, security};
use crate::error::{Error, Result};
use crate::settings::Settings;

/// What was asked for, with defaults where nothing was: `inspect` shows these.
#[must_use]
pub fn filled(mut host_config: HostConfig, settings: &Settings, host: Host) -> HostConfig {
    let fill = |text: &mut String, default: &str| {
        if text.is_empty() {
            default.clone_into(text);
        }
    };
    if matches!(host_config.network_mode.as_str(), "" | "default") {
        "bridge".clone_into(&mut host_config.network_mode);
    }
    fill(&mut host_config.ipc_mode, "private");
    let privileged = host_config.privileged;
    let cgroups = if host.private_cgroups && !privileged {
        "private"
    } else {
        "host"
    };
    fill(&mut host_config.cgroupns_mode, cgroups);
    fill(&mut host_config.runtime, "runc");
    fill(&mut host_config.restart_policy.name, "no");
    if host_config.shm_size == 0 {
        host_config.shm_size = i64::try_from(settings.default_shm_size).unwrap_or(i64::MAX);
    }
    if host_config.log_config.driver.is_empty() {
        // What is asked for goes before what holds if nothing is.
        let mut options = settings.log_options.clone();
        options.extend(host_config.log_config.config.take().unwrap_or_default());
        host_config.log_config = LogConfig {
            driver: "json-file".to_owned(),
            config: Some(options),
        };
    }
    let paths = |paths: &[&str]| {
        if privileged {
            None
        } else {
            Some(paths.iter().map(|&path| path.to_owned()).collect())
        }
    };
    if host_config.masked_paths.is_none() {
        host_config.masked_paths = paths(&security::MASKED_PATHS);
    }
    if host_config.readonly_paths.is_none() {
        host_config.readonly_paths = paths(&security::READONLY_PATHS);
    }
    host_config
}

/// Finds what is wrong with it.
pub fn check(config: &Config, host_config: &HostConfig) -> Result<()> {
    restart_policy(&host_config.restart_policy, host_config.auto_remove)?;
    modes(config, host_config)?;
    let adjustment = host_config.oom_score_adj;
    if !(-1000..=1000).contains(&adjustment) {
        return Err(Error::bad_parameter(format!(
            "Invalid value {adjustment}, range for oom score adj is [-1000, 1000]"
        )));
    }
    if host_config.shm_size < 0 {
        return Err(Error::bad_parameter("SHM size can not be less than 0"));
    }
    for entry in host_config.extra_hosts.iter().flatten() {
        extra_host(entry)?;
    }
    for address in host_config.dns.iter().flatten() {
        if address.parse::<std::net::IpAddr>().is_err() {
            return Err(Error::bad_parameter(format!(
                "invalid IP address for dns: {address}"
            )));
        }
    }
    Ok(())
}

/// A name and its address, from `name:address` or `name=address`.
pub fn extra_host(entry: &str) -> Result<(&str, &str)> {
    let parts = entry.split_once('=').or_else(|| entry.split_once(':'));
    match parts {
        Some((name, address)) if !name.is_empty() && is_address(address) => {
            Ok((name, address.trim_matches(['[', ']'])))
        }
        _ => Err(Error::bad_parameter(format!(
            "invalid IP address in add-host: {entry:?}"
        ))),
    }
}

fn is_address(text: &str) -> bool {
    text == "host-gateway"
        || text
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok()
}

/// Finds what is wrong with a restart policy.
pub fn restart_policy(policy: &RestartPolicy, auto_remove: bool) -> Result<()> {
    let count = policy.maximum_retry_count;
    match policy.name.as_str() {
        "" | "no" if count == 0 => return Ok(()),
        "always" | "unless-stopped" if count == 0 => {}
        "" | "no" | "always" | "unless-stopped" => {
            return Err(Error::bad_parameter(format!(
                "invalid restart policy: maximum retry count can only be used with 'on-failure', not '{}'",
                policy.name
            )));
        }
        "on-failure" if count >= 0 => {}
        "on-failure" => {
            return Err(Error::bad_parameter(
                "invalid restart policy: maximum retry count cannot be negative",
            ));
        }
        other => {
            return Err(Error::bad_parameter(format!(
                "invalid restart policy: unknown policy '{other}'; use one of 'no', 'always', 'on-failure', or \
                 'unless-stopped'"
            )));
        }
    }
    if auto_remove {
        return Err(Error::bad_parameter(
            "can't create 'AutoRemove' container with restart policy",
        ));
    }
    Ok(())
}

fn modes(config: &Config, host_config: &HostConfig) -> Result<()> {
    let invalid =
        |what: &str, mode: &str| Error::bad_parameter(format!("invalid {what} mode: {mode}"));
    let one_of = |mode: &str, known: &[&str]| {
        known.contains(&mode) || joined(mode).is_some_and(|container| !container.is_empty())
    };
    if !one_of(
        &host_config.ipc_mode,
        &["", "none", "private", "shareable", "host"],
    ) {
        return Err(invalid("IPC", &host_config.ipc_mode));
    }
    if !one_of(&host_config.pid_mode, &["", "private", "host"]) {
        return Err(invalid("PID", &host_config.pid_mode));
    }
    if !["", "host"].contains(&host_config.uts_mode.as_str()) {
        return Err(invalid("UTS", &host_config.uts_mode));
    }
    if !["", "private", "host"].contains(&host_config.cgroupns_mode.as_str()) {
        return Err(invalid("cgroup namespace", &host_config.cgroupns_mode));
    }
    let conflict = |what: &str| Err(Error::bad_parameter(format!("conflicting options: {what}")));
    if host_config.uts_mode == "host" && !config.hostname.is_empty() {
        return conflict("hostname and the UTS mode");
    }
    if let NetworkMode::Container(container) = NetworkMode::of(host_config) {
        if container.is_empty() {
            return Err(invalid("network", &host_config.network_mode));
        }
        let given = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
        if !config.hostname.is_empty() {
            return conflict("hostname and the network mode");
        }
        if given(&host_config.dns) {
            return conflict("dns and the network mode");
        }
        if given(&host_config.extra_hosts) {
            return conflict("custom host-to-IP mapping and the network mode");
        }
        if !config.mac_address.is_empty() {
            return conflict("mac-address and the network mode");
        }
        let published = host_config
            .port_bindings
            .as_ref()
            .is_some_and(|bindings| !bindings.is_empty());
        if published || host_config.publish_all_ports {
            return conflict("port publishing and the container type network mode");
        }
        if config
            .exposed_ports
            .as_ref()
            .is_some_and(|ports| !ports.is_empty())
        {
            return conflict("port exposing and the container type network mode");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::api::container::Config;
    use model::api::host_config::HostConfig;
    use serde_json::json;

    #[track_caller]
    fn check(host: serde_json::Value, expect: Result<(), &str>) {
        let host: HostConfig = serde_json::from_value(host).unwrap();
        let found = super::check(&Config::default(), &host);
        match (found, expect) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) if error.to_string().contains(part) => {}
            (found, expect) => panic!("{found:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        check(json!({}), Ok(()));
        check(json!({"RestartPolicy": {"Name": "always"}}), Ok(()));
        check(
            json!({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}),
            Ok(()),
        );
        check(
            json!({"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}}),
            Err("maximum retry count"),
        );
        check(
            json!({"RestartPolicy": {"Name": "often"}}),
            Err("unknown policy 'often'"),
        );
        check(
            json!({"RestartPolicy": {"Name": "always"}, "AutoRemove": true}),
            Err("can't create 'AutoRemove' container"),
        );
        check(json!({"IpcMode": "bogus"}), Err("invalid IPC mode"));
        check(json!({"IpcMode": "container:"}), Err("invalid IPC mode"));
        check(json!({"PidMode": "container:web"}), Ok(()));
        check(json!({"OomScoreAdj": 1001}), Err("range for oom score adj"));
        check(json!({"Dns": ["8.8.8"]}), Err("invalid IP address for dns"));
        check(
            json!({"ExtraHosts": ["a:10.0.0.1", "b=::1", "c:host-gateway"]}),
            Ok(()),
        );
        check(json!({"ExtraHosts": ["a"]}), Err("add-host"));
        check(
            json!({"NetworkMode": "container:web", "PublishAllPorts": true}),
            Err("port publishing and the container type network mode"),
        );
    }
}
