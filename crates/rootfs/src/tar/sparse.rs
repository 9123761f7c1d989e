//! Sparse files, in the four ways GNU tar has written them.

use super::block::{Block, Field, number};
use super::pax::{Record, decimal};
use super::{Error, SparseMap};

/// Parts of a file: more than any sensible archive has, few enough to be held.
const MAX_PARTS: usize = 1 << 20;

const HEADER_PARTS: (usize, usize) = (386, 4);
const HEADER_MORE: usize = 482;
const HEADER_LENGTH: Field = (483, 12);
const BLOCK_PARTS: (usize, usize) = (0, 21);
const BLOCK_MORE: usize = 504;

const INVALID: Error = Error::Field {
    field: "map of holes",
};

/// Whether another block of parts follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    Yes,
    No,
}

/// How pax records describe a sparse file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Described {
    /// The map is in the records.
    Here(SparseMap),
    /// The map is the beginning of the contents; the file has this length.
    InContents(u64),
}

/// The beginning of the map in an old sparse header.
pub(super) fn from_header(block: &Block<'_>) -> Result<(SparseMap, More), Error> {
    let mut map = SparseMap {
        parts: Vec::new(),
        length: number(block.field(HEADER_LENGTH))
            .and_then(|length| u64::try_from(length).ok())
            .ok_or(INVALID)?,
    };
    add_parts(&mut map, block, HEADER_PARTS)?;
    Ok((map, more(block, HEADER_MORE)))
}

/// Goes on with the map in a block that follows an old sparse header.
pub(super) fn add_block(map: &mut SparseMap, block: &Block<'_>) -> Result<More, Error> {
    add_parts(map, block, BLOCK_PARTS)?;
    Ok(more(block, BLOCK_MORE))
}

/// What records say about holes, if anything.
pub(super) fn described(records: &[Record]) -> Result<Option<Described>, Error> {
    let get = |wanted: &str| {
        records
            .iter()
            .rev()
            .find(|(key, _)| key == wanted.as_bytes())
            .map(|(_, value)| value.as_slice())
    };
    let number = |text: &[u8]| decimal(text).ok_or(INVALID);
    let length = get("GNU.sparse.realsize").or_else(|| get("GNU.sparse.size"));
    if get("GNU.sparse.major") == Some(b"1") && get("GNU.sparse.minor") == Some(b"0") {
        let length = length.ok_or(INVALID).and_then(number)?;
        return Ok(Some(Described::InContents(length)));
    }
    let numbers: Vec<u64> = if let Some(map) = get("GNU.sparse.map") {
        map.split(|byte| *byte == b',')
            .filter(|text| !text.is_empty())
            .map(number)
            .collect::<Result<_, _>>()?
    } else {
        records
            .iter()
            .filter(|(key, _)| {
                matches!(
                    key.as_slice(),
                    b"GNU.sparse.offset" | b"GNU.sparse.numbytes"
                )
            })
            .map(|(_, value)| number(value))
            .collect::<Result<_, _>>()?
    };
    if numbers.is_empty() {
        return Ok(None);
    }
    let length = length.ok_or(INVALID).and_then(number)?;
    from_numbers(&numbers, length).map(|map| Some(Described::Here(map)))
}

/// A map of offsets and lengths in turn.
pub(super) fn from_numbers(numbers: &[u64], length: u64) -> Result<SparseMap, Error> {
    if !numbers.len().is_multiple_of(2) || numbers.len() / 2 > MAX_PARTS {
        return Err(INVALID);
    }
    let mut map = SparseMap {
        parts: Vec::with_capacity(numbers.len() / 2),
        length,
    };
    for pair in numbers.chunks_exact(2) {
        add(&mut map, pair[0], pair[1])?;
    }
    Ok(map)
}

/// Whether the parts take up just the contents that the archive has for them.
pub(super) fn check(map: &SparseMap, contents: u64) -> Result<(), Error> {
    let sum = map
        .parts
        .iter()
        .try_fold(0_u64, |sum, (_, length)| sum.checked_add(*length));
    if sum == Some(contents) {
        Ok(())
    } else {
        Err(INVALID)
    }
}

fn add_parts(
    map: &mut SparseMap,
    block: &Block<'_>,
    (start, count): (usize, usize),
) -> Result<(), Error> {
    for index in 0..count {
        let at = start + index * 24;
        let (offset, length) = (block.field((at, 12)), block.field((at + 12, 12)));
        if offset.first() == Some(&0) {
            break;
        }
        let value = |field: &[u8]| number(field).and_then(|value| u64::try_from(value).ok());
        match (value(offset), value(length)) {
            (Some(offset), Some(length)) => add(map, offset, length)?,
            _ => return Err(INVALID),
        }
    }
    Ok(())
}

fn add(map: &mut SparseMap, offset: u64, length: u64) -> Result<(), Error> {
    let end = map
        .parts
        .last()
        .map_or(0, |(offset, length)| offset.saturating_add(*length));
    let fits = offset >= end
        && offset
            .checked_add(length)
            .is_some_and(|end| end <= map.length);
    if !fits || map.parts.len() >= MAX_PARTS {
        return Err(INVALID);
    }
    map.parts.push((offset, length));
    Ok(())
}

fn more(block: &Block<'_>, at: usize) -> More {
    if block.0[at] == 0 {
        More::No
    } else {
        More::Yes
    }
}
