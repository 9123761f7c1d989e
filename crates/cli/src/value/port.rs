//! `--publish` and `--expose`. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::api::host_config::{PortBinding, PortMap};

/// What is published and what is exposed by it, from all of a command's `--publish`.
pub(crate) fn published(texts: &[String]) -> Result<(BTreeSet<String>, PortMap), String> {
    let mut exposed = BTreeSet::new();
    let mut bindings: BTreeMap<String, Vec<PortBinding>> = BTreeMap::new();
    for text in texts {
        let expanded = if text.contains('=') {
            long(text)?
        } else {
            text.clone()
        };
        for (port, binding) in one(&expanded)? {
            exposed.insert(port.clone());
            bindings.entry(port).or_default().push(binding);
        }
    }
    let bindings = bindings
        .into_iter()
        .map(|(port, bindings)| (port, Some(bindings)))
        .collect();
    Ok((exposed, bindings))
}

/// The ports of `--expose`: `80`, `80/udp`, `8000-8010`.
pub(crate) fn exposed(texts: &[String]) -> Result<BTreeSet<String>, String> {
    let mut ports = BTreeSet::new();
    for text in texts {
        if text.contains(':') {
            return Err(format!("invalid port format for --expose: {text}"));
        }
        let (range, protocol) = with_protocol(text);
        let (first, last) = numbers(range).map_err(|error| {
            format!("invalid range format for --expose: {text}, error: {error}")
        })?;
        ports.extend((first..=last).map(|port| format!("{port}/{protocol}")));
    }
    Ok(ports)
}

/// `target=80,published=8080,protocol=tcp` in the short form.
fn long(text: &str) -> Result<String, String> {
    let (mut target, mut published, mut protocol, mut address) = ("", "", "tcp", "");
    for field in text.split(',') {
        match field.split_once('=') {
            Some(("target", value)) => target = value,
            Some(("published", value)) => published = value,
            Some(("protocol", value)) => protocol = value,
            Some(("host_ip", value)) => address = value,
            Some(("mode", _)) => {}
            Some((key, _)) => return Err(format!("invalid field key {key}")),
            None => return Err("invalid field format: should be a name=value pair".to_owned()),
        }
    }
    if target.is_empty() {
        return Err("missing mandatory field: target".to_owned());
    }
    let address = if address.is_empty() {
        String::new()
    } else {
        format!("{address}:")
    };
    Ok(format!("{address}{published}:{target}/{protocol}"))
}

/// `[ADDRESS:][HOST_PORT:]PORT[/PROTOCOL]`, where ports may be ranges.
fn one(text: &str) -> Result<Vec<(String, PortBinding)>, String> {
    let (rest, protocol) = with_protocol(text);
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(format!("invalid proto: {protocol}"));
    }
    let (front, container) = match rest.rsplit_once(':') {
        Some((front, container)) => (Some(front), container),
        None => (None, rest),
    };
    let (address, host) = match front {
        None => ("", ""),
        Some(front) => {
            split_address(front).ok_or_else(|| format!("invalid IP address: {front}"))?
        }
    };
    if container.is_empty() {
        return Err(format!("no port specified: {text}<empty>"));
    }
    if !address.is_empty() && address.parse::<IpAddr>().is_err() {
        return Err(format!("invalid IP address: {address}"));
    }
    let (first, last) =
        numbers(container).map_err(|_| format!("invalid containerPort: {container}"))?;
    let count = last - first;
    let hosts = if host.is_empty() {
        None
    } else {
        Some(numbers(host).map_err(|_| format!("invalid hostPort: {host}"))?)
    };
    if let Some((host_first, host_last)) = hosts
        && host_last - host_first != count
        && count != 0
    {
        return Err(format!(
            "invalid ranges specified for container and host Ports: {container} and {host}"
        ));
    }
    Ok((0..=count)
        .map(|offset| {
            let host_port = match hosts {
                None => String::new(),
                // One port of the container on any of several: the engine picks.
                Some((low, high)) if count == 0 && low != high => format!("{low}-{high}"),
                Some((low, _)) => (low + offset).to_string(),
            };
            let binding = PortBinding {
                host_ip: address.to_owned(),
                host_port,
            };
            (format!("{}/{protocol}", first + offset), binding)
        })
        .collect())
}

