//! How a layer's archive is put together again from the layer's directory.
//!
//! Of an archive that came from elsewhere, everything that is not the contents of a file is kept, compressed: the
//! headers with all their peculiarities, the padding, the end. The contents are in the layer's directory, which
//! nobody changes; a digest over the whole tells if somebody has. So a layer lies on disk once, yet its archive
//! can be had again byte by byte.
//!
//! ```text
//! recipe: record…, compressed by zstd
//! record: 0, length, bytes            these bytes
//!         1, length, path, length     this many bytes of the file at this path
//! ```
//!
//! Lengths have seven bits in each byte, the lowest first, and the eighth bit says whether more follow.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rootfs::Root;
use rootfs::tar::Tap;

const BYTES: u8 = 0;
const CONTENTS: u8 = 1;

/// Bytes that are gathered into one record.
const GATHERED: usize = 64 * 1024;

/// No path is longer.
const MAX_PATH: u64 = 64 * 1024;

/// Headers are mostly alike: more effort gains little.
const LEVEL: i32 = 3;

/// Writes a recipe while an archive is extracted.
pub(crate) struct Writer {
    target: zstd::stream::write::Encoder<'static, BufWriter<File>>,
    gathered: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(file: File) -> io::Result<Self> {
        Ok(Self {
            target: zstd::stream::write::Encoder::new(BufWriter::new(file), LEVEL)?,
            gathered: Vec::with_capacity(GATHERED),
        })
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.put_gathered()?;
        self.target.finish()?.flush()
    }

    fn put_gathered(&mut self) -> io::Result<()> {
        if !self.gathered.is_empty() {
            self.target.write_all(&[BYTES])?;
            put_length(&mut self.target, self.gathered.len() as u64)?;
            self.target.write_all(&self.gathered)?;
            self.gathered.clear();
        }
        Ok(())
    }
}

impl Tap for Writer {
    fn raw(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = GATHERED - self.gathered.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.gathered.extend_from_slice(now);
            bytes = later;
            if self.gathered.len() == GATHERED {
                self.put_gathered()?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, size: u64) -> io::Result<()> {
        self.put_gathered()?;
        let path = path.as_os_str().as_bytes();
        self.target.write_all(&[CONTENTS])?;
        put_length(&mut self.target, path.len() as u64)?;
        self.target.write_all(path)?;
        put_length(&mut self.target, size)
    }
}

/// Writes the archive that `recipe` describes, with contents from beneath `root`. A file that is not there or
/// shorter than it was is an error; whether the bytes are still the same, only a digest can say.
pub(crate) fn follow(recipe: File, root: &Root, target: &mut impl Write) -> io::Result<()> {
    let mut recipe = BufReader::new(zstd::stream::read::Decoder::new(recipe)?);
    let mut buffer = vec![0; 2 * GATHERED];
    loop {
        let mut kind = [0];
        if recipe.read(&mut kind)? == 0 {
            return Ok(());
        }
        let length = take_length(&mut recipe)?;
        match kind[0] {
            BYTES => copy_exactly(&mut recipe, length, target, &mut buffer)?,
            CONTENTS if length <= MAX_PATH => {
                let mut path = Vec::new();
                recipe.by_ref().take(length).read_to_end(&mut path)?;
                let size = take_length(&mut recipe)?;
                let mut file = root
                    .open_file(OsStr::from_bytes(&path))
                    .map_err(io::Error::other)?;
                copy_exactly(&mut file, size, target, &mut buffer)?;
            }
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "no such record")),
        }
    }
}

fn copy_exactly(
    from: &mut impl Read,
    mut length: u64,
    to: &mut impl Write,
    buffer: &mut [u8],
) -> io::Result<()> {
    while length > 0 {
        let most = usize::try_from(length).map_or(buffer.len(), |left| left.min(buffer.len()));
        match from.read(&mut buffer[..most]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                to.write_all(&buffer[..count])?;
                length -= count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn put_length(target: &mut impl Write, mut length: u64) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(10);
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or_default();
        length >>= 7;
        if length == 0 {
            bytes.push(low);
            return target.write_all(&bytes);
        }
        bytes.push(low | 0x80);
    }
}

fn take_length(source: &mut impl Read) -> io::Result<u64> {
    let mut length = 0;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        source.read_exact(&mut byte)?;
        length |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            return Ok(length);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "a length that does not end",
    ))
}

#[cfg(test)]
mod tests {
    use super::{put_length, take_length};

    #[test]
    fn lengths_are_one_to_one_with_their_bytes() {
        for length in [0, 1, 127, 128, 300, 1 << 32, u64::MAX] {
            let mut bytes = Vec::new();
            put_length(&mut bytes, length).unwrap();
            assert_eq!(take_length(&mut bytes.as_slice()).unwrap(), length);
        }
        assert!(take_length(&mut [0xff_u8; 20].as_slice()).is_err());
    }
}
