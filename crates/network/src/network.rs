//! Networks as nouns: what is asked for, and what it resolves to.

use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    DefaultBridge, Pool,
    error::{Error, Result},
    ipam,
};

/// A bridge network, as asked for.
#[derive(Debug, Clone, Default)]
pub struct NewNetwork {
    /// The id: 64 hexadecimal digits.
    pub id: String,
    /// The name. That it is not taken yet is the engine's to see.
    pub name: String,
    /// `--internal`: nothing in or out.
    pub internal: bool,
    /// `--opt`, the options of Docker's bridge driver: `com.docker.network.bridge.name`, `…enable_icc`,
    /// `…enable_ip_masquerade`, `…host_binding_ipv4`, `com.docker.network.driver.mtu`. Others are ignored, as
    /// Docker does.
    pub options: BTreeMap<String, String>,
    /// `--subnet`, `--ip-range`, `--gateway`, `--aux-address`; at most one so far.
    pub addresses: Vec<AddressPlan>,
}

/// Where the addresses of a network come from, as asked for; text as the client sent it.
#[derive(Debug, Clone, Default)]
pub struct AddressPlan {
    /// `--subnet`.
    pub subnet: Option<String>,
    /// `--ip-range`.
    pub ip_range: Option<String>,
    /// `--gateway`.
    pub gateway: Option<String>,
    /// `--aux-address`: addresses that no container gets, by name.
    pub auxiliary: BTreeMap<String, String>,
}

/// A bridge network, resolved: what the engine stores and gives back after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one of Docker's options"
)]
pub struct Network {
    /// The id: 64 hexadecimal digits.
    pub id: String,
    /// The name.
    pub name: String,
    /// The bridge's name.
    pub bridge: String,
    /// Whether it is the one called `bridge`, which has no DNS.
    pub is_default: bool,
    /// Nothing in or out.
    pub internal: bool,
    /// The addresses.
    pub subnet: Ipv4Net,
    /// Where containers' addresses come from, within the subnet.
    pub ip_range: Option<Ipv4Net>,
    /// The bridge's own address, the containers' gateway unless the network is internal.
    pub gateway: Ipv4Addr,
    /// Addresses that no container gets, by name.
    pub auxiliary: BTreeMap<String, Ipv4Addr>,
    /// The MTU of the bridge and of the containers' interfaces; the kernel's default otherwise.
    pub mtu: Option<u32>,
    /// Whether containers may talk to each other.
    pub inter_container: bool,
    /// Whether what leaves bears the host's address.
    pub masquerade: bool,
    /// Where ports are published that name no address.
    pub host_binding: Ipv4Addr,
}

/// The longest name that the kernel gives an interface.
const INTERFACE_NAME_LENGTH: usize = 15;
/// What IPv4 itself asks of every link, and the most that a bridge can have.
const MTU: std::ops::RangeInclusive<u32> = 68..=65535;

/// What a new network must not collide with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    /// The subnets of our networks.
    pub(crate) ours: Vec<Ipv4Net>,
    /// What the host has routes to.
    pub(crate) routed: Vec<Ipv4Net>,
    /// The names of all interfaces.
    pub(crate) interfaces: Vec<String>,
}

/// Decides what a network that is asked for will be.
pub(crate) fn resolve(
    new: &NewNetwork,
    pools: &[Pool],
    surroundings: &Surroundings,
) -> Result<Network> {
    let plan = match new.addresses.as_slice() {
        [] => &AddressPlan::default(),
        [plan] => plan,
        _ => return Err(invalid("more than one subnet is not supported")),
    };
    let addresses = resolve_addresses(plan, pools, surroundings)?;
    let options = resolve_options(&new.options)?;
    let bridge = match options.bridge {
        Some(name) => name,
        None => format!("br-{}", new.id.get(..12).unwrap_or(&new.id)),
    };
    if !is_interface_name(&bridge) {
        return Err(invalid(format!("{bridge:?} cannot be a bridge's name")));
    }
    if surroundings.interfaces.contains(&bridge) {
        return Err(Error::BridgeTaken { bridge });
    }
    Ok(Network {
        id: new.id.clone(),
        name: new.name.clone(),
        bridge,
        is_default: false,
        internal: new.internal,
        subnet: addresses.subnet,
        ip_range: addresses.ip_range,
        gateway: addresses.gateway,
        auxiliary: addresses.auxiliary,
        mtu: options.mtu,
        inter_container: options.inter_container,
        masquerade: options.masquerade,
        host_binding: options.host_binding,
    })
}

