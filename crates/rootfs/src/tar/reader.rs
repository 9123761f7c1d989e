//! Entries of an archive, one after the other, from a stream.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStringExt;

use super::block::{Block, Flag};
use super::pax::{self, Record};
use super::sparse::{self, Described, More};
use super::{BLOCK, EntryKind, Error, Header, SparseMap};

/// No name or set of attributes needs more.
const MAX_EXTENDED: u64 = 1 << 20;

/// Extended headers that may precede one entry.
const MAX_EXTENDED_HEADERS: u32 = 16;

/// Hears everything in an archive that is not contents, so that the archive can be put together again.
pub trait Tap {
    /// These bytes come next, exactly so.
    fn raw(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// The contents of the file that was made at this path of the tree come next.
    fn file(&mut self, path: &std::path::Path, size: u64) -> io::Result<()>;
}

/// Hears nothing.
impl Tap for () {
    fn raw(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn file(&mut self, _: &std::path::Path, _: u64) -> io::Result<()> {
        Ok(())
    }
}

/// Reads an archive from a stream.
///
/// The contents of an entry are read from the reader itself, until it says that they end; what is not read of
/// them, the next entry passes over.
#[derive(Debug)]
pub struct Reader<R, T = ()> {
    source: R,
    tap: T,
    global: Vec<Record>,
    /// Contents of the current entry that have not been read.
    remaining: u64,
    /// What fills the last block of the contents.
    padding: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Entries,
    Ended,
}

/// What extended headers say about the entry that follows them.
#[derive(Debug, Default)]
struct Extended {
    records: Vec<Record>,
    path: Option<OsString>,
    link: Option<OsString>,
}

impl<R: Read> Reader<R> {
    /// Reads the archive that comes from `source`.
    pub fn new(source: R) -> Self {
        Self::with_tap(source, ())
    }
}

impl<R: Read, T: Tap> Reader<R, T> {
    /// As [`Reader::new`]; `tap` hears what is not contents.
    pub fn with_tap(source: R, tap: T) -> Self {
        Self {
            source,
            tap,
            global: Vec::new(),
            remaining: 0,
            padding: 0,
            state: State::Entries,
        }
    }

    /// What hears the archive.
    pub fn tap(&mut self) -> &mut T {
        &mut self.tap
    }

    /// The stream and what heard it.
    pub fn into_parts(self) -> (R, T) {
        (self.source, self.tap)
    }

    /// The next entry; none at the end of the archive, where the stream is read until it ends too.
    pub fn next_entry(&mut self) -> Result<Option<Header>, Error> {
        self.skip_contents()?;
        if self.state == State::Ended {
            return Ok(None);
        }
        let mut extended = Extended::default();
        for _ in 0..MAX_EXTENDED_HEADERS {
            let Some(bytes) = self.header_block()? else {
                self.state = State::Ended;
                return Ok(None);
            };
            let block = Block(&bytes);
            match block.flag()? {
                Flag::Entry(kind) => {
                    let header = block.header(kind)?;
                    return self.entry(header, None, &extended).map(Some);
                }
                Flag::OldSparse => {
                    let header = block.header(EntryKind::File)?;
                    let map = self.old_sparse_map(&block)?;
                    return self.entry(header, Some(map), &extended).map(Some);
                }
                Flag::Extended => {
                    let data = self.extended_data(block.size()?)?;
                    extended.records.extend(pax::parse(&data)?);
                }
                Flag::Global => {
                    let data = self.extended_data(block.size()?)?;
                    self.merge_global(pax::parse(&data)?)?;
                }
                Flag::LongName => extended.path = Some(self.long_name(block.size()?)?),
                Flag::LongLink => extended.link = Some(self.long_name(block.size()?)?),
                Flag::Volume => {
                    self.remaining = block.size()?;
                    self.padding = padding(self.remaining);
                    self.skip_contents()?;
                }
            }
        }
        Err(Error::Extended)
    }

    /// A block that begins an entry; none if the archive ends here.
    fn header_block(&mut self) -> Result<Option<[u8; BLOCK]>, Error> {
        let Some(block) = self.block_or_end()? else {
            return Ok(None);
        };
        if Block(&block).is_zero() {
            self.drain()?;
            return Ok(None);
        }
        if Block(&block).checksum_holds() {
            Ok(Some(block))
        } else {
            Err(Error::Checksum)
        }
    }

    /// Finishes the header of an entry with what preceded it, and gets ready for its contents.
    fn entry(
        &mut self,
        mut header: Header,
        map: Option<SparseMap>,
        extended: &Extended,
    ) -> Result<Header, Error> {
        if let Some(path) = &extended.path {
            header.path.clone_from(path);
        }
        if let Some(link) = &extended.link {
            header.link.clone_from(link);
        }
        pax::apply(&self.global, &mut header)?;
        pax::apply(&extended.records, &mut header)?;
        header.sparse = map;
        // A directory's name may end in a slash in an extended header too.
        if header.kind != EntryKind::File {
            header.size = 0;
        }
        self.remaining = header.size;
        self.padding = padding(header.size);
        if header.kind == EntryKind::File {
            match sparse::described(&extended.records)? {
                Some(Described::Here(map)) => header.sparse = Some(map),
                Some(Described::InContents(length)) => {
                    header.sparse = Some(self.map_in_contents(length)?);
                }
                None => {}
            }
            if let Some((_, name)) = extended
                .records
                .iter()
                .rev()
                .find(|(key, _)| key == b"GNU.sparse.name")
            {
                header.path = OsString::from_vec(name.clone());
            }
            header.size = self.remaining;
            if let Some(map) = &header.sparse {
                sparse::check(map, header.size)?;
            }
        }
        Ok(header)
    }

