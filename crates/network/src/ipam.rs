//! Which subnet a network gets, and which address a container. Pure.

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;

use crate::Pool;

/// The addresses of one network: which can be given, and which are.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    subnet: Ipv4Net,
    first: u32,
    last: u32,
    /// Where the next search begins: an address is given again as late as can be, because neighbours and
    /// connections remember it for a while.
    next: u32,
    reserved: BTreeSet<u32>,
    used: BTreeSet<u32>,
}

/// An address that cannot be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// Somebody has it.
    Used,
    /// It is not of the network, or is its first or last.
    Outside,
    /// All are given.
    Exhausted,
}

impl Addresses {
    /// The addresses of `subnet`, from within `range` if there is one, without `reserved`.
    pub(crate) fn new(
        subnet: Ipv4Net,
        range: Option<Ipv4Net>,
        reserved: impl IntoIterator<Item = Ipv4Addr>,
    ) -> Self {
        let (lowest, highest) = usable(subnet);
        let (first, last) = range.map_or((lowest, highest), |range| {
            let first = u32::from(range.network()).max(lowest);
            (first, u32::from(range.broadcast()).min(highest))
        });
        Self {
            subnet,
            first,
            last,
            next: first,
            reserved: reserved.into_iter().map(u32::from).collect(),
            used: BTreeSet::new(),
        }
    }

    /// Gives the next free one.
    pub(crate) fn give(&mut self) -> Result<Ipv4Addr, Unavailable> {
        let free = |address: &u32| !self.reserved.contains(address) && !self.used.contains(address);
        let found = (self.next..=self.last)
            .find(free)
            .or_else(|| (self.first..self.next.min(self.last.saturating_add(1))).find(free))
            .ok_or(Unavailable::Exhausted)?;
        self.used.insert(found);
        self.next = match found.checked_add(1) {
            Some(next) if next <= self.last => next,
            _ => self.first,
        };
        Ok(found.into())
    }

    /// Gives this one. It need not be of the range.
    pub(crate) fn give_this(&mut self, address: Ipv4Addr) -> Result<(), Unavailable> {
        let number = u32::from(address);
        let (lowest, highest) = usable(self.subnet);
        if !(lowest..=highest).contains(&number) {
            return Err(Unavailable::Outside);
        }
        if self.reserved.contains(&number) || !self.used.insert(number) {
            return Err(Unavailable::Used);
        }
        Ok(())
    }

    /// Takes an address back.
    pub(crate) fn take_back(&mut self, address: Ipv4Addr) {
        self.used.remove(&u32::from(address));
    }
}

/// The first and last address of a subnet that an interface can have.
fn usable(subnet: Ipv4Net) -> (u32, u32) {
    let first = u32::from(subnet.network());
    let last = u32::from(subnet.broadcast());
    if subnet.prefix_len() >= 31 {
        (first, last)
    } else {
        (first + 1, last - 1)
    }
}

/// The address that a network's bridge has unless another is asked for.
pub(crate) fn first_usable(subnet: Ipv4Net) -> Ipv4Addr {
    usable(subnet).0.into()
}

/// Whether an interface in `subnet` can have `address`.
pub(crate) fn is_usable(subnet: Ipv4Net, address: Ipv4Addr) -> bool {
    let (lowest, highest) = usable(subnet);
    (lowest..=highest).contains(&u32::from(address))
}

/// The first subnet of the pools that overlaps with nothing that is `taken`.
pub(crate) fn free_subnet(pools: &[Pool], taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    pools
        .iter()
        .filter_map(|pool| pool.base.subnets(pool.prefix_length).ok())
        .flatten()
        .find(|subnet| !taken.iter().any(|taken| overlap(*taken, *subnet)))
}

