//! What the worker has done and Redis does not know yet. Pure. It must never forget a unit or a coin before
//! it is told that Redis has it.

use crate::datastore::Coin;

/// Units and coins that wait to be reported. It stays small: while Redis is away, nothing is mined.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    units: u64,
    coins: Vec<Coin>,
}

impl Ledger {
    pub(super) fn add_unit(&mut self) {
        self.units += 1;
    }

    pub(super) fn add_coin(&mut self, coin: Coin) {
        self.coins.push(coin);
    }

    pub(super) fn units(&self) -> u64 {
        self.units
    }

    pub(super) fn coins(&self) -> &[Coin] {
        &self.coins
    }

    /// Redis has counted so many units.
    pub(super) fn units_reported(&mut self, units: u64) {
        self.units = self.units.saturating_sub(units);
    }

    /// Redis has the oldest so many coins.
    pub(super) fn coins_kept(&mut self, coins: usize) {
        self.coins.drain(..coins.min(self.coins.len()));
    }

    /// Units and coins not reported.
    pub(super) fn left(&self) -> (u64, usize) {
        (self.units, self.coins.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_reported_leaves() {
        let mut ledger = Ledger::default();
        let coin = |hash: &str| Coin {
            hash: hash.into(),
            bytes: "x".into(),
        };
        for hash in ["0a", "0b", "0c"] {
            ledger.add_unit();
            ledger.add_coin(coin(hash));
        }
        ledger.units_reported(2);
        ledger.coins_kept(2);
        assert_eq!(ledger.left(), (1, 1));
        assert_eq!(ledger.coins(), [coin("0c")]);
        ledger.coins_kept(9);
        assert_eq!(ledger.left(), (1, 0));
    }
}
