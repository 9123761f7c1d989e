//! The header block of an entry: fixed fields of text and numbers.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::{BLOCK, EntryKind, Error, Header};

/// Where a field lies in the block.
pub(super) type Field = (usize, usize);

const NAME: Field = (0, 100);
const MODE: Field = (100, 8);
const USER: Field = (108, 8);
const GROUP: Field = (116, 8);
const SIZE: Field = (124, 12);
const MODIFIED: Field = (136, 12);
const CHECKSUM: Field = (148, 8);
const KIND: usize = 156;
const LINK: Field = (157, 100);
const MAGIC: Field = (257, 8);
const MAJOR: Field = (329, 8);
const MINOR: Field = (337, 8);
const PREFIX: Field = (345, 155);

const USTAR: &[u8] = b"ustar\x0000";
const USTAR_ANY_VERSION: &[u8] = b"ustar\0";

/// What the type in a header means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    Entry(EntryKind),
    /// Pax records for the next entry.
    Extended,
    /// Pax records for all that follow.
    Global,
    /// The next entry's path.
    LongName,
    /// The next entry's link target.
    LongLink,
    /// A file whose holes are listed in the header.
    OldSparse,
    /// The archive's own name: nothing to make.
    Volume,
}

/// A header block.
pub(super) struct Block<'block>(pub(super) &'block [u8; BLOCK]);

impl Block<'_> {
    pub(super) fn is_zero(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// Whether the sum of the bytes is what the block says, as unsigned or, as some old programs had it, signed
    /// bytes.
    pub(super) fn checksum_holds(&self) -> bool {
        let Some(stated) = number(self.field(CHECKSUM)) else {
            return false;
        };
        let (unsigned, signed) = sums(self.0);
        stated == i128::from(unsigned) || stated == i128::from(signed)
    }

    pub(super) fn flag(&self) -> Result<Flag, Error> {
        let flag = self.0[KIND];
        Ok(match flag {
            // Before there was a type for them, directories were files whose name ends in a slash.
            0 | b'0' if self.name().last() == Some(&b'/') => Flag::Entry(EntryKind::Directory),
            0 | b'0' | b'7' => Flag::Entry(EntryKind::File),
            b'1' => Flag::Entry(EntryKind::HardLink),
            b'2' => Flag::Entry(EntryKind::Symlink),
            b'3' => Flag::Entry(EntryKind::CharacterDevice),
            b'4' => Flag::Entry(EntryKind::BlockDevice),
            b'5' => Flag::Entry(EntryKind::Directory),
            b'6' => Flag::Entry(EntryKind::Fifo),
            b'x' => Flag::Extended,
            b'g' => Flag::Global,
            b'L' => Flag::LongName,
            b'K' => Flag::LongLink,
            b'S' => Flag::OldSparse,
            b'V' => Flag::Volume,
            other => {
                return Err(Error::UnknownKind {
                    flag: char::from(other),
                });
            }
        })
    }

    pub(super) fn size(&self) -> Result<u64, Error> {
        self.unsigned(SIZE, "size")
    }

    /// The entry that the block alone describes.
    pub(super) fn header(&self, kind: EntryKind) -> Result<Header, Error> {
        let device = match kind {
            EntryKind::CharacterDevice | EntryKind::BlockDevice => (
                self.small(MAJOR, "device number")?,
                self.small(MINOR, "device number")?,
            ),
            _ => (0, 0),
        };
        let modified = number(self.field(MODIFIED)).ok_or(Error::Field { field: "time" })?;
        Ok(Header {
            path: OsString::from_vec(self.path()),
            kind,
            link: OsString::from_vec(text(self.field(LINK)).to_vec()),
            mode: self.small(MODE, "mode")? & 0o7777,
            user: self.small(USER, "owner")?,
            group: self.small(GROUP, "group")?,
            size: self.size()?,
            modified_seconds: i64::try_from(modified)
                .map_err(|_| Error::Field { field: "time" })?,
            modified_nanoseconds: 0,
            device,
            attributes: Vec::new(),
            sparse: None,
        })
    }

    pub(super) fn field(&self, (start, length): Field) -> &[u8] {
        &self.0[start..start + length]
    }

    fn name(&self) -> &[u8] {
        text(self.field(NAME))
    }

    fn path(&self) -> Vec<u8> {
        let name = self.name();
        let prefix = if self.0[MAGIC.0..].starts_with(USTAR_ANY_VERSION) {
            text(self.field(PREFIX))
        } else {
            &[]
        };
        if prefix.is_empty() {
            name.to_vec()
        } else {
            [prefix, b"/", name].concat()
        }
    }

    fn unsigned(&self, field: Field, name: &'static str) -> Result<u64, Error> {
        number(self.field(field))
            .and_then(|value| u64::try_from(value).ok())
            .ok_or(Error::Field { field: name })
    }

    fn small(&self, field: Field, name: &'static str) -> Result<u32, Error> {
        self.unsigned(field, name)
            .and_then(|value| u32::try_from(value).map_err(|_| Error::Field { field: name }))
    }
}

/// Text up to the first zero.
fn text(field: &[u8]) -> &[u8] {
    field
        .iter()
        .position(|byte| *byte == 0)
        .map_or(field, |end| &field[..end])
}

