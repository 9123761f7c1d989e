//! The addresses of one network: which are taken, and which is the lowest that is not.
//!
//! A pool lives as long as its network is there or an address in it is held: a network removed a moment ago,
//! whose last containers are still being stopped, does not give its addresses to another.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// The first addresses of a subnet, the network's own and the gateway's, are never given out.
const RESERVED: u64 = 0b11;

/// The addresses of one network.
#[derive(Debug, Clone)]
pub struct AddressPool {
    subnet: Ipv4Net,
    /// A bit per address from the start of the subnet, as far as any was ever taken.
    taken: Vec<u64>,
    /// No address in the words below this one is free.
    full_below: usize,
    held: u32,
}

impl AddressPool {
    /// All of `subnet` free.
    pub fn new(subnet: Ipv4Net) -> Self {
        Self {
            subnet,
            taken: vec![RESERVED],
            full_below: 0,
            held: 0,
        }
    }

    /// The subnet.
    pub const fn subnet(&self) -> Ipv4Net {
        self.subnet
    }

    /// How many addresses are taken.
    pub const fn held(&self) -> u32 {
        self.held
    }

    /// Takes `address`, if it belongs to the subnet.
    pub fn take(&mut self, address: Ipv4Addr) {
        let Some((word, bit)) = self.place(address) else {
            return;
        };
        if word >= self.taken.len() {
            self.taken.resize(word + 1, 0);
        }
        if self.taken[word] & bit == 0 {
            self.taken[word] |= bit;
            self.held += 1;
        }
    }

    /// Frees `address`.
    pub fn free(&mut self, address: Ipv4Addr) {
        let Some((word, bit)) = self.place(address) else {
            return;
        };
        if word == 0 && RESERVED & bit != 0 {
            return;
        }
        if let Some(bits) = self.taken.get_mut(word)
            && *bits & bit != 0
        {
            *bits &= !bit;
            self.held -= 1;
            self.full_below = self.full_below.min(word);
        }
    }

    /// Takes the lowest free address; `None` if all are taken.
    pub fn take_lowest(&mut self) -> Option<Ipv4Net> {
        while self.taken.get(self.full_below) == Some(&u64::MAX) {
            self.full_below += 1;
        }
        let size = 1_u32
            .checked_shl(u32::from(32 - self.subnet.prefix_len()))
            .unwrap_or(u32::MAX);
        let mut offset = u32::try_from(self.full_below).ok()?.checked_mul(64)?;
        // The last address is the broadcast's.
        while offset < size.saturating_sub(1) {
            let (word, bit) = place_of(offset);
            let bits = self.taken.get(word).copied().unwrap_or(0);
            if bits & bit == 0 {
                let address = Ipv4Addr::from(u32::from(self.subnet.network()).checked_add(offset)?);
                self.take(address);
                return Some(Ipv4Net::new_assert(address, self.subnet.prefix_len()));
            }
            offset += 1;
        }
        None
    }

    fn place(&self, address: Ipv4Addr) -> Option<(usize, u64)> {
        self.subnet
            .contains(&address)
            .then(|| place_of(u32::from(address) - u32::from(self.subnet.network())))
    }
}

/// Two pools are the same if the same addresses are taken, whatever was taken in between.
impl PartialEq for AddressPool {
    fn eq(&self, other: &Self) -> bool {
        let taken = |pool: &Self| pool.taken.iter().rposition(|bits| *bits != 0);
        self.subnet == other.subnet
            && self.held == other.held
            && taken(self) == taken(other)
            && self
                .taken
                .iter()
                .zip(&other.taken)
                .all(|(one, two)| one == two)
    }
}

impl Eq for AddressPool {}

const fn place_of(offset: u32) -> (usize, u64) {
    ((offset / 64) as usize, 1 << (offset % 64))
}

#[cfg(test)]
mod tests {
    use super::AddressPool;

    /// Takes as many as there are, and tells the first, the last and how many they were.
    #[track_caller]
    fn check(subnet: &str, expect: Option<(&str, &str, usize)>) {
        let mut pool = AddressPool::new(subnet.parse().unwrap());
        let all: Vec<String> = std::iter::from_fn(|| pool.take_lowest())
            .map(|it| it.to_string())
            .collect();
        let ends = all
            .first()
            .zip(all.last())
            .map(|(first, last)| (first.as_str(), last.as_str(), all.len()));
        assert_eq!(ends, expect);
    }

    #[test]
    fn a_pool_gives_all_but_network_gateway_and_broadcast() {
        check("10.0.0.0/24", Some(("10.0.0.2/24", "10.0.0.254/24", 253)));
        check("10.0.1.0/29", Some(("10.0.1.2/29", "10.0.1.6/29", 5)));
        check("10.0.1.0/30", Some(("10.0.1.2/30", "10.0.1.2/30", 1)));
        check("10.0.1.0/31", None);
        check("10.0.1.0/32", None);
        check(
            "10.4.0.0/16",
            Some(("10.4.0.2/16", "10.4.255.254/16", 65_533)),
        );
    }

    #[test]
    fn what_is_freed_is_given_again_lowest_first() {
        let mut pool = AddressPool::new("10.0.0.0/24".parse().unwrap());
        let all: Vec<_> = std::iter::from_fn(|| pool.take_lowest()).collect();
        pool.free(all[200].addr());
        pool.free(all[7].addr());
        pool.free("192.0.2.1".parse().unwrap());
        assert_eq!(pool.take_lowest(), Some(all[7]));
        assert_eq!(pool.take_lowest(), Some(all[200]));
        assert_eq!(pool.take_lowest(), None);
        for address in all {
            pool.free(address.addr());
        }
        assert_eq!(pool.held(), 0);
    }
}
