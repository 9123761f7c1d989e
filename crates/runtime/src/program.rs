//! The shim's program, held where nobody can write to it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags};

/// The shim's program in a sealed piece of memory: what runs from it can be read through `/proc/self/exe` and never
/// written.
#[derive(Debug, Clone)]
pub struct ShimProgram(Arc<OwnedFd>);

impl ShimProgram {
    /// The program that runs now, which must be able to be the shim: see [`crate::act_as_shim`].
    pub fn of_this_program() -> std::io::Result<Self> {
        Self::new(&std::fs::read("/proc/self/exe")?)
    }

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
        seal(&memory)?;
        Ok(Self(Arc::new(memory)))
    }
}

/// Nothing writes to this memory any more.
fn seal(memory: &OwnedFd) -> std::io::Result<()> {
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    // The kernel may be busy with pages that were written just now; it waits a while for them itself.
    for _ in 0..50 {
        match rustix::fs::fcntl_add_seals(memory, seals) {
            Err(rustix::io::Errno::BUSY) => std::thread::sleep(Duration::from_millis(10)),
            other => return Ok(other?),
        }
    }
    Err(rustix::io::Errno::BUSY.into())
}

/// Makes the program that this stands in able to be the shim: for tests, which then need no other program. Use once, at
/// the top of a test program; [`ShimProgram::of_this_program`] is then such a shim.
#[macro_export]
macro_rules! act_as_shim {
    () => {
        #[used]
        #[unsafe(link_section = ".init_array")]
        static ACT_AS_SHIM: extern "C" fn() = {
            extern "C" fn act() {
                $crate::program::act_as_shim_if_called_so();
            }
            act
        };
    };
}

/// Becomes the shim, and ends, if this program was started as one. See [`act_as_shim`].
pub fn act_as_shim_if_called_so() {
    let mut arguments = std::env::args();
    let code = match arguments.next().as_deref() {
        Some(SHIM_NAME) => crate::shim::run(),
        Some(crate::tiny_init::NAME) => {
            crate::tiny_init::run(&arguments.skip(1).collect::<Vec<_>>())
        }
        _ => return,
    };
    crate::syscall::exit_now(code);
}

/// The name that a shim is started under.
pub(crate) const SHIM_NAME: &str = "essaim-shim";

impl AsFd for ShimProgram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
