//! Exposed and published ports.

use std::net::{IpAddr, Ipv4Addr};

use model::api::container::Config;
use model::api::host_config::HostConfig;
use model::port::{Port, Protocol};
use network::{HostPorts, PortRequest};

use super::network_mode::NetworkMode;
use crate::error::{Error, Result};

/// The ports that are to be published.
pub fn requests(config: &Config, host_config: &HostConfig) -> Result<Vec<PortRequest>> {
    let exposed = exposed(config)?;
    let mut requests = Vec::new();
    for (port, bindings) in host_config.port_bindings.iter().flatten() {
        let container = single(port)?;
        let bindings = bindings.as_deref().unwrap_or_default();
        for binding in bindings {
            requests.push(PortRequest {
                container,
                host_address: address(&binding.host_ip)?,
                host_ports: binding.host_port.parse().map_err(
                    |error: network::InvalidHostPorts| Error::bad_parameter(error.to_string()),
                )?,
            });
        }
        if bindings.is_empty() {
            requests.push(any(container));
        }
    }
    if host_config.publish_all_ports {
        for container in exposed {
            if !requests
                .iter()
                .any(|request| request.container == container)
            {
                requests.push(any(container));
            }
        }
    }
    match NetworkMode::of(host_config) {
        NetworkMode::Default | NetworkMode::Named(_) => Ok(requests),
        NetworkMode::None | NetworkMode::Host | NetworkMode::Container(_) => Ok(Vec::new()),
    }
}

fn any(container: Port) -> PortRequest {
    PortRequest {
        container,
        host_address: None,
        host_ports: HostPorts::Any,
    }
}

/// The ports that the container is said to listen on.
pub fn exposed(config: &Config) -> Result<Vec<Port>> {
    let mut ports = Vec::new();
    for text in config.exposed_ports.iter().flat_map(|ports| ports.iter()) {
        let (numbers, protocol) = split(text)?;
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let (first, last) = (number(first, text)?, number(last, text)?);
        if first > last {
            return Err(invalid(text));
        }
        ports.extend((first..=last).map(|number| Port { protocol, number }));
    }
    Ok(ports)
}

/// A port of a container: `80/tcp`, `80`.
pub fn single(text: &str) -> Result<Port> {
    let (digits, protocol) = split(text)?;
    let number = number(digits, text)?;
    Ok(Port { protocol, number })
}

fn split(text: &str) -> Result<(&str, Protocol)> {
    let Some((numbers, protocol)) = text.split_once('/') else {
        return Ok((text, Protocol::Tcp));
    };
    let protocol = protocol.to_ascii_lowercase().parse();
    Ok((numbers, protocol.map_err(|_| invalid(text))?))
}

fn number(digits: &str, text: &str) -> Result<u16> {
    let number = digits.parse().ok().filter(|number| *number != 0);
    number.ok_or_else(|| invalid(text))
}

fn invalid(text: &str) -> Error {
    Error::bad_parameter(format!("invalid port specification: {text:?}"))
}

fn address(text: &str) -> Result<Option<Ipv4Addr>> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(address)) => Ok(Some(address)),
        Ok(IpAddr::V6(address)) => Err(Error::not_implemented(format_args!(
            "publishing on the IPv6 address {address}"
        ))),
        Err(_) => Err(Error::bad_parameter(format!("invalid IP address: {text}"))),
    }
}

#[cfg(test)]
mod tests {
    use model::api::container::Config;
    use model::api::host_config::HostConfig;
    use serde_json::json;

    #[track_caller]
    fn check(host: serde_json::Value, exposed: serde_json::Value, expect: Option<&[&str]>) {
        let host: HostConfig = serde_json::from_value(host).unwrap();
        let config: Config = serde_json::from_value(json!({"ExposedPorts": exposed})).unwrap();
        let requests = super::requests(&config, &host).ok().map(|requests| {
            let text = |request: network::PortRequest| {
                let address = request.host_address.map(|address| address.to_string());
                format!(
                    "{}:{:?}:{}",
                    address.unwrap_or_default(),
                    request.host_ports,
                    request.container
                )
            };
            requests.into_iter().map(text).collect::<Vec<_>>()
        });
        let expect = expect.map(|expect| expect.iter().map(|&text| text.to_owned()).collect());
        assert_eq!(requests, expect);
    }

    #[test]
    fn ports_are_published_in_many_forms() {
        let bind = |port: &str, ip: &str, host: &str| json!({"PortBindings": {port: [{"HostIp": ip, "HostPort": host}]}});
        check(
            bind("80/tcp", "", "8000"),
            json!({}),
            Some(&[":FirstOf(8000..=8000):80/tcp"]),
        );
        check(
            bind("80", "127.0.0.1", ""),
            json!({}),
            Some(&["127.0.0.1:Any:80/tcp"]),
        );
        check(bind("53/udp", "", "0"), json!({}), Some(&[":Any:53/udp"]));
        check(
            bind("80/tcp", "", "8000-8002"),
            json!({}),
            Some(&[":FirstOf(8000..=8002):80/tcp"]),
        );
        check(
            json!({"PortBindings": {"80/tcp": null}}),
            json!({}),
            Some(&[":Any:80/tcp"]),
        );
        check(
            json!({"PublishAllPorts": true}),
            json!({"80/tcp": {}, "90-91/udp": {}}),
            Some(&[":Any:80/tcp", ":Any:90/udp", ":Any:91/udp"]),
        );
        check(
            json!({"PublishAllPorts": true, "NetworkMode": "host"}),
            json!({"80/tcp": {}}),
            Some(&[]),
        );
        check(bind("80/bogus", "", ""), json!({}), None);
        check(bind("0/tcp", "", ""), json!({}), None);
        check(bind("80/tcp", "nowhere", ""), json!({}), None);
        check(bind("80/tcp", "", "99999"), json!({}), None);
        check(json!({}), json!({"91-90": {}}), None);
    }
}
