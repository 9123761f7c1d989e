//! The tar format: entries read from a stream and written to one. Nothing here touches a file system.
//!
//! Read: ustar, GNU (long names, sparse files, binary numbers) and pax, with every length bounded. Written: ustar
//! where it suffices, pax where not, and always the same bytes for the same entry.

mod block;
mod pax;
mod reader;
mod sparse;
mod writer;

use std::ffi::{CString, OsString};

pub use reader::{Reader, Tap};
pub use writer::Writer;

use crate::attribute::Attribute;

/// What an archive is made of: blocks of this many bytes.
pub const BLOCK: usize = 512;

/// An entry of an archive, apart from its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The path, exactly as the archive has it: it may be absolute, or contain `..`.
    pub path: OsString,
    /// What the entry is.
    pub kind: EntryKind,
    /// For links: the target, exactly as the archive has it.
    pub link: OsString,
    /// Permissions.
    pub mode: u32,
    /// Owner.
    pub user: u32,
    /// Group.
    pub group: u32,
    /// How many bytes of contents follow. For sparse files, only the parts that are not holes.
    pub size: u64,
    /// When it was last changed, in seconds since 1970.
    pub modified_seconds: i64,
    /// The rest of that time in nanoseconds.
    pub modified_nanoseconds: u32,
    /// For devices: major and minor number.
    pub device: (u32, u32),
    /// Extended attributes.
    pub attributes: Vec<Attribute>,
    /// For sparse files: where the contents belong.
    pub sparse: Option<SparseMap>,
}

/// Where the parts of a sparse file belong, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SparseMap {
    /// Offset and length of each part that has contents.
    pub parts: Vec<(u64, u64)>,
    /// How long the file is with its holes.
    pub length: u64,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file with contents.
    File,
    /// Another name of an earlier entry.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// Why an archive cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream failed, or ended too early.
    #[error("read archive")]
    Read(#[source] std::io::Error),
    /// The stream could not be written.
    #[error("write archive")]
    Write(#[source] std::io::Error),
    /// The stream ended in the middle of an entry.
    #[error("archive is cut off")]
    CutOff,
    /// A block that should begin an entry has a wrong checksum.
    #[error("not a tar archive, or damaged: wrong checksum of an entry's header")]
    Checksum,
    /// A field that should hold a number does not.
    #[error("archive entry has an invalid {field}")]
    Field {
        /// Which one.
        field: &'static str,
    },
    /// An extended header that cannot be taken apart.
    #[error("archive has an invalid extended header")]
    Extended,
    /// A name or extended header longer than any that is needed.
    #[error("archive has a name or extended header of {length} bytes, which is too long")]
    TooLong {
        /// How long it says it is.
        length: u64,
    },
    /// A kind of entry that is not known.
    #[error("archive entry has the unknown type {flag:?}")]
    UnknownKind {
        /// The type in the header.
        flag: char,
    },
}

impl Header {
    /// A header with nothing but a path, a kind and a size.
    pub fn new(path: impl Into<OsString>, kind: EntryKind, size: u64) -> Self {
        Self {
            path: path.into(),
            kind,
            link: OsString::new(),
            mode: if kind == EntryKind::Directory {
                0o755
            } else {
                0o644
            },
            user: 0,
            group: 0,
            size,
            modified_seconds: 0,
            modified_nanoseconds: 0,
            device: (0, 0),
            attributes: Vec::new(),
            sparse: None,
        }
    }
}

/// The prefix of the pax records that hold extended attributes.
const ATTRIBUTE_PREFIX: &[u8] = b"SCHILY.xattr.";

fn attribute(name: &[u8], value: &[u8]) -> Option<Attribute> {
    let name = CString::new(name).ok()?;
    (!name.is_empty()).then(|| Attribute {
        name,
        value: value.to_vec(),
    })
}
