//! Hardware addresses.

use std::{fmt, net::Ipv4Addr, str::FromStr};

use serde::{Deserialize, Serialize};

/// A hardware address of an Ethernet interface, written `02:42:ac:11:00:02`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress([u8; 6]);

/// A text that is not a hardware address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid MAC address: {text}")]
pub struct InvalidMacAddress {
    /// The text, as it was given.
    pub text: String,
}

impl MacAddress {
    /// The address that an interface with `address` gets unless another is asked for: locally administered and
    /// never the same for two interfaces of a network, so that neighbours' tables stay true when an IP address
    /// goes to another container.
    pub const fn for_address(address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        Self([0x02, 0x42, a, b, c, d])
    }

    /// The six bytes.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// The address with these six bytes.
    pub const fn from_octets(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// Whether an interface can have it: neither all zeros nor a group's.
    pub fn is_usable(self) -> bool {
        let is_group = self.0[0] & 1 == 1;
        !is_group && self.0 != [0; 6]
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, octet) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { ":" };
            write!(f, "{separator}{octet:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for MacAddress {
    type Err = InvalidMacAddress;

    fn from_str(text: &str) -> Result<Self, InvalidMacAddress> {
        let invalid = || InvalidMacAddress {
            text: text.to_owned(),
        };
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().ok_or_else(invalid)?;
            if part.len() != 2 || !part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(invalid());
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| invalid())?;
        }
        match parts.next() {
            None => Ok(Self(octets)),
            Some(_) => Err(invalid()),
        }
    }
}

impl TryFrom<String> for MacAddress {
    type Error = InvalidMacAddress;

    fn try_from(text: String) -> Result<Self, InvalidMacAddress> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(address: MacAddress) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::MacAddress;

    #[track_caller]
    fn check(text: &str, expect: Option<&str>) {
        let parsed = text.parse::<MacAddress>().ok().map(|mac| mac.to_string());
        assert_eq!(parsed.as_deref(), expect, "{text}");
    }

    #[test]
    fn a_hardware_address_is_six_pairs_of_digits() {
        check("02:42:ac:11:00:02", Some("02:42:ac:11:00:02"));
        check("02-42-AC-11-00-02", Some("02:42:ac:11:00:02"));
        check("02:42:ac:11:00", None);
        check("02:42:ac:11:00:02:03", None);
        check("2:42:ac:11:0:2", None);
        check("+2:42:ac:11:00:02", None);
        check("", None);
    }

    #[test]
    fn it_follows_from_the_ip_address() {
        let mac = MacAddress::for_address([172, 17, 0, 2].into());
        assert_eq!(mac.to_string(), "02:42:ac:11:00:02");
        assert!(mac.is_usable());
        assert!(!MacAddress::from_octets([0; 6]).is_usable());
        assert!(!MacAddress::from_octets([1, 0, 0, 0, 0, 0]).is_usable());
    }
}
