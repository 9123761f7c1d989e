//! Sets of Linux capabilities, by the names that Docker's users write.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names in the order of their numbers.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What Docker gives a container that asks for nothing.
const DEFAULT: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// A text that names no capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid capability: {name:?}")]
pub struct UnknownCapability {
    /// The name, as it was given.
    pub name: String,
}

/// A set of capabilities, a bit each.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capabilities(u64);

impl Capabilities {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Every capability that this program knows.
    pub const ALL: Self = Self((1 << NAMES.len()) - 1);

    /// What Docker gives a container that asks for nothing.
    pub fn docker_default() -> Self {
        DEFAULT
            .iter()
            .filter_map(|name| number(name))
            .fold(Self::NONE, Self::with_number)
    }

    /// Docker's rule for `--cap-add` and `--cap-drop`: names with or without `CAP_`, in any case, and `ALL`.
    ///
    /// With `ALL` added, everything but what is dropped; with `ALL` dropped, only what is added; else the default
    /// with the additions, less what is dropped.
    pub fn adjusted(
        base: Self,
        add: &[String],
        drop: &[String],
    ) -> Result<Self, UnknownCapability> {
        let is_all = |name: &String| matches!(name.to_uppercase().as_str(), "ALL" | "CAP_ALL");
        let all_of = |names: &[String]| -> Result<Self, UnknownCapability> {
            names
                .iter()
                .filter(|name| !is_all(name))
                .try_fold(Self::NONE, |set, name| Ok(set.union(Self::named(name)?)))
        };
        let (added, dropped) = (all_of(add)?, all_of(drop)?);
        Ok(if add.iter().any(is_all) {
            Self::ALL.without(dropped)
        } else if drop.iter().any(is_all) {
            added
        } else {
            base.without(dropped).union(added)
        })
    }

    /// The set of one, by its name with or without `CAP_`, in any case.
    pub fn named(name: &str) -> Result<Self, UnknownCapability> {
        let upper = name.to_uppercase();
        number(upper.strip_prefix("CAP_").unwrap_or(&upper))
            .map(|number| Self::NONE.with_number(number))
            .ok_or_else(|| UnknownCapability {
                name: name.to_owned(),
            })
    }

    /// The set whose bits these are; unknown ones are left out.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// The bits, the capability with number 0 lowest.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of the other's are in this.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Names, `CAP_CHOWN` and so on, in the order of their numbers.
    pub fn names(self) -> impl Iterator<Item = String> {
        NAMES
            .iter()
            .enumerate()
            .filter(move |(number, _)| self.0 & (1 << number) != 0)
            .map(|(_, name)| format!("CAP_{name}"))
    }

    const fn with_number(self, number: u32) -> Self {
        Self(self.0 | (1 << number))
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

fn number(upper: &str) -> Option<u32> {
    let place = NAMES.iter().position(|known| *known == upper)?;
    u32::try_from(place).ok()
}

#[cfg(test)]
mod tests {
    use super::Capabilities;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[track_caller]
    fn check(add: &[&str], drop: &[&str], expect: u64) {
        let set = Capabilities::adjusted(
            Capabilities::docker_default(),
            &strings(add),
            &strings(drop),
        );
        assert_eq!(
            set.map(|set| format!("{:x}", set.bits())),
            Ok(format!("{expect:x}"))
        );
    }

    #[test]
    fn adjusts_as_docker_does() {
        check(&[], &[], 0xa804_25fb);
        check(&["sys_admin"], &[], 0xa824_25fb);
        check(&["CAP_SYS_ADMIN"], &["ALL"], 0x20_0000);
        check(&["all"], &["chown"], 0x1ff_ffff_fffe);
        check(&[], &["KILL", "cap_chown"], 0xa804_25da);
        check(&[], &["ALL"], 0);
    }

    #[test]
    fn names_both_ways() {
        assert!(Capabilities::named("CAP_BOGUS").is_err());
        for name in Capabilities::ALL.names() {
            assert_eq!(
                Capabilities::named(&name).unwrap().names().next(),
                Some(name)
            );
        }
    }
}
