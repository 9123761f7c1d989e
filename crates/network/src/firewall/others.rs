//! Other firewalls on the computer: which would drop our traffic, and how to let it through.
//!
//! A packet has to pass every table. Ours lets it through and cannot make another do so; changing another's rules
//! is not ours to do. So it is told, with the commands that mend it. They open nothing: what is not published is
//! dropped by our own table, whatever others let pass.

use std::io;

use super::legacy;
use crate::{
    Network, Warning,
    error::{Error, Result},
    netlink::{
        message::{Attributes, Message},
        nf_tables,
        socket::Socket,
    },
};

const GET_CHAIN: u16 = 4;
const GET_RULE: u16 = 7;
/// The hook of packets that pass through.
const HOOK_FORWARD: u32 = 2;
const VERDICT_DROP: i32 = 0;
const VERDICT_ACCEPT: i32 = 1;
const META_IN_INTERFACE: u32 = 6;
const META_OUT_INTERFACE: u32 = 7;

/// A chain of another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) family: Family,
    pub(super) table: String,
    pub(super) name: String,
    /// Whether it sees every packet that passes through.
    pub(super) forwards: bool,
    /// Whether it drops what no rule of it knows.
    pub(super) drops: bool,
}

/// A rule of another's, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Rule {
    pub(super) table: String,
    pub(super) chain: String,
    pub(super) enters_by: Option<Pattern>,
    pub(super) leaves_by: Option<Pattern>,
    pub(super) accepts: bool,
    /// Whether it drops everything that comes to it.
    pub(super) drops_all: bool,
}

/// The name of an interface, or how it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
    is_prefix: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Inet,
    Ipv4,
    /// IPv4 in the old filter, which is there beside nftables.
    Legacy,
}

/// Looks at what else is there.
pub(crate) fn look(networks: &[Network], own_table: &str) -> Result<Vec<Warning>> {
    let mut socket = nf_tables::open().map_err(failure)?;
    let mut chains = chains(&mut socket, own_table).map_err(failure)?;
    let mut rules = Vec::new();
    if chains.iter().any(|chain| chain.forwards) {
        for family in [Family::Inet, Family::Ipv4] {
            let found = self::rules(&mut socket, family).map_err(failure)?;
            rules.extend(found.into_iter().map(|rule| (family, rule)));
        }
    }
    if let Some((chain, found)) = legacy::look().map_err(failure)? {
        chains.push(chain);
        rules.extend(found.into_iter().map(|rule| (Family::Legacy, rule)));
    }
    Ok(judge(networks, &chains, &rules))
}

fn failure(source: io::Error) -> Error {
    Error::Netlink {
        operation: "reading the rules of other firewalls".to_owned(),
        source,
    }
}

/// Decides what to say.
fn judge(networks: &[Network], chains: &[Chain], rules: &[(Family, Rule)]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for chain in chains.iter().filter(|chain| chain.forwards) {
        let own_rules = || {
            let of_table = rules
                .iter()
                .filter(|(family, rule)| *family == chain.family && rule.table == chain.table);
            of_table.map(|(_, rule)| rule)
        };
        let last = own_rules().rfind(|rule| rule.chain == chain.name);
        if !chain.drops && !last.is_some_and(|rule| rule.drops_all) {
            continue;
        }
        let passes = |bridge: &str| {
            let is = |pattern: &Option<Pattern>| {
                pattern.as_ref().is_some_and(|pattern| pattern.fits(bridge))
            };
            let accepting = || own_rules().filter(|rule| rule.accepts);
            accepting().any(|rule| is(&rule.enters_by))
                && accepting().any(|rule| is(&rule.leaves_by))
        };
        let stopped: Vec<&str> = networks
            .iter()
            .filter(|network| !network.internal)
            .map(|network| network.bridge.as_str())
            .filter(|bridge| !passes(bridge))
            .collect();
        if stopped.is_empty() {
            continue;
        }
        let there = |name: &str| {
            let same = |other: &Chain| {
                other.family == chain.family && other.table == chain.table && other.name == name
            };
            chains.iter().any(same)
        };
        warnings.push(Warning {
            message: format!(
                "the firewall's chain {} {} {} drops what passes between the containers on {} and the \
                 outside",
                chain.family.name(),
                chain.table,
                chain.name,
                stopped.join(", ")
            ),
            remedy: remedy(chain, &stopped, there),
        });
    }
    warnings
}