    fn merge_global(&mut self, records: Vec<Record>) -> Result<(), Error> {
        for (key, value) in records {
            self.global.retain(|(old, _)| *old != key);
            self.global.push((key, value));
        }
        let size: usize = self
            .global
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        if size as u64 > MAX_EXTENDED {
            return Err(Error::TooLong {
                length: size as u64,
            });
        }
        Ok(())
    }

    fn old_sparse_map(&mut self, block: &Block<'_>) -> Result<SparseMap, Error> {
        let (mut map, mut more) = sparse::from_header(block)?;
        while more == More::Yes {
            let bytes = self.block_or_end()?.ok_or(Error::CutOff)?;
            more = sparse::add_block(&mut map, &Block(&bytes))?;
        }
        Ok(map)
    }

    /// A map at the beginning of the contents: the count of parts, then offsets and lengths, a line each.
    fn map_in_contents(&mut self, length: u64) -> Result<SparseMap, Error> {
        let invalid = Error::Field {
            field: "map of holes",
        };
        let mut numbers = Vec::new();
        let mut wanted = 1;
        let mut digits = Vec::new();
        while numbers.len() < wanted {
            if self.remaining < BLOCK as u64 {
                return Err(invalid);
            }
            let block = self.block_or_end()?.ok_or(Error::CutOff)?;
            self.remaining -= BLOCK as u64;
            for byte in block {
                if byte != b'\n' {
                    digits.push(byte);
                    if digits.len() > 20 {
                        return Err(invalid);
                    }
                    continue;
                }
                let Some(number) = pax::decimal(&digits) else {
                    return Err(invalid);
                };
                digits.clear();
                numbers.push(number);
                if numbers.len() == 1 {
                    wanted = usize::try_from(number)
                        .ok()
                        .and_then(|count| count.checked_mul(2)?.checked_add(1))
                        .filter(|wanted| *wanted as u64 <= self.remaining + BLOCK as u64)
                        .ok_or(Error::Field {
                            field: "map of holes",
                        })?;
                }
                if numbers.len() == wanted {
                    break;
                }
            }
        }
        sparse::from_numbers(&numbers[1..], length)
    }

    fn long_name(&mut self, length: u64) -> Result<OsString, Error> {
        let mut data = self.extended_data(length)?;
        let end = data
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(data.len());
        data.truncate(end);
        Ok(OsString::from_vec(data))
    }

    /// The contents of an extended header.
    fn extended_data(&mut self, length: u64) -> Result<Vec<u8>, Error> {
        if length > MAX_EXTENDED {
            return Err(Error::TooLong { length });
        }
        let whole =
            usize::try_from(length + padding(length)).map_err(|_| Error::TooLong { length })?;
        let mut data = vec![0; whole];
        read_exact(&mut self.source, &mut data)?;
        self.tap.raw(&data).map_err(Error::Write)?;
        data.truncate(whole - usize::try_from(padding(length)).unwrap_or(0));
        Ok(data)
    }

    /// The next block; none if the stream ends before it.
    fn block_or_end(&mut self) -> Result<Option<[u8; BLOCK]>, Error> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.source.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(Error::CutOff),
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Read(error)),
            }
        }
        self.tap.raw(&block).map_err(Error::Write)?;
        Ok(Some(block))
    }

    fn skip_contents(&mut self) -> Result<(), Error> {
        let mut buffer = [0; 8 * BLOCK];
        loop {
            let left = self.remaining + self.padding;
            if left == 0 {
                return Ok(());
            }
            let part = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            read_exact(&mut self.source, &mut buffer[..part])?;
            self.tap.raw(&buffer[..part]).map_err(Error::Write)?;
            let part = part as u64;
            let of_contents = part.min(self.remaining);
            self.remaining -= of_contents;
            self.padding -= part - of_contents;
        }
    }

    /// Reads on to the end of the stream, after the archive's own end.
    fn drain(&mut self) -> Result<(), Error> {
        let mut buffer = vec![0; 16 * BLOCK];
        loop {
            match self.source.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => self.tap.raw(&buffer[..count]).map_err(Error::Write)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Read(error)),
            }
        }
    }
}

/// The contents of the current entry; the tap does not hear them.
impl<R: Read, T> Read for Reader<R, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most =
            usize::try_from(self.remaining).map_or(buffer.len(), |left| left.min(buffer.len()));
        if most == 0 {
            return Ok(0);
        }
        let count = self.source.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.remaining -= count as u64;
        Ok(count)
    }
}

fn read_exact(source: &mut impl Read, buffer: &mut [u8]) -> Result<(), Error> {
    source
        .read_exact(buffer)
        .map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => Error::CutOff,
            _ => Error::Read(error),
        })
}

/// What fills the last block of `size` bytes.
pub(super) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}
