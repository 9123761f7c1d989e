//! From what a user asked for and an image says to what a container is to be. Pure: the same answers for the same
//! questions, and no look at the system.
//!
//! ```text
//! Create ──refuse──▶ (nothing we would have to ignore) ──config::merge──▶ Config ──┐
//! ImageConfig ────────────────────────────────────────────────┘                    ├─▶ Record ──spec──▶ ContainerSpec
//! HostConfig ──host_config::filled──▶ HostConfig ──────────────────────────────────┘
//! ```
//!
//! Everything that can be wrong with a request is found before anything is made: [`check`] runs each step once.

pub mod config;
pub mod exec;
pub mod health;
pub mod host_config;
pub mod log;
pub mod mounts;
pub mod network_mode;
pub mod ports;
pub mod refuse;
pub mod resources;
pub mod security;
pub mod signal;
pub mod spec;
#[cfg(test)]
pub mod testing;

use model::api::container::Config;
use model::api::host_config::HostConfig;

use crate::error::Result;
use crate::settings::Settings;

/// What of the computer bears on whether a request can be met.
#[derive(Debug, Clone, Copy)]
pub struct Host {
    /// How many processors it has.
    pub processors: u32,
    /// The number of the last of them.
    pub last_processor: u32,
    /// Whether containers get a view of cgroups of their own unless they ask otherwise.
    pub private_cgroups: bool,
}

/// Finds everything that is wrong with a merged configuration; returns what the user should be warned of.
pub fn check(
    config: &Config,
    host_config: &HostConfig,
    settings: &Settings,
    host: Host,
) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    refuse::unsupported(config, host_config)?;
    config::check(config)?;
    host_config::check(config, host_config)?;
    security::options(host_config)?;
    security::capabilities(host_config)?;
    resources::check(&host_config.resources, host, &mut warnings)?;
    resources::limits(&host_config.resources)?;
    resources::rlimits(&host_config.resources, &settings.default_ulimits)?;
    mounts::plan(config, host_config)?;
    log::file(host_config, settings, std::path::Path::new("/"))?;
    health::probe(config)?;
    ports::requests(config, host_config)?;
    spec::sysctls(host_config)?;
    if network_mode::NetworkMode::of(host_config).is_host()
        && host_config
            .port_bindings
            .as_ref()
            .is_some_and(|bindings| !bindings.is_empty())
    {
        warnings.push("Published ports are discarded when using host network mode".to_owned());
    }
    Ok(warnings)
}
