//! Entries of an archive, one after the other, to a stream.

use std::io::{self, Read, Write};

use super::block::{encode, flag_of};
use super::pax;
use super::reader::padding;
use super::{BLOCK, EntryKind, Error, Header};

/// The name that stands in the headers of pax records; nobody reads it.
const RECORDS_NAME: &str = "pax";

/// Writes an archive to a stream.
#[derive(Debug)]
pub struct Writer<W> {
    target: W,
}

impl<W: Write> Writer<W> {
    /// Writes an archive to `target`.
    pub fn new(target: W) -> Self {
        Self { target }
    }

    /// Adds an entry that has no contents.
    pub fn append(&mut self, header: &Header) -> Result<(), Error> {
        self.append_data(header, io::empty())
    }

    /// Adds an entry with the contents that `data` gives. If they are shorter than the header says, zeros fill
    /// them up, and what is too much is not read: a file may change while it is being read.
    pub fn append_data(&mut self, header: &Header, data: impl Read) -> Result<(), Error> {
        self.write_header(header)?;
        if header.kind != EntryKind::File || header.size == 0 {
            return Ok(());
        }
        let mut data = data.take(header.size);
        let copied = copy_contents(&mut data, &mut self.target)?;
        let missing = header.size.saturating_sub(copied);
        self.zeros(missing + padding(header.size))
    }

    /// Adds an entry with the contents that `write` writes, which must be just as many bytes as the header says.
    pub fn append_written<E: From<Error>>(
        &mut self,
        header: &Header,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        self.write_header(header)?;
        let mut contents = Contents {
            target: &mut self.target,
            left: header.size,
        };
        write(&mut contents)?;
        if contents.left > 0 {
            let short = io::Error::new(io::ErrorKind::UnexpectedEof, "contents are too short");
            return Err(Error::Read(short).into());
        }
        Ok(self.zeros(padding(header.size))?)
    }

    /// Ends the archive and gives the stream back.
    pub fn finish(mut self) -> Result<W, Error> {
        self.zeros(2 * BLOCK as u64)?;
        self.target.flush().map_err(Error::Write)?;
        Ok(self.target)
    }

    fn write_header(&mut self, header: &Header) -> Result<(), Error> {
        let (block, unfit) = encode(header, flag_of(header.kind));
        let records = pax::records_for(header, &unfit);
        if !records.is_empty() {
            let data = pax::render(&records);
            let size = data.len() as u64;
            let about = Header::new(RECORDS_NAME, EntryKind::File, size);
            let (block, _) = encode(&about, b'x');
            self.target.write_all(&block).map_err(Error::Write)?;
            self.target.write_all(&data).map_err(Error::Write)?;
            self.zeros(padding(size))?;
        }
        self.target.write_all(&block).map_err(Error::Write)
    }

    fn zeros(&mut self, mut count: u64) -> Result<(), Error> {
        const ZEROS: [u8; 8 * BLOCK] = [0; 8 * BLOCK];
        while count > 0 {
            let part = usize::try_from(count).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
            self.target
                .write_all(&ZEROS[..part])
                .map_err(Error::Write)?;
            count -= part as u64;
        }
        Ok(())
    }
}

/// Takes no more than an entry's contents.
struct Contents<'writer, W> {
    target: &'writer mut W,
    left: u64,
}

impl<W: Write> Write for Contents<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "contents are too long",
            ));
        }
        let count = self.target.write(bytes)?;
        self.left -= count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

/// Copies with a buffer large enough that hashing, not calling, is what takes the time.
fn copy_contents(from: &mut impl Read, to: &mut impl Write) -> Result<u64, Error> {
    let mut buffer = vec![0; 64 * 1_024];
    let mut copied = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(count) => {
                to.write_all(&buffer[..count]).map_err(Error::Write)?;
                copied += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Read(error)),
        }
    }
}
