//! Extended attributes: read, written, and chosen from.
//!
//! The kernel has no call for them that takes a directory and a name, so paths lead through the handle of the
//! directory, and their last part is never followed.

use std::ffi::{CStr, CString};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::error::{Context, Error};
use crate::root::{Root, path_in};

/// The kernel's own bound for names and for a value.
const MAX_BYTES: usize = 65_536;

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attribute {
    /// The name with its class: `security.capability`.
    pub name: CString,
    /// The value.
    pub value: Vec<u8>,
}

/// The extended attributes of a file, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes(pub Vec<Attribute>);

impl Attributes {
    /// The value of the attribute `name`.
    pub fn get(&self, name: &CStr) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|attribute| attribute.name.as_c_str() == name)
            .map(|attribute| attribute.value.as_slice())
    }

    /// Those that belong to the file and may travel with it: neither the overlay's bookkeeping nor labels that
    /// the security modules of this computer gave.
    #[must_use]
    pub fn into_portable(self) -> Self {
        Self(
            self.0
                .into_iter()
                .filter(|attribute| is_portable(&attribute.name))
                .collect(),
        )
    }

    /// Of the file that `path` of the computer names, which is not followed. A file system without attributes
    /// has none.
    pub(crate) fn read(path: &Path) -> Result<Self, Errno> {
        let mut names = [0_u8; 1_024];
        let long;
        let names: &[u8] = match rustix::fs::llistxattr(path, &mut names) {
            Ok(length) => &names[..length],
            Err(Errno::RANGE) => {
                let mut buffer = vec![0; MAX_BYTES];
                let length = rustix::fs::llistxattr(path, buffer.as_mut_slice())?;
                buffer.truncate(length);
                long = buffer;
                &long
            }
            Err(Errno::OPNOTSUPP) => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let mut attributes = Vec::new();
        for name in names.split(|byte| *byte == 0) {
            if name.is_empty() {
                continue;
            }
            let Ok(name) = CString::new(name) else {
                continue;
            };
            if let Some(value) = read_value(path, &name)? {
                attributes.push(Attribute { name, value });
            }
        }
        attributes.sort_unstable();
        Ok(Self(attributes))
    }
}

impl Root {
    /// The extended attributes of `path`, which is not followed.
    pub fn attributes(&self, path: impl AsRef<Path>) -> Result<Attributes, Error> {
        let path = path.as_ref();
        let (parent, name) = self.parent_or_self(path)?;
        Attributes::read(&path_in(parent.as_fd(), &name)).context("read attributes of", path)
    }

    /// Sets an extended attribute of `path`, which is not followed.
    pub fn set_attribute(
        &self,
        path: impl AsRef<Path>,
        name: &CStr,
        value: &[u8],
    ) -> Result<(), Error> {
        let path = path.as_ref();
        let (parent, file) = self.parent_or_self(path)?;
        set_at(&path_in(parent.as_fd(), &file), name, value).context("set attribute of", path)
    }
}

pub(crate) fn set_at(path: &Path, name: &CStr, value: &[u8]) -> Result<(), Errno> {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty())
}

/// Whether an attribute may be taken from a file here or given to one.
pub(crate) fn is_portable(name: &CStr) -> bool {
    let name = name.to_bytes();
    let foreign: [&[u8]; 5] = [
        b"trusted.overlay.",
        b"user.overlay.",
        b"security.selinux",
        b"security.ima",
        b"security.evm",
    ];
    !foreign.iter().any(|prefix| name.starts_with(prefix))
}

/// The value of one attribute; none if it went away or may not be read.
fn read_value(path: &Path, name: &CStr) -> Result<Option<Vec<u8>>, Errno> {
    let mut small = [0_u8; 256];
    match rustix::fs::lgetxattr(path, name, &mut small) {
        Ok(length) => return Ok(Some(small[..length].to_vec())),
        Err(Errno::RANGE) => {}
        Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut buffer = vec![0; MAX_BYTES];
    match rustix::fs::lgetxattr(path, name, buffer.as_mut_slice()) {
        Ok(length) => {
            buffer.truncate(length);
            Ok(Some(buffer))
        }
        Err(Errno::NODATA) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The attribute that marks a directory of an upper layer as hiding what is below it.
pub(crate) const OPAQUE: &CStr = c"trusted.overlay.opaque";
