//! `resolv.conf`: the host's read, a container's written.

use std::{fmt::Write as _, fs, net::IpAddr, path::Path};

use crate::networks::DNS_ADDRESS;

/// What a `resolv.conf` says, as far as it matters to a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResolvConf {
    /// Whom to ask.
    pub nameservers: Vec<IpAddr>,
    /// The domains that short names are looked up in.
    pub search: Vec<String>,
    /// `options`, each a word of its own.
    pub options: Vec<String>,
}

/// Where systemd's resolver keeps the servers that it asks itself.
const BEHIND_SYSTEMD: &str = "/run/systemd/resolve/resolv.conf";
/// Where systemd's resolver listens.
const SYSTEMD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 53));

impl ResolvConf {
    /// Reads the host's at `path`, for containers to use themselves: if the host asks systemd's resolver, which
    /// containers cannot reach, whom that one asks. A file that is not there says nothing.
    pub fn of_host(path: &Path) -> Self {
        let read = |path: &Path| fs::read_to_string(path).map(|text| Self::parse(&text));
        let host = read(path).unwrap_or_default();
        if host.nameservers == [SYSTEMD] {
            read(Path::new(BEHIND_SYSTEMD)).unwrap_or(host)
        } else {
            host
        }
    }

    /// Reads one; what is not understood is passed over, as the C library does.
    pub fn parse(text: &str) -> Self {
        let mut parsed = Self::default();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    // A zone, as in fe80::1%eth0, means nothing to another namespace.
                    let address: Option<IpAddr> = words.next().and_then(|word| word.parse().ok());
                    parsed.nameservers.extend(address);
                }
                Some("search" | "domain") => parsed.search = words.map(str::to_owned).collect(),
                Some("options") => parsed.options.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        parsed
    }

    /// What a container on user-defined networks is given: our DNS, the rest from here.
    #[must_use]
    pub fn with_embedded_dns(&self) -> Self {
        let mut options = self.options.clone();
        if !options.iter().any(|option| option.starts_with("ndots:")) {
            options.push("ndots:0".to_owned());
        }
        Self {
            nameservers: vec![DNS_ADDRESS.into()],
            search: self.search.clone(),
            options,
        }
    }

    /// What a container on the default network is given: what it can reach. Servers on the host's loopback are
    /// not there for it; public ones take their place if none is left.
    #[must_use]
    pub fn for_default_bridge(&self) -> Self {
        let mut nameservers = self.nameservers.clone();
        nameservers.retain(|address| match address {
            IpAddr::V4(address) => !address.is_loopback(),
            IpAddr::V6(_) => false,
        });
        if nameservers.is_empty() {
            nameservers = vec![[8, 8, 8, 8].into(), [8, 8, 4, 4].into()];
        }
        Self {
            nameservers,
            ..self.clone()
        }
    }

    /// The file's text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for address in &self.nameservers {
            let _ = writeln!(text, "nameserver {address}");
        }
        if !self.search.is_empty() {
            let _ = writeln!(text, "search {}", self.search.join(" "));
        }
        if !self.options.is_empty() {
            let _ = writeln!(text, "options {}", self.options.join(" "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::ResolvConf;

    const HOST: &str = "# made by hand\nnameserver 127.0.0.53\nnameserver 10.0.0.2 # the office\n\
        nameserver fe80::1%eth0\nsearch example.org lan\noptions edns0 trust-ad\nsortlist 1.2.3.4\n";

    #[test]
    fn the_hosts_is_read() {
        let parsed = ResolvConf::parse(HOST);
        assert_eq!(parsed.nameservers.len(), 2);
        assert_eq!(parsed.search, ["example.org", "lan"]);
        assert_eq!(parsed.options, ["edns0", "trust-ad"]);
        assert_eq!(
            ResolvConf::parse("nameserver\nsearch\n"),
            ResolvConf::default()
        );
    }

    #[test]
    fn a_container_asks_us_where_there_are_names() {
        let text = ResolvConf::parse(HOST).with_embedded_dns().render();
        assert_eq!(
            text,
            "nameserver 127.0.0.11\nsearch example.org lan\noptions edns0 trust-ad ndots:0\n"
        );
    }

    #[test]
    fn a_container_on_the_default_network_asks_whom_it_can_reach() {
        let text = ResolvConf::parse(HOST).for_default_bridge().render();
        assert_eq!(
            text,
            "nameserver 10.0.0.2\nsearch example.org lan\noptions edns0 trust-ad\n"
        );
        let none = ResolvConf::parse("nameserver ::1").for_default_bridge();
        assert_eq!(none.nameservers.len(), 2);
    }
}
