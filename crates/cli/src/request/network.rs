//! Networks: those of a new container, one to connect to, one to create.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::api::endpoint::{EndpointIpam, EndpointSettings, NetworkingConfig};
use model::api::network::{Create, Ipam, IpamConfig};

use crate::args::create::Networking;
use crate::args::network as raw;
use crate::value;

/// The networks of a new container.
#[derive(Debug)]
pub(crate) struct OfContainer {
    pub(crate) mode: String,
    pub(crate) endpoints: NetworkingConfig,
    /// Links that are the container's, not its endpoint's: on the default network.
    pub(crate) links: Vec<String>,
}

/// Decides from `--network` and what goes with it.
pub(crate) fn of_container(raw: &Networking) -> Result<OfContainer, String> {
    let mut links = raw.link.clone();
    let mut endpoints = BTreeMap::new();
    let mut mode = None;
    for (index, text) in raw.network.iter().enumerate() {
        let (name, mut endpoint) = attachment(text)?;
        if index == 0 {
            mode = Some(name.clone());
            general_options(raw, &mut endpoint);
            if is_user_defined(&name) {
                if !links.is_empty() {
                    endpoint.links = Some(std::mem::take(&mut links));
                }
                endpoint.mac_address = raw.mac_address.clone().unwrap_or_default();
            }
        }
        if endpoints.contains_key(&name) {
            return Err(format!("network {name:?} is specified multiple times"));
        }
        endpoints.insert(name, Some(endpoint));
    }
    // One network with nothing said of it: the engine knows what to do, an old one better than we.
    if let [only] = endpoints.values().collect::<Vec<_>>().as_slice()
        && **only == Some(EndpointSettings::default())
    {
        endpoints.clear();
    }
    if raw.network.is_empty() {
        let mut endpoint = EndpointSettings::default();
        general_options(raw, &mut endpoint);
        if endpoint != EndpointSettings::default() {
            endpoints.insert("default".to_owned(), Some(endpoint));
        }
    }
    Ok(OfContainer {
        mode: mode.unwrap_or_else(|| "default".to_owned()),
        endpoints: NetworkingConfig {
            endpoints_config: endpoints,
        },
        links,
    })
}

fn is_user_defined(name: &str) -> bool {
    !matches!(name, "default" | "bridge" | "host" | "none") && !name.starts_with("container:")
}

fn general_options(raw: &Networking, endpoint: &mut EndpointSettings) {
    if !raw.network_alias.is_empty() {
        endpoint
            .aliases
            .get_or_insert_default()
            .extend(raw.network_alias.iter().cloned());
    }
    let ipam = ipam_of(raw.ip.as_deref(), raw.ip6.as_deref(), &raw.link_local_ip);
    if ipam.is_some() {
        endpoint.ipam_config = ipam;
    }
}

fn ipam_of(ipv4: Option<&str>, ipv6: Option<&str>, link_local: &[String]) -> Option<EndpointIpam> {
    let ipam = EndpointIpam {
        ipv4_address: ipv4.unwrap_or_default().to_owned(),
        ipv6_address: ipv6.unwrap_or_default().to_owned(),
        link_local_ips: link_local.to_vec(),
    };
    (ipam != EndpointIpam::default()).then_some(ipam)
}

