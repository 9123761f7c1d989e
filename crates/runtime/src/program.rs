//! The shim's program, held where nobody can write to it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{MemfdFlags, SealFlags};

/// The shim's program in a sealed piece of memory: what runs from it can be read through `/proc/self/exe` and never
/// written.
#[derive(Debug, Clone)]
pub struct ShimProgram(Arc<OwnedFd>);

impl ShimProgram {
    /// Holds `program`, the bytes of a static executable.
    pub fn new(program: &[u8]) -> std::io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // Kernels from 6.3 want to be told that it is to be run; older ones don't know the flag.
        let executable = MemfdFlags::from_bits_retain(0x10);
        let memory = rustix::fs::memfd_create("essaim-shim", flags | executable)
            .or_else(|_| rustix::fs::memfd_create("essaim-shim", flags))?;
        let mut rest = program;
        while !rest.is_empty() {
            let written = rustix::io::write(&memory, rest)?;
            rest = &rest[written..];
        }
        rustix::fs::fcntl_add_seals(
            &memory,
            SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
        )?;
        Ok(Self(Arc::new(memory)))
    }
}

impl AsFd for ShimProgram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