/// Decides what the default network will be.
pub(crate) fn resolve_default(
    wish: &DefaultBridge,
    pools: &[Pool],
    surroundings: &Surroundings,
) -> Result<Network> {
    let bad_setting = |name, problem: String| Error::InvalidSetting { name, problem };
    if !is_interface_name(&wish.interface) {
        let problem = format!("{:?} cannot be a bridge's name", wish.interface);
        return Err(bad_setting("bridge", problem));
    }
    let subnet = match wish.address {
        Some(address) => address.trunc(),
        None => free_subnet(pools, surroundings)?,
    };
    let gateway = wish
        .address
        .map_or_else(|| ipam::first_usable(subnet), |address| address.addr());
    if !ipam::is_usable(subnet, gateway) {
        return Err(bad_setting(
            "bip",
            format!("{gateway} is no host's address"),
        ));
    }
    if let Some(range) = wish.ip_range
        && !subnet.contains(&range)
    {
        return Err(bad_setting(
            "fixed-cidr",
            format!("{range} is not in {subnet}"),
        ));
    }
    Ok(Network {
        id: wish.id.clone(),
        name: "bridge".to_owned(),
        bridge: wish.interface.clone(),
        is_default: true,
        internal: false,
        subnet,
        ip_range: wish.ip_range,
        gateway,
        auxiliary: BTreeMap::new(),
        mtu: wish.mtu,
        inter_container: wish.inter_container,
        masquerade: wish.masquerade,
        host_binding: wish.host_binding,
    })
}

struct ResolvedAddresses {
    subnet: Ipv4Net,
    ip_range: Option<Ipv4Net>,
    gateway: Ipv4Addr,
    auxiliary: BTreeMap<String, Ipv4Addr>,
}

fn resolve_addresses(
    plan: &AddressPlan,
    pools: &[Pool],
    surroundings: &Surroundings,
) -> Result<ResolvedAddresses> {
    let given = plan.subnet.as_deref().filter(|text| !text.is_empty());
    let subnet = match given {
        Some(text) => asked_subnet(text, surroundings)?,
        None => free_subnet(pools, surroundings)?,
    };
    let within = |name: &str, text: &str| -> Result<Ipv4Addr> {
        let address: Ipv4Addr = text.parse().map_err(|_| {
            invalid(format!(
                "invalid {name} {text}: it should be an IPv4 address"
            ))
        })?;
        if given.is_none() || !ipam::is_usable(subnet, address) {
            return Err(invalid(format!("no matching subnet for {name} {text}")));
        }
        Ok(address)
    };
    let ip_range = match plan.ip_range.as_deref().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => {
            let range = parse_subnet("ip-range", text)?;
            if given.is_none() || !subnet.contains(&range) {
                return Err(invalid(format!("no matching subnet for range {text}")));
            }
            Some(range)
        }
    };
    let gateway = match plan.gateway.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => within("gateway", text)?,
        None => ipam::first_usable(subnet),
    };
    let mut auxiliary = BTreeMap::new();
    for (name, text) in &plan.auxiliary {
        auxiliary.insert(name.clone(), within("aux-address", text)?);
    }
    if auxiliary.values().any(|address| *address == gateway) {
        return Err(invalid(format!(
            "{gateway} is the gateway's address already"
        )));
    }
    Ok(ResolvedAddresses {
        subnet,
        ip_range,
        gateway,
        auxiliary,
    })
}