/// The commands that let traffic of `bridges` through: in the words of whatever program keeps the chain, so that it
/// does not undo them.
fn remedy(chain: &Chain, bridges: &[&str], there: impl Fn(&str) -> bool) -> String {
    let is_iptables = chain.family == Family::Ipv4 && chain.table == "filter";
    let mut commands: Vec<String> = Vec::new();
    for bridge in bridges {
        if chain.family == Family::Inet && chain.table == "firewalld" {
            commands.push(format!(
                "firewall-cmd --permanent --zone=trusted --add-interface={bridge}"
            ));
        } else if is_iptables && there("ufw-user-forward") {
            commands.push(format!("ufw route allow in on {bridge}"));
            commands.push(format!("ufw route allow out on {bridge}"));
        } else if chain.family == Family::Legacy {
            commands.push(format!("iptables-legacy -I FORWARD -i {bridge} -j ACCEPT"));
            commands.push(format!("iptables-legacy -I FORWARD -o {bridge} -j ACCEPT"));
        } else if is_iptables && chain.name == "FORWARD" {
            let user = if there("DOCKER-USER") {
                "DOCKER-USER"
            } else {
                "FORWARD"
            };
            commands.push(format!("iptables -I {user} -i {bridge} -j ACCEPT"));
            commands.push(format!("iptables -I {user} -o {bridge} -j ACCEPT"));
        } else {
            let (family, table, name) = (chain.family.name(), &chain.table, &chain.name);
            for side in ["iifname", "oifname"] {
                commands.push(format!(
                    "nft insert rule {family} {table} {name} {side} {bridge} accept"
                ));
            }
        }
    }
    if chain.table == "firewalld" {
        commands.push("firewall-cmd --reload".to_owned());
    }
    commands.join("\n")
}

fn chains(socket: &mut Socket, own_table: &str) -> io::Result<Vec<Chain>> {
    let question = question(GET_CHAIN, 0);
    let mut chains = Vec::new();
    socket.dump(&question, |incoming| {
        chains.extend(read_chain(incoming.body).filter(|chain| chain.table != own_table));
    })?;
    Ok(chains)
}

fn rules(socket: &mut Socket, family: Family) -> io::Result<Vec<Rule>> {
    let question = question(GET_RULE, family.number());
    let mut rules = Vec::new();
    socket.dump(&question, |incoming| {
        rules.extend(read_rule(incoming.body));
    })?;
    Ok(rules)
}

fn question(kind: u16, family: u8) -> Message {
    let kind = (nf_tables::SUBSYSTEM << 8) | kind;
    Message::new(kind, libc::NLM_F_DUMP, &[family, 0, 0, 0])
}

fn read_chain(body: &[u8]) -> Option<Chain> {
    let attributes = Attributes::new(body.get(4..)?);
    let family = Family::numbered(*body.first()?)?;
    let hook = attributes
        .nested(4)
        .and_then(|hook| big_endian(hook.find(1)?));
    let policy = attributes.find(5).and_then(big_endian);
    Some(Chain {
        family,
        table: attributes.text(1)?.to_owned(),
        name: attributes.text(3)?.to_owned(),
        forwards: hook == Some(HOOK_FORWARD) && attributes.text(7) == Some("filter"),
        drops: policy.map(u32::cast_signed) == Some(VERDICT_DROP),
    })
}

