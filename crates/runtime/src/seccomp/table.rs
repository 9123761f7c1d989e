//! The numbers of system calls.

use std::collections::BTreeMap;

/// The kinds of programs that run on this computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Architecture {
    /// 64-bit programs.
    X86_64,
    /// 32-bit programs.
    X86,
    /// 64-bit programs with 32-bit addresses.
    X32,
}

impl Architecture {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::X86_64, Self::X86, Self::X32];

    /// Its name in profiles.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "SCMP_ARCH_X86_64",
            Self::X86 => "SCMP_ARCH_X86",
            Self::X32 => "SCMP_ARCH_X32",
        }
    }
}

/// How the kernel marks the kind of program.
pub(super) const AUDIT_X86_64: u32 = 0xc000_003e;
/// As [`AUDIT_X86_64`].
pub(super) const AUDIT_X86: u32 = 0x4000_0003;
/// What is added to the numbers of x32 programs, which have the mark of 64-bit ones.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// Every known name and its number, for one kind of program; numbers are as the filter sees them.
pub(super) fn numbers(architecture: Architecture) -> BTreeMap<&'static str, u32> {
    include_str!("syscalls.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split(' ');
            let name = words.next()?;
            let (column, bit) = match architecture {
                Architecture::X86_64 => (0, 0),
                Architecture::X86 => (1, 0),
                Architecture::X32 => (2, X32_BIT),
            };
            let number: u32 = words.nth(column)?.parse().ok()?;
            Some((name, number | bit))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Architecture, numbers};

    #[test]
    fn numbers_are_the_kernels() {
        let known = |architecture, name| numbers(architecture).get(name).copied();
        assert_eq!(
            known(Architecture::X86_64, "clone3"),
            Some(libc::SYS_clone3.try_into().unwrap())
        );
        assert_eq!(
            known(Architecture::X86_64, "openat2"),
            Some(libc::SYS_openat2.try_into().unwrap())
        );
        assert_eq!(known(Architecture::X86, "socketcall"), Some(102));
        assert_eq!(known(Architecture::X86_64, "socketcall"), None);
        assert_eq!(known(Architecture::X32, "read"), Some(0x4000_0000));
    }
}