/// A name, or `name=…,alias=…,ip=…`.
fn attachment(text: &str) -> Result<(String, EndpointSettings), String> {
    let mut endpoint = EndpointSettings::default();
    let is_long = text.split(',').all(|field| field.contains('=')) && text.contains("name=");
    if !is_long {
        return Ok((text.to_owned(), endpoint));
    }
    let mut name = String::new();
    let mut ipam = EndpointIpam::default();
    for field in text.split(',') {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        match key.trim().to_ascii_lowercase().as_str() {
            "name" => value.clone_into(&mut name),
            "alias" => endpoint
                .aliases
                .get_or_insert_default()
                .push(value.to_owned()),
            "ip" => value.clone_into(&mut ipam.ipv4_address),
            "ip6" => value.clone_into(&mut ipam.ipv6_address),
            "link-local-ip" => ipam.link_local_ips.push(value.to_owned()),
            "mac-address" => value.clone_into(&mut endpoint.mac_address),
            "driver-opt" => {
                let (option, value) = value
                    .split_once('=')
                    .ok_or_else(|| "invalid key value pair format in driver options".to_owned())?;
                endpoint
                    .driver_opts
                    .get_or_insert_default()
                    .insert(option.to_owned(), value.to_owned());
            }
            other => return Err(format!("invalid field key {other}")),
        }
    }
    if name.is_empty() {
        return Err("network name/id is not specified".to_owned());
    }
    if ipam != EndpointIpam::default() {
        endpoint.ipam_config = Some(ipam);
    }
    Ok((name, endpoint))
}

/// The endpoint that `network connect` asks for.
pub(crate) fn endpoint(raw: &raw::Connect) -> EndpointSettings {
    EndpointSettings {
        ipam_config: ipam_of(raw.ip.as_deref(), raw.ip6.as_deref(), &raw.link_local_ip),
        links: (!raw.link.is_empty()).then(|| raw.link.clone()),
        aliases: (!raw.alias.is_empty()).then(|| raw.alias.clone()),
        driver_opts: (!raw.driver_opt.is_empty()).then(|| value::map(&raw.driver_opt)),
        ..EndpointSettings::default()
    }
}

/// The network that `network create` asks for.
pub(crate) fn create(raw: &raw::Create) -> Result<Create, String> {
    Ok(Create {
        name: raw.network.clone(),
        check_duplicate: Some(true),
        driver: raw.driver.clone(),
        scope: raw.scope.clone().unwrap_or_default(),
        enable_ipv6: Some(raw.ipv6),
        ipam: Some(Ipam {
            driver: raw.ipam_driver.clone(),
            options: Some(value::map(&raw.ipam_opt)),
            config: Some(subnets(raw)?),
        }),
        internal: raw.internal,
        attachable: raw.attachable,
        options: Some(value::map(&raw.opt)),
        labels: Some(value::map(&raw.label)),
        ..Create::default()
    })
}

/// Each range, gateway and address goes to the subnet that holds it.
fn subnets(raw: &raw::Create) -> Result<Vec<IpamConfig>, String> {
    if raw.subnet.is_empty() {
        return match (&raw.ip_range[..], &raw.gateway[..]) {
            ([], []) => Ok(Vec::new()),
            _ => Err("every ip-range or gateway must have a corresponding subnet".to_owned()),
        };
    }
    let mut configs: Vec<(Subnet, IpamConfig)> = Vec::new();
    for text in &raw.subnet {
        let subnet = Subnet::parse(text)?;
        if configs
            .iter()
            .any(|(other, _)| other.contains(subnet.address) || subnet.contains(other.address))
        {
            return Err("multiple overlapping subnet configuration is not supported".to_owned());
        }
        configs.push((
            subnet,
            IpamConfig {
                subnet: text.clone(),
                ..IpamConfig::default()
            },
        ));
    }
    for text in &raw.ip_range {
        let range = Subnet::parse(text)?;
        let config = holding(&mut configs, range.address)
            .ok_or_else(|| format!("no matching subnet for range {text}"))?;
        if !config.ip_range.is_empty() {
            return Err(format!(
                "cannot configure multiple ranges ({text}, {}) on the same subnet ({})",
                config.ip_range, config.subnet
            ));
        }
        text.clone_into(&mut config.ip_range);
    }
    for text in &raw.gateway {
        let address = text
            .parse()
            .map_err(|_| format!("invalid gateway {text}"))?;
        let config = holding(&mut configs, address)
            .ok_or_else(|| format!("no matching subnet for gateway {text}"))?;
        if !config.gateway.is_empty() {
            return Err(format!(
                "cannot configure multiple gateways ({text}, {}) for the same subnet ({})",
                config.gateway, config.subnet
            ));
        }
        text.clone_into(&mut config.gateway);
    }
    for (name, text) in value::map(&raw.aux_address) {
        let address = text
            .parse()
            .map_err(|_| format!("invalid aux-address {text}"))?;
        let config = holding(&mut configs, address)
            .ok_or_else(|| format!("no matching subnet for aux-address {text}"))?;
        config.auxiliary_addresses.insert(name, text);
    }
    Ok(configs.into_iter().map(|(_, config)| config).collect())
}

