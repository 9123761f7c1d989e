//! What our table holds: text for `nft`, and elements of its maps. Pure.
//!
//! ```text
//! to a host address ─▶ translate (prerouting, output): map by port ─▶ the container
//! through us ─▶ forward: known connections, same bridge, translated ─▶ in; anything else into a bridge: dropped
//! leaving a bridge ─▶ return (postrouting): bears the host's address
//! ```

use std::{collections::BTreeMap, fmt::Write as _, net::Ipv4Addr};

use model::port::Protocol;

use crate::{Network, netlink::nf_tables::Element};

/// The map of ports published on all addresses.
const EVERYWHERE: &str = "published";
/// The map of ports published on one address.
const AT_ADDRESS: &str = "published-at";

/// What a published port is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Published {
    /// The host's address; none for all.
    pub(crate) address: Option<Ipv4Addr>,
    /// The protocol.
    pub(crate) protocol: Protocol,
    /// The host's port.
    pub(crate) port: u16,
}

/// Where it leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    /// The container's address.
    pub(crate) address: Ipv4Addr,
    /// The container's port.
    pub(crate) port: u16,
}

/// All that the table holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rules {
    /// By id.
    pub(crate) networks: Vec<Network>,
    /// What is published.
    pub(crate) ports: BTreeMap<Published, Target>,
}

impl Rules {
    /// The whole table, as one transaction that takes the place of what was there.
    pub(crate) fn render(&self, table: &str) -> String {
        let mut text = String::new();
        // A table must be there to be deleted.
        let _ = writeln!(
            text,
            "table ip {table}\ndelete table ip {table}\ntable ip {table} {{"
        );
        self.render_sets(&mut text);
        Self::render_translation(&mut text);
        Self::render_filters(&mut text);
        self.render_return(&mut text);
        text.push_str("}\n");
        text
    }

    fn render_sets(&self, text: &mut String) {
        let names = |networks: &mut dyn Iterator<Item = &Network>| {
            let quoted: Vec<String> = networks
                .map(|network| format!("\"{}\"", network.bridge))
                .collect();
            elements(&quoted)
        };
        let bridges = names(&mut self.networks.iter());
        let internal = names(&mut self.networks.iter().filter(|network| network.internal));
        let talking: Vec<String> = self
            .networks
            .iter()
            .filter(|network| network.inter_container)
            .map(|network| format!("\"{0}\" . \"{0}\"", network.bridge))
            .collect();
        let talking = elements(&talking);
        let mut anywhere = Vec::new();
        let mut somewhere = Vec::new();
        for (published, target) in &self.ports {
            let Published { protocol, port, .. } = published;
            let to = format!("{} . {}", target.address, target.port);
            match published.address {
                None => anywhere.push(format!("{protocol} . {port} : {to}")),
                Some(address) => {
                    somewhere.push(format!("{address} . {protocol} . {port} : {to}"));
                }
            }
        }
        let (anywhere, somewhere) = (elements(&anywhere), elements(&somewhere));
        let _ = write!(
            text,
            "\
\tset bridges {{
\t\ttype ifname{bridges}
\t}}
\tset internal {{
\t\ttype ifname{internal}
\t}}
\tset talking {{
\t\ttype ifname . ifname{talking}
\t}}
\tmap {EVERYWHERE} {{
\t\ttype inet_proto . inet_service : ipv4_addr . inet_service{anywhere}
\t}}
\tmap {AT_ADDRESS} {{
\t\ttype ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service{somewhere}
\t}}
"
        );
    }

    /// Loopback's addresses are translated only for whoever is on this computer: a packet to one of them that
    /// comes from outside would otherwise be, before routing could refuse it.
    fn render_translation(text: &mut String) {
        let rules = |condition: &str| {
            let mut rules = String::new();
            for (key, map) in [
                ("ip daddr . meta l4proto . th dport", AT_ADDRESS),
                ("meta l4proto . th dport", EVERYWHERE),
            ] {
                let _ = writeln!(
                    rules,
                    "\t\t{condition}fib daddr type local meta l4proto {{ tcp, udp }} \
                     dnat ip to {key} map @{map}"
                );
            }
            rules
        };
        let outside = rules("ip daddr != 127.0.0.0/8 ");
        let inside = rules("");
        let _ = write!(
            text,
            "\
\tchain prerouting {{
\t\ttype nat hook prerouting priority -100; policy accept;
{outside}\t}}
\tchain output {{
\t\ttype nat hook output priority -100; policy accept;
{inside}\t}}
"
        );
    }

    /// Bridges route loopback's addresses, so that connections to them can be answered; nobody behind one may use
    /// that.
    fn render_filters(text: &mut String) {
        text.push_str(
            "\
\tchain raw {
\t\ttype filter hook prerouting priority -300; policy accept;
\t\tiifname @bridges ip daddr 127.0.0.0/8 drop
\t\tiifname @bridges ip saddr 127.0.0.0/8 drop
\t}
\tchain forward {
\t\ttype filter hook forward priority 0; policy accept;
\t\tct state established,related accept
\t\toifname @bridges goto inward
\t\tiifname @internal drop
\t}
\tchain inward {
\t\tiifname . oifname @talking accept
\t\tiifname @internal drop
\t\toifname @internal drop
\t\tct status dnat accept
\t\tdrop
\t}
",
        );
    }

    /// What was translated and goes back through its own bridge bears the bridge's address, or the answer would
    /// take the short way past us and not be known.
    fn render_return(&self, text: &mut String) {
        text.push_str(
            "\tchain postrouting {\n\t\ttype nat hook postrouting priority 100; policy accept;\n",
        );
        for network in &self.networks {
            let Network { subnet, bridge, .. } = network;
            if network.masquerade && !network.internal {
                let _ = writeln!(
                    text,
                    "\t\tip saddr {subnet} oifname != \"{bridge}\" masquerade"
                );
            }
            if !network.internal {
                let _ = writeln!(
                    text,
                    "\t\tip saddr {subnet} oifname \"{bridge}\" ct status dnat masquerade"
                );
            }
        }
        text.push_str("\t\tip saddr 127.0.0.0/8 oifname @bridges masquerade\n\t}\n");
    }
}