/// A number in octal digits, or in binary if its first bit says so. An empty field is zero.
pub(super) fn number(field: &[u8]) -> Option<i128> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => binary(field),
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<i128> {
    let is_padding = |byte: &u8| matches!(byte, 0 | b' ');
    let start = field.iter().position(|byte| !is_padding(byte));
    let Some(digits) = start.map(|start| &field[start..]) else {
        return Some(0);
    };
    let end = digits.iter().position(is_padding).unwrap_or(digits.len());
    digits[..end].iter().try_fold(0_i128, |value, digit| {
        let digit = matches!(digit, b'0'..=b'7').then(|| i128::from(digit - b'0'))?;
        value.checked_mul(8)?.checked_add(digit)
    })
}

/// Two's complement, most significant byte first, with the very first bit as the mark.
fn binary(field: &[u8]) -> Option<i128> {
    let (first, rest) = field.split_first()?;
    // The bit below the mark is the sign.
    let start = if first & 0x40 == 0 {
        i128::from(first & 0x3f)
    } else {
        i128::from(first & 0x3f) - 0x40
    };
    rest.iter().try_fold(start, |value, byte| {
        value.checked_mul(256)?.checked_add(i128::from(*byte))
    })
}

fn sums(block: &[u8; BLOCK]) -> (u32, i32) {
    let mut unsigned = 0;
    let mut signed = 0;
    for (at, byte) in block.iter().enumerate() {
        let byte = if (CHECKSUM.0..CHECKSUM.0 + CHECKSUM.1).contains(&at) {
            b' '
        } else {
            *byte
        };
        unsigned += u32::from(byte);
        signed += i32::from(byte.cast_signed());
    }
    (unsigned, signed)
}

/// A field that does not fit into a header block, and so has to go into pax records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    Path,
    Link,
    Size,
    User,
    Group,
    Modified,
}

pub(super) fn flag_of(kind: EntryKind) -> u8 {
    match kind {
        EntryKind::File => b'0',
        EntryKind::HardLink => b'1',
        EntryKind::Symlink => b'2',
        EntryKind::CharacterDevice => b'3',
        EntryKind::BlockDevice => b'4',
        EntryKind::Directory => b'5',
        EntryKind::Fifo => b'6',
    }
}

/// The block of an entry of this type, and what did not fit.
pub(super) fn encode(header: &Header, flag: u8) -> ([u8; BLOCK], Vec<Unfit>) {
    let mut block = [0; BLOCK];
    let mut unfit = Vec::new();
    for (which, field, text) in [
        (Unfit::Path, NAME, &header.path),
        (Unfit::Link, LINK, &header.link),
    ] {
        if !put_text(&mut block, field, text.as_bytes()) {
            unfit.push(which);
        }
    }
    for (which, field, value) in [
        (Unfit::Size, SIZE, header.size.into()),
        (Unfit::User, USER, header.user.into()),
        (Unfit::Group, GROUP, header.group.into()),
        (Unfit::Modified, MODIFIED, header.modified_seconds.into()),
    ] {
        if !put_number(&mut block, field, value) {
            unfit.push(which);
        }
    }
    put_number(&mut block, MODE, i128::from(header.mode & 0o7777));
    put_number(&mut block, MAJOR, header.device.0.into());
    put_number(&mut block, MINOR, header.device.1.into());
    block[KIND] = flag;
    block[MAGIC.0..MAGIC.0 + MAGIC.1].copy_from_slice(USTAR);
    let (sum, _) = sums(&block);
    let text = format!("{sum:06o}\0 ");
    block[CHECKSUM.0..CHECKSUM.0 + CHECKSUM.1].copy_from_slice(text.as_bytes());
    (block, unfit)
}

/// Whether the text fits; what does not is cut off.
fn put_text(block: &mut [u8; BLOCK], (start, length): Field, text: &[u8]) -> bool {
    let fitting = &text[..text.len().min(length)];
    let plain = text.is_ascii();
    if plain {
        block[start..start + fitting.len()].copy_from_slice(fitting);
    } else {
        for (to, from) in block[start..].iter_mut().zip(fitting) {
            *to = if from.is_ascii() { *from } else { b'_' };
        }
    }
    plain && text.len() <= length
}

/// Whether the number fits; zero stands in for one that does not.
fn put_number(block: &mut [u8; BLOCK], (start, length): Field, value: i128) -> bool {
    let digits = length - 1;
    let fits = value >= 0 && value < 1 << (3 * digits);
    let text = format!("{:0digits$o}\0", if fits { value } else { 0 });
    block[start..start + length].copy_from_slice(text.as_bytes());
    fits
}

#[cfg(test)]
mod tests {
    use super::number;

    #[track_caller]
    fn check(field: &[u8], expect: Option<i128>) {
        assert_eq!(number(field), expect, "{field:?}");
    }

    #[test]
    fn numbers_are_octal_or_binary() {
        check(b"0000644\0", Some(0o644));
        check(b"   644 \0", Some(0o644));
        check(b"644", Some(0o644));
        check(b"\0\0\0\0", Some(0));
        check(b"", Some(0));
        check(b"8", None);
        check(b"-1", None);
        check(b"12x", None);
        check(&[0x80, 0, 0, 1, 0], Some(256));
        check(&[0xff, 0xff, 0xff, 0xff], Some(-1));
        check(&[0xff; 12], Some(-1));
    }
}