fn read_rule(body: &[u8]) -> Option<Rule> {
    let attributes = Attributes::new(body.get(4..)?);
    let mut rule = Rule {
        table: attributes.text(1)?.to_owned(),
        chain: attributes.text(2)?.to_owned(),
        ..Rule::default()
    };
    let expressions = attributes.nested(4).unwrap_or(Attributes::new(&[]));
    let mut loaded = None;
    let mut conditional = false;
    let mut drops = false;
    for (_, expression) in expressions {
        let expression = Attributes::new(expression);
        let data = expression.nested(2).unwrap_or(Attributes::new(&[]));
        match expression.text(1) {
            Some("meta") => {
                loaded = data.find(2).and_then(big_endian);
                conditional = true;
            }
            Some("cmp") => {
                conditional = true;
                let value = data.nested(3).and_then(|value| value.find(1));
                let is_equal = data.find(2).and_then(big_endian) == Some(0);
                let pattern = value.filter(|_| is_equal).and_then(Pattern::read);
                match loaded.take() {
                    Some(META_IN_INTERFACE) => rule.enters_by = pattern,
                    Some(META_OUT_INTERFACE) => rule.leaves_by = pattern,
                    _ => {}
                }
            }
            Some("immediate") => {
                let verdict = data.nested(2).and_then(|data| data.nested(2));
                let code = verdict.and_then(|verdict| big_endian(verdict.find(1)?));
                match code.map(u32::cast_signed) {
                    Some(VERDICT_ACCEPT) => rule.accepts = true,
                    Some(VERDICT_DROP) => drops = true,
                    _ => {}
                }
            }
            Some("reject") => drops = true,
            Some("counter" | "log") => {}
            Some(_) | None => conditional = true,
        }
    }
    rule.drops_all = drops && !conditional;
    Some(rule)
}

fn big_endian(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

impl Pattern {
    /// A whole name ends with zeros; what does not is only how it begins.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == 0);
        let text = std::str::from_utf8(&bytes[..end.unwrap_or(bytes.len())]).ok()?;
        Some(Self {
            text: text.to_owned(),
            is_prefix: end.is_none(),
        })
    }

    fn fits(&self, name: &str) -> bool {
        if self.is_prefix {
            name.starts_with(&self.text)
        } else {
            name == self.text
        }
    }
}

impl Family {
    const fn numbered(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Inet),
            2 => Some(Self::Ipv4),
            _ => None,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ipv4 | Self::Legacy => 2,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::Ipv4 => "ip",
            Self::Legacy => "iptables-legacy",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Chain, Family, remedy};

    #[track_caller]
    fn check(family: Family, table: &str, name: &str, others: &[&str], expect: &str) {
        let chain = Chain {
            family,
            table: table.to_owned(),
            name: name.to_owned(),
            forwards: true,
            drops: true,
        };
        assert_eq!(
            remedy(&chain, &["essaim0"], |name| others.contains(&name)),
            expect
        );
    }

    #[test]
    fn the_remedy_is_in_the_words_of_the_firewall() {
        check(
            Family::Ipv4,
            "filter",
            "FORWARD",
            &[],
            "iptables -I FORWARD -i essaim0 -j ACCEPT\niptables -I FORWARD -o essaim0 -j ACCEPT",
        );
        check(
            Family::Ipv4,
            "filter",
            "FORWARD",
            &["DOCKER-USER"],
            "iptables -I DOCKER-USER -i essaim0 -j ACCEPT\n\
             iptables -I DOCKER-USER -o essaim0 -j ACCEPT",
        );
        check(
            Family::Ipv4,
            "filter",
            "FORWARD",
            &["ufw-user-forward", "DOCKER-USER"],
            "ufw route allow in on essaim0\nufw route allow out on essaim0",
        );
        check(
            Family::Inet,
            "firewalld",
            "filter_FORWARD",
            &[],
            "firewall-cmd --permanent --zone=trusted --add-interface=essaim0\n\
             firewall-cmd --reload",
        );
        check(
            Family::Inet,
            "mine",
            "through",
            &[],
            "nft insert rule inet mine through iifname essaim0 accept\n\
             nft insert rule inet mine through oifname essaim0 accept",
        );
    }
}
