//! The files that a container is given: its folder, and `hostname`, `hosts` and `resolv.conf` in its `/etc`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use network::{Endpoint, ResolvConf};

use super::Record;
use crate::error::{Error, Result};
use crate::resolve::host_config::extra_host;
use crate::resolve::network_mode::NetworkMode;
use crate::resolve::spec::Files;
use crate::settings::Settings;

/// What every container finds in its `hosts`.
const HOSTS: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n\
    ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

/// The host's own.
const HOST_HOSTS: &str = "/etc/hosts";

/// The host's own.
const HOST_RESOLV_CONF: &str = "/etc/resolv.conf";

/// Makes the container's folder and the two of its overlay.
pub(super) fn make_directories(files: &Files) -> Result<()> {
    let make = |path: &Path, mode: u32| {
        std::fs::DirBuilder::new()
            .mode(mode)
            .create(path)
            .map_err(|cause| Error::io(format_args!("make {}", path.display()), cause))
    };
    make(&files.directory, 0o710)?;
    // What is seen as the root: everybody in the container may look at it.
    make(&files.upper(), 0o755)?;
    make(&files.work(), 0o700)
}

/// Writes the three files for a start. Before the networks are there, `endpoints` is empty; writing again puts the
/// addresses into files that are mounted already.
pub(super) fn write(
    files: &Files,
    record: &Record,
    settings: &Settings,
    endpoints: &[Endpoint],
) -> Result<()> {
    let mode = NetworkMode::of(&record.host_config);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let of_host = if mode.is_host() {
        read(HOST_HOSTS)
    } else {
        HOSTS.to_owned()
    };
    put(&files.hosts(), &hosts(of_host, record, endpoints)?)?;
    put(&files.hostname(), &format!("{}\n", record.config.hostname))?;
    let host = ResolvConf::of_host(Path::new(HOST_RESOLV_CONF));
    put(&files.resolv_conf(), &resolv_conf(host, record, settings))
}

/// Writes only what changes with the networks of a container that runs.
pub(super) fn write_hosts(files: &Files, record: &Record, endpoints: &[Endpoint]) -> Result<()> {
    put(&files.hosts(), &hosts(HOSTS.to_owned(), record, endpoints)?)
}

fn put(path: &Path, text: &str) -> Result<()> {
    std::fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o644)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|cause| Error::io(format_args!("write {}", path.display()), cause))
}

/// The name of the computer.
pub(super) fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

fn hosts(mut text: String, record: &Record, endpoints: &[Endpoint]) -> Result<String> {
    let name = &record.config.hostname;
    let domain = &record.config.domainname;
    for endpoint in endpoints {
        let full = if domain.is_empty() {
            name.clone()
        } else {
            format!("{name}.{domain} {name}")
        };
        let _ = writeln!(text, "{}\t{full}", endpoint.address);
    }
    for entry in record.host_config.extra_hosts.iter().flatten() {
        let (name, address) = extra_host(entry)?;
        if address != "host-gateway" {
            let _ = writeln!(text, "{address}\t{name}");
        } else if let Some(gateway) = endpoints.iter().find_map(|endpoint| endpoint.gateway) {
            let _ = writeln!(text, "{gateway}\t{name}");
        }
    }
    Ok(text)
}

/// Whom the container asks for names that we do not know, if it, or the engine, was told.
pub(super) fn name_servers(record: &Record, settings: &Settings) -> Vec<IpAddr> {
    let own = record.host_config.dns.iter().flatten();
    let own: Vec<IpAddr> = own.filter_map(|text| text.parse().ok()).collect();
    if own.is_empty() {
        settings.dns.clone()
    } else {
        own
    }
}

fn resolv_conf(host: ResolvConf, record: &Record, settings: &Settings) -> String {
    let or = |own: &Option<Vec<String>>, default: &[String], host: Vec<String>| match own {
        Some(own) if !own.is_empty() => own.clone(),
        Some(_) | None if !default.is_empty() => default.to_vec(),
        Some(_) | None => host,
    };
    let asked = &record.host_config;
    let servers = name_servers(record, settings);
    let told = !servers.is_empty();
    let mut search = or(&asked.dns_search, &settings.dns_search, host.search);
    // A single dot asks for none.
    search.retain(|domain| domain != ".");
    let base = ResolvConf {
        nameservers: if told { servers } else { host.nameservers },
        search,
        options: or(&asked.dns_options, &settings.dns_options, host.options),
    };
    let named = record
        .networks
        .keys()
        .any(|name| !matches!(name.as_str(), "bridge" | "host" | "none"));
    match NetworkMode::of(asked) {
        NetworkMode::Host => base,
        _ if named => base.with_embedded_dns(),
        _ if told => base,
        NetworkMode::Default
        | NetworkMode::None
        | NetworkMode::Container(_)
        | NetworkMode::Named(_) => base.for_default_bridge(),
    }
    .render()
}

#[cfg(test)]
mod tests {
    use model::api::endpoint::EndpointSettings;
    use network::ResolvConf;

    use super::{HOSTS, hosts, resolv_conf};
    use crate::resolve::testing::{record, settings};

    #[test]
    fn hosts_name_what_was_asked_for() {
        let mut record = record();
        record.host_config.extra_hosts =
            Some(vec!["db:10.0.0.9".to_owned(), "gw:host-gateway".to_owned()]);
        let text = hosts(HOSTS.to_owned(), &record, &[]).unwrap();
        assert!(text.starts_with("127.0.0.1\tlocalhost\n"));
        assert!(text.ends_with("10.0.0.9\tdb\n"));
    }

    #[test]
    fn names_are_looked_up_as_was_asked_for() {
        let host = || ResolvConf::parse("nameserver 10.0.0.2\nsearch lan\n");
        let mut record = record();
        let check = |record: &crate::container::Record, expect: &str| {
            assert_eq!(resolv_conf(host(), record, &settings()), expect);
        };
        check(&record, "nameserver 10.0.0.2\nsearch lan\n");
        record.host_config.dns = Some(vec!["127.0.0.1".to_owned()]);
        record.host_config.dns_search = Some(vec![".".to_owned()]);
        check(&record, "nameserver 127.0.0.1\n");
        record
            .networks
            .insert("lab".to_owned(), EndpointSettings::default());
        check(&record, "nameserver 127.0.0.11\noptions ndots:0\n");
    }
}