/// Whether two subnets have an address in common.
pub(crate) fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use ipnet::Ipv4Net;
    use proptest::prelude::{any, proptest};

    use super::{Addresses, Unavailable, free_subnet, overlap};
    use crate::Pool;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn address(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check_subnet(taken: &[&str], expect: &str) {
        let taken: Vec<Ipv4Net> = taken.iter().map(|text| net(text)).collect();
        let found = free_subnet(&Pool::docker(), &taken).map(|subnet| subnet.to_string());
        assert_eq!(found.unwrap_or_default(), expect, "{taken:?}");
    }

    #[test]
    fn a_network_gets_the_first_free_subnet() {
        check_subnet(&[], "172.17.0.0/16");
        check_subnet(&["172.17.5.0/24"], "172.18.0.0/16");
        check_subnet(&["172.16.0.0/12"], "192.168.0.0/20");
        check_subnet(&["172.16.0.0/12", "192.168.17.3/32"], "192.168.0.0/20");
        check_subnet(&["172.16.0.0/12", "192.168.0.0/24"], "192.168.16.0/20");
        check_subnet(&["172.16.0.0/12", "192.168.0.0/16"], "");
    }

    #[test]
    fn addresses_go_round() {
        let mut addresses = Addresses::new(
            net("10.0.0.0/29"),
            None,
            [address("10.0.0.1"), address("10.0.0.4")],
        );
        let given: Vec<String> = (0..4)
            .map(|_| addresses.give().unwrap().to_string())
            .collect();
        assert_eq!(given, ["10.0.0.2", "10.0.0.3", "10.0.0.5", "10.0.0.6"]);
        assert_eq!(addresses.give(), Err(Unavailable::Exhausted));
        addresses.take_back(address("10.0.0.3"));
        addresses.take_back(address("10.0.0.2"));
        assert_eq!(addresses.give(), Ok(address("10.0.0.2")));
        addresses.take_back(address("10.0.0.2"));
        assert_eq!(addresses.give(), Ok(address("10.0.0.3")));
    }

    #[test]
    fn an_address_can_be_asked_for() {
        let mut addresses = Addresses::new(
            net("10.0.0.0/24"),
            Some(net("10.0.0.128/25")),
            [address("10.0.0.1")],
        );
        assert_eq!(addresses.give(), Ok(address("10.0.0.128")));
        assert_eq!(addresses.give_this(address("10.0.0.5")), Ok(()));
        assert_eq!(
            addresses.give_this(address("10.0.0.5")),
            Err(Unavailable::Used)
        );
        assert_eq!(
            addresses.give_this(address("10.0.0.1")),
            Err(Unavailable::Used)
        );
        for outside in ["10.0.0.0", "10.0.0.255", "10.0.1.1"] {
            assert_eq!(
                addresses.give_this(address(outside)),
                Err(Unavailable::Outside),
                "{outside}"
            );
        }
    }

    #[test]
    fn the_smallest_and_the_last_subnets_work() {
        let mut two = Addresses::new(net("10.0.0.0/31"), None, [address("10.0.0.0")]);
        assert_eq!(two.give(), Ok(address("10.0.0.1")));
        assert_eq!(two.give(), Err(Unavailable::Exhausted));
        let mut last = Addresses::new(net("255.255.255.254/31"), None, []);
        assert_eq!(last.give(), Ok(address("255.255.255.254")));
        assert_eq!(last.give(), Ok(address("255.255.255.255")));
        assert_eq!(last.give(), Err(Unavailable::Exhausted));
    }

    proptest! {
        #[test]
        fn no_address_is_given_twice(length in 24_u8..=31, steps in any::<Vec<(bool, u8)>>()) {
            let subnet = Ipv4Net::new(Ipv4Addr::new(10, 1, 2, 0), length).unwrap();
            let mut addresses = Addresses::new(subnet, None, [subnet.network()]);
            let mut given: Vec<Ipv4Addr> = Vec::new();
            for (give, which) in steps {
                if give {
                    match addresses.give() {
                        Ok(address) => {
                            assert!(subnet.contains(&address) && !given.contains(&address));
                            given.push(address);
                        }
                        Err(_) => assert!(given.len() + 1 >= subnet.hosts().count().min(given.len() + 1)),
                    }
                } else if !given.is_empty() {
                    let address = given.remove(usize::from(which) % given.len());
                    addresses.take_back(address);
                }
            }
        }

        #[test]
        fn a_free_subnet_overlaps_with_nothing(taken in proptest::collection::vec((any::<u32>(), 8_u8..=32), 0..8)) {
            let taken: Vec<Ipv4Net> = taken
                .into_iter()
                .map(|(address, length)| Ipv4Net::new(address.into(), length).unwrap().trunc())
                .collect();
            if let Some(subnet) = free_subnet(&Pool::docker(), &taken) {
                assert!(!taken.iter().any(|taken| overlap(*taken, subnet)));
            }
        }
    }
}
