//! Kernel settings of the calling thread's network namespace.

use std::{fs, io, path::PathBuf};

use crate::error::{Error, Result};

/// Lets the computer forward packets, if it does not already.
pub(crate) fn enable_forwarding() -> Result<()> {
    let path = PathBuf::from("/proc/sys/net/ipv4/ip_forward");
    match fs::read_to_string(&path) {
        Ok(value) if value.trim() == "1" => Ok(()),
        _ => write(path, "1"),
    }
}

/// Lets an interface route loopback's addresses, so that the host reaches a published port at 127.0.0.1.
pub(crate) fn route_loopback(interface: &str) -> Result<()> {
    write(setting("ipv4", interface, "route_localnet"), "1")
}

/// Keeps IPv6 off an interface. A kernel without IPv6 has done that already.
pub(crate) fn disable_ipv6(interface: &str) -> Result<()> {
    match write(setting("ipv6", interface, "disable_ipv6"), "1") {
        Err(Error::Sysctl { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn setting(family: &str, interface: &str, name: &str) -> PathBuf {
    ["/proc/sys/net", family, "conf", interface, name]
        .iter()
        .collect()
}

fn write(path: PathBuf, value: &'static str) -> Result<()> {
    fs::write(&path, value).map_err(|source| Error::Sysctl {
        path,
        value,
        source,
    })
}