fn elements(elements: &[String]) -> String {
    if elements.is_empty() {
        String::new()
    } else {
        format!("\n\t\telements = {{ {} }}", elements.join(", "))
    }
}

/// An element of the table's maps, as the kernel keeps it.
pub(crate) fn element(published: Published, target: Target) -> Element {
    let mut key = Vec::new();
    key.extend(
        published
            .address
            .into_iter()
            .flat_map(|address| address.octets()),
    );
    key.extend([protocol_number(published.protocol), 0, 0, 0]);
    key.extend(padded(published.port));
    let mut value = target.address.octets().to_vec();
    value.extend(padded(target.port));
    Element {
        map: match published.address {
            None => EVERYWHERE,
            Some(_) => AT_ADDRESS,
        },
        key,
        value,
    }
}

const fn padded(port: u16) -> [u8; 4] {
    let [high, low] = port.to_be_bytes();
    [high, low, 0, 0]
}

const fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, net::Ipv4Addr};

    use model::port::Protocol;

    use super::{Published, Rules, Target, element};
    use crate::Network;

    fn network(number: u8, internal: bool, inter_container: bool, masquerade: bool) -> Network {
        Network {
            id: format!("{number:0>64}"),
            name: format!("net{number}"),
            bridge: format!("br-{number}"),
            is_default: number == 0,
            internal,
            subnet: format!("172.{}.0.0/16", 17 + number).parse().unwrap(),
            ip_range: None,
            gateway: Ipv4Addr::new(172, 17 + number, 0, 1),
            auxiliary: BTreeMap::new(),
            mtu: None,
            inter_container,
            masquerade,
            host_binding: Ipv4Addr::UNSPECIFIED,
        }
    }

    fn rules() -> Rules {
        let port = |address: Option<[u8; 4]>, protocol, port| Published {
            address: address.map(Ipv4Addr::from),
            protocol,
            port,
        };
        let target = |last, port| Target {
            address: Ipv4Addr::new(172, 17, 0, last),
            port,
        };
        Rules {
            networks: vec![
                network(0, false, true, true),
                network(1, true, true, true),
                network(2, false, false, false),
            ],
            ports: BTreeMap::from([
                (port(None, Protocol::Tcp, 8000), target(2, 80)),
                (port(None, Protocol::Udp, 53), target(3, 5353)),
                (
                    port(Some([127, 0, 0, 1]), Protocol::Tcp, 8001),
                    target(2, 81),
                ),
            ]),
        }
    }

    #[test]
    fn the_table_is_as_recorded() {
        insta::assert_snapshot!("whole", rules().render("essaim"));
        insta::assert_snapshot!("empty", Rules::default().render("essaim"));
    }

    #[test]
    fn elements_are_as_the_kernel_keeps_them() {
        let elements: Vec<_> = rules()
            .ports
            .into_iter()
            .map(|(published, target)| element(published, target))
            .collect();
        assert_eq!(elements[0].map, "published");
        assert_eq!(elements[0].key, [6, 0, 0, 0, 0x1f, 0x40, 0, 0]);
        assert_eq!(elements[0].value, [172, 17, 0, 2, 0, 80, 0, 0]);
        assert_eq!(elements[1].key, [17, 0, 0, 0, 0, 53, 0, 0]);
        assert_eq!(elements[2].map, "published-at");
        assert_eq!(
            elements[2].key,
            [127, 0, 0, 1, 6, 0, 0, 0, 0x1f, 0x41, 0, 0]
        );
    }
}