/// A subnet that was asked for need only be free among our own: who routes it elsewhere may have a reason.
fn asked_subnet(text: &str, surroundings: &Surroundings) -> Result<Ipv4Net> {
    let subnet = parse_subnet("subnet", text)?;
    if subnet.prefix_len() == 0 || subnet.prefix_len() > 31 {
        return Err(invalid(format!(
            "invalid subnet {text}: there is no room for a gateway and a container"
        )));
    }
    if surroundings
        .ours
        .iter()
        .any(|ours| ipam::overlap(*ours, subnet))
    {
        return Err(Error::SubnetTaken { subnet });
    }
    Ok(subnet)
}

fn free_subnet(pools: &[Pool], surroundings: &Surroundings) -> Result<Ipv4Net> {
    let taken = [surroundings.ours.as_slice(), &surroundings.routed].concat();
    ipam::free_subnet(pools, &taken).ok_or(Error::PoolsExhausted)
}

fn parse_subnet(name: &str, text: &str) -> Result<Ipv4Net> {
    if text.parse::<ipnet::Ipv6Net>().is_ok() {
        return Err(invalid(format!(
            "invalid {name} {text}: IPv6 is not supported"
        )));
    }
    let subnet: Ipv4Net = text
        .parse()
        .map_err(|_| invalid(format!("invalid {name} {text}: invalid CIDR address")))?;
    if subnet != subnet.trunc() {
        let right = subnet.trunc();
        return Err(invalid(format!(
            "invalid {name} {text}: it should be {right}"
        )));
    }
    Ok(subnet)
}

struct ResolvedOptions {
    bridge: Option<String>,
    mtu: Option<u32>,
    inter_container: bool,
    masquerade: bool,
    host_binding: Ipv4Addr,
}

fn resolve_options(options: &BTreeMap<String, String>) -> Result<ResolvedOptions> {
    let mut resolved = ResolvedOptions {
        bridge: None,
        mtu: None,
        inter_container: true,
        masquerade: true,
        host_binding: Ipv4Addr::UNSPECIFIED,
    };
    for (name, value) in options {
        let bad = || invalid(format!("invalid value {value:?} of option {name}"));
        match name.as_str() {
            "com.docker.network.bridge.name" => resolved.bridge = Some(value.clone()),
            "com.docker.network.bridge.enable_icc" => {
                resolved.inter_container = switch(value).ok_or_else(bad)?;
            }
            "com.docker.network.bridge.enable_ip_masquerade" => {
                resolved.masquerade = switch(value).ok_or_else(bad)?;
            }
            "com.docker.network.bridge.host_binding_ipv4" => {
                resolved.host_binding = value.parse().map_err(|_| bad())?;
            }
            "com.docker.network.driver.mtu" => {
                let mtu = value.parse().ok().filter(|mtu| MTU.contains(mtu));
                resolved.mtu = Some(mtu.ok_or_else(bad)?);
            }
            _ => {}
        }
    }
    Ok(resolved)
}

/// The words that Docker takes for yes and no.
fn switch(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn is_interface_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=INTERFACE_NAME_LENGTH).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with(['.', '-'])
        // Names with a meaning in /proc/sys/net, and the loopback's.
        && !matches!(name, "all" | "default" | "lo")
}