/// `ADDRESS:PORT`, `ADDRESS:`, `PORT` or nothing; an IPv6 address is in brackets.
fn split_address(front: &str) -> Option<(&str, &str)> {
    if let Some(rest) = front.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        return Some((address, port.strip_prefix(':').unwrap_or(port)));
    }
    match front.rsplit_once(':') {
        Some((address, port)) => Some((address, port)),
        // `127.0.0.1::80` leaves `127.0.0.1:`, which the arm above takes; `8080:80` leaves `8080`.
        None if front.contains('.') => Some((front, "")),
        None => Some(("", front)),
    }
}

fn with_protocol(text: &str) -> (&str, String) {
    match text.rsplit_once('/') {
        Some((port, protocol)) if !protocol.is_empty() => (port, protocol.to_ascii_lowercase()),
        Some((port, _)) => (port, "tcp".to_owned()),
        None => (text, "tcp".to_owned()),
    }
}

fn numbers(text: &str) -> Result<(u16, u16), String> {
    let number = |text: &str| {
        text.parse::<u16>()
            .map_err(|_| format!("invalid port number: {text:?}"))
    };
    match text.split_once('-') {
        None => {
            let port = number(text)?;
            Ok((port, port))
        }
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                Err(format!("invalid range: {text}"))
            } else {
                Ok((first, last))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{exposed, published};

    #[track_caller]
    fn check(text: &str, expect: Result<&[(&str, &str, &str)], &str>) {
        let found = published(&[text.to_owned()]).map(|(_, bindings)| {
            bindings
                .into_iter()
                .flat_map(|(port, bindings)| {
                    bindings
                        .unwrap_or_default()
                        .into_iter()
                        .map(move |binding| (port.clone(), binding.host_ip, binding.host_port))
                })
                .collect::<Vec<_>>()
        });
        let expect = expect
            .map(|list| {
                list.iter()
                    .map(|&(port, address, host)| {
                        (port.to_owned(), address.to_owned(), host.to_owned())
                    })
                    .collect::<Vec<_>>()
            })
            .map_err(str::to_owned);
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn ports_are_published_in_many_forms() {
        check("80", Ok(&[("80/tcp", "", "")]));
        check("8080:80", Ok(&[("80/tcp", "", "8080")]));
        check(
            "127.0.0.1:8080:80/udp",
            Ok(&[("80/udp", "127.0.0.1", "8080")]),
        );
        check("127.0.0.1::80", Ok(&[("80/tcp", "127.0.0.1", "")]));
        check("[::1]:8080:80", Ok(&[("80/tcp", "::1", "8080")]));
        check(
            "8000-8001:80-81",
            Ok(&[("80/tcp", "", "8000"), ("81/tcp", "", "8001")]),
        );
        check("8000-8010:80", Ok(&[("80/tcp", "", "8000-8010")]));
        check(
            "published=8080,target=80,protocol=udp",
            Ok(&[("80/udp", "", "8080")]),
        );
    }

    #[test]
    fn what_is_no_port_is_refused() {
        check("x", Err("invalid containerPort: x"));
        check("x:80", Err("invalid hostPort: x"));
        check("host.name:8080:80", Err("invalid IP address: host.name"));
        check("80/icmp", Err("invalid proto: icmp"));
        check(
            "8000-8002:80-81",
            Err("invalid ranges specified for container and host Ports: 80-81 and 8000-8002"),
        );
        check("70000:80", Err("invalid hostPort: 70000"));
    }

    #[test]
    fn ranges_are_exposed() {
        let ports = exposed(&["80".to_owned(), "90-91/udp".to_owned()]).unwrap();
        assert_eq!(
            ports.into_iter().collect::<Vec<_>>(),
            ["80/tcp", "90/udp", "91/udp"]
        );
        assert!(exposed(&["1:2".to_owned()]).is_err());
    }
}