fn holding(configs: &mut [(Subnet, IpamConfig)], address: IpAddr) -> Option<&mut IpamConfig> {
    configs
        .iter_mut()
        .find(|(subnet, _)| subnet.contains(address))
        .map(|(_, config)| config)
}

struct Subnet {
    address: IpAddr,
    length: u8,
}

impl Subnet {
    fn parse(text: &str) -> Result<Self, String> {
        let invalid = || format!("invalid CIDR address: {text}");
        let (address, length) = text.split_once('/').ok_or_else(invalid)?;
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let length: u8 = length.parse().map_err(|_| invalid())?;
        if length > if address.is_ipv4() { 32 } else { 128 } {
            return Err(invalid());
        }
        Ok(Self { address, length })
    }

    fn contains(&self, address: IpAddr) -> bool {
        fn same<const N: usize>(one: [u8; N], other: [u8; N], length: u8) -> bool {
            let bit =
                |octets: [u8; N], index: u8| octets[usize::from(index / 8)] >> (7 - index % 8) & 1;
            (0..length).all(|index| bit(one, index) == bit(other, index))
        }
        match (self.address, address) {
            (IpAddr::V4(one), IpAddr::V4(other)) => same(one.octets(), other.octets(), self.length),
            (IpAddr::V6(one), IpAddr::V6(other)) => same(one.octets(), other.octets(), self.length),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::create;
    use crate::args::network::Network;
    use crate::args::{self, Command};

    #[track_caller]
    fn check(line: &str, expect: &str) {
        let words: Vec<_> = line.split(' ').map(Into::into).collect();
        let Ok(parsed) = args::parse("docker", &[], &words) else {
            unreachable!("{line} can be parsed");
        };
        let Some(Command::Network(Network::Create(raw))) = parsed.command else {
            unreachable!("the line is one of network create");
        };
        let found = match create(&raw) {
            Ok(network) => serde_json::to_string(&network.ipam.unwrap().config).unwrap(),
            Err(error) => error,
        };
        assert_eq!(found, expect, "{line}");
    }

    #[test]
    fn ranges_go_to_their_subnets() {
        check("network create n", "[]");
        check(
            "network create --subnet 10.0.0.0/16,fd00::/64 --gateway 10.0.0.1 --ip-range 10.0.5.0/24 --aux-address a=fd00::5 n",
            r#"[{"Subnet":"10.0.0.0/16","IPRange":"10.0.5.0/24","Gateway":"10.0.0.1"},{"Subnet":"fd00::/64","AuxiliaryAddresses":{"a":"fd00::5"}}]"#,
        );
        check(
            "network create --subnet 10.0.0.0/16 --gateway 11.0.0.1 n",
            "no matching subnet for gateway 11.0.0.1",
        );
        check(
            "network create --gateway 10.0.0.1 n",
            "every ip-range or gateway must have a corresponding subnet",
        );
        check(
            "network create --subnet 10.0.0.0/33 n",
            "invalid CIDR address: 10.0.0.0/33",
        );
        check(
            "network create --subnet 10.0.0.0/8 --subnet 10.1.0.0/16 n",
            "multiple overlapping subnet configuration is not supported",
        );
    }
}
