//! Capabilities, seccomp, and what is hidden of `/proc` and `/sys`.

use model::api::host_config::HostConfig;
use runtime::capability::Capabilities;

use crate::error::{Error, Result};

/// What a container must not see: it tells of, or steers, the whole computer.
pub const MASKED_PATHS: [&str; 11] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];

/// What a container may look at and not change.
pub const READONLY_PATHS: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// What the security options come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Which system calls are let through.
    pub seccomp: Seccomp,
    /// Whether programs cannot gain privileges by running others.
    pub no_new_privileges: bool,
}

/// Which system calls are let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seccomp {
    /// Those of the default profile.
    Default,
    /// All.
    Unconfined,
    /// Those of this profile, in Docker's JSON.
    Profile(String),
}

/// Reads the security options.
pub fn options(host_config: &HostConfig) -> Result<Options> {
    let mut options = Options {
        seccomp: if host_config.privileged {
            Seccomp::Unconfined
        } else {
            Seccomp::Default
        },
        no_new_privileges: false,
    };
    for option in host_config.security_opt.iter().flatten() {
        let (name, value) = match option.split_once('=').or_else(|| option.split_once(':')) {
            Some((name, value)) => (name, value),
            None => (option.as_str(), ""),
        };
        let invalid = || Error::bad_parameter(format!("invalid --security-opt: {option:?}"));
        match name {
            "no-new-privileges" => {
                options.no_new_privileges = match value {
                    "" | "true" | "1" => true,
                    "false" | "0" => false,
                    _ => return Err(invalid()),
                };
            }
            "seccomp" => {
                options.seccomp = match value {
                    "" => return Err(invalid()),
                    "unconfined" => Seccomp::Unconfined,
                    "builtin" => Seccomp::Default,
                    profile => Seccomp::Profile(profile.to_owned()),
                }
            }
            // There is none to be confined by.
            "apparmor" if matches!(value, "unconfined" | "docker-default") => {}
            "label" if value == "disable" => {}
            "apparmor" | "label" | "systempaths" | "writable-cgroups" | "credentialspec" => {
                return Err(Error::not_implemented(format_args!(
                    "security option {name}={value}"
                )));
            }
            _ => return Err(invalid()),
        }
    }
    Ok(options)
}

/// The capabilities that were asked for. What the computer cannot give is left out by the runtime.
pub fn capabilities(host_config: &HostConfig) -> Result<Capabilities> {
    if host_config.privileged {
        return Ok(Capabilities::ALL);
    }
    let add = host_config.cap_add.as_deref().unwrap_or_default();
    let drop = host_config.cap_drop.as_deref().unwrap_or_default();
    Capabilities::adjusted(Capabilities::docker_default(), add, drop)
        .map_err(|error| Error::bad_parameter(error.to_string()))
}

#[cfg(test)]
mod tests {
    use model::api::host_config::HostConfig;
    use serde_json::json;

    use super::{Options, Seccomp, options};

    #[track_caller]
    fn check(option: &str, expect: Option<Options>) {
        let host: HostConfig = serde_json::from_value(json!({"SecurityOpt": [option]})).unwrap();
        assert_eq!(options(&host).ok(), expect, "{option}");
    }

    #[test]
    fn options_have_several_forms() {
        let with = |seccomp, no_new_privileges| {
            Some(Options {
                seccomp,
                no_new_privileges,
            })
        };
        check("no-new-privileges", with(Seccomp::Default, true));
        check("no-new-privileges:true", with(Seccomp::Default, true));
        check("no-new-privileges=false", with(Seccomp::Default, false));
        check("no-new-privileges=maybe", None);
        check("seccomp=unconfined", with(Seccomp::Unconfined, false));
        check("seccomp:unconfined", with(Seccomp::Unconfined, false));
        check(
            r#"seccomp={"a":1}"#,
            with(Seccomp::Profile(r#"{"a":1}"#.to_owned()), false),
        );
        check("apparmor=unconfined", with(Seccomp::Default, false));
        check("apparmor=mine", None);
        check("label=disable", with(Seccomp::Default, false));
        check("label=type:x", None);
        check("bogus", None);
    }
}