fn invalid(problem: impl Into<String>) -> Error {
    Error::InvalidNetwork {
        problem: problem.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{AddressPlan, DefaultBridge, NewNetwork, Surroundings, resolve, resolve_default};
    use crate::Pool;

    fn surroundings() -> Surroundings {
        Surroundings {
            ours: vec!["172.17.0.0/16".parse().unwrap()],
            routed: vec!["172.18.4.0/24".parse().unwrap()],
            interfaces: vec!["eth0".to_owned()],
        }
    }

    fn network(options: &[(&str, &str)], addresses: Vec<AddressPlan>) -> NewNetwork {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        NewNetwork {
            id: "0123456789abcdef".to_owned(),
            name: "web".to_owned(),
            internal: false,
            options: options.iter().map(pair).collect::<BTreeMap<_, _>>(),
            addresses,
        }
    }

    fn plan(subnet: &str, range: &str, gateway: &str) -> Vec<AddressPlan> {
        let text = |text: &str| Some(text.to_owned());
        vec![AddressPlan {
            subnet: text(subnet),
            ip_range: text(range),
            gateway: text(gateway),
            auxiliary: BTreeMap::new(),
        }]
    }

    #[track_caller]
    fn check(new: &NewNetwork, expect: &str) {
        let said = match resolve(new, &Pool::docker(), &surroundings()) {
            Ok(network) => format!("{} {} {}", network.bridge, network.subnet, network.gateway),
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expect);
    }

    #[test]
    fn a_network_is_what_is_free_or_asked_for() {
        check(
            &network(&[], vec![]),
            "br-0123456789ab 172.19.0.0/16 172.19.0.1",
        );
        check(
            &network(&[], plan("10.5.0.0/24", "10.5.0.128/25", "10.5.0.254")),
            "br-0123456789ab 10.5.0.0/24 10.5.0.254",
        );
        check(
            &network(&[], plan("172.18.4.0/24", "", "")),
            "br-0123456789ab 172.18.4.0/24 172.18.4.1",
        );
        check(
            &network(&[("com.docker.network.bridge.name", "lab0")], vec![]),
            "lab0 172.19.0.0/16 172.19.0.1",
        );
    }

    #[test]
    fn what_cannot_be_is_told() {
        check(
            &network(&[], plan("172.17.8.0/24", "", "")),
            "invalid pool request: Pool overlaps with other one on this address space",
        );
        let config = |problem: &str| format!("invalid network config: {problem}");
        check(
            &network(&[], plan("10.5.0.1/24", "", "")),
            &config("invalid subnet 10.5.0.1/24: it should be 10.5.0.0/24"),
        );
        check(
            &network(&[], plan("10.5.0.0/33", "", "")),
            &config("invalid subnet 10.5.0.0/33: invalid CIDR address"),
        );
        check(
            &network(&[], plan("fd00::/64", "", "")),
            &config("invalid subnet fd00::/64: IPv6 is not supported"),
        );
        check(
            &network(&[], plan("10.5.0.0/24", "10.6.0.0/25", "")),
            &config("no matching subnet for range 10.6.0.0/25"),
        );
        check(
            &network(&[], plan("10.5.0.0/24", "", "10.5.0.255")),
            &config("no matching subnet for gateway 10.5.0.255"),
        );
        check(
            &network(&[("com.docker.network.driver.mtu", "9")], vec![]),
            &config("invalid value \"9\" of option com.docker.network.driver.mtu"),
        );
        check(
            &network(&[("com.docker.network.bridge.name", "eth0")], vec![]),
            "bridge name eth0 is already in use",
        );
        for name in [
            "",
            "a/b",
            "..",
            "longer-than-fifteen",
            "a b",
            "-a",
            "lo",
            "a\"b",
        ] {
            check(
                &network(&[("com.docker.network.bridge.name", name)], vec![]),
                &config(&format!("{name:?} cannot be a bridge's name")),
            );
        }
    }

    #[test]
    fn the_default_network_takes_the_first_free_subnet() {
        let wish = DefaultBridge::new("d".repeat(64), "essaim0".to_owned());
        let network = resolve_default(&wish, &Pool::docker(), &Surroundings::default()).unwrap();
        assert_eq!(network.subnet.to_string(), "172.17.0.0/16");
        assert!(network.is_default);
        let network = resolve_default(&wish, &Pool::docker(), &surroundings()).unwrap();
        assert_eq!(network.gateway.to_string(), "172.19.0.1");
        let wish = DefaultBridge {
            address: Some("10.9.0.7/24".parse().unwrap()),
            ..wish
        };
        let network = resolve_default(&wish, &Pool::docker(), &surroundings()).unwrap();
        assert_eq!(
            (network.subnet.to_string(), network.gateway.to_string()),
            ("10.9.0.0/24".to_owned(), "10.9.0.7".to_owned())
        );
    }
}
