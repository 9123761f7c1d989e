//! Compressed streams, told apart by how they begin.

use std::io::{self, BufRead, BufReader, Read};

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Plain,
    Gzip,
    Zstd,
}

/// How much is read at once.
const BUFFER: usize = 128 * 1024;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// A zstd frame that holds no data, with which some compressors begin; the first byte's lower half varies.
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];
const BZIP2: &[u8] = b"BZh";
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];

/// How a stream that begins like this is compressed.
pub(crate) fn detect(beginning: &[u8]) -> io::Result<Compression> {
    let skippable = beginning.first().is_some_and(|byte| byte & 0xf0 == 0x50)
        && beginning[1..].starts_with(ZSTD_SKIPPABLE);
    if beginning.starts_with(GZIP) {
        Ok(Compression::Gzip)
    } else if beginning.starts_with(ZSTD) || skippable {
        Ok(Compression::Zstd)
    } else if beginning.starts_with(BZIP2) || beginning.starts_with(XZ) {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "compressed by bzip2 or xz: only gzip and zstd are known",
        ))
    } else {
        Ok(Compression::Plain)
    }
}

/// The uncompressed stream of one that may be compressed.
pub(crate) fn decompress<'stream>(
    source: impl Read + Send + 'stream,
) -> io::Result<(Compression, Box<dyn Read + Send + 'stream>)> {
    let mut source = BufReader::with_capacity(BUFFER, source);
    let mut beginning = Vec::with_capacity(8);
    // A stream may give less than asked for; what it gave is looked at without being taken.
    source.by_ref().take(8).read_to_end(&mut beginning)?;
    let compression = detect(&beginning)?;
    let source = io::Cursor::new(beginning).chain(source);
    Ok((
        compression,
        match compression {
            Compression::Plain => Box::new(source),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
            Compression::Zstd => zstd_reader(source)?,
        },
    ))
}

fn zstd_reader<'stream>(
    source: impl BufRead + Send + 'stream,
) -> io::Result<Box<dyn Read + Send + 'stream>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?;
    // What `zstd --ultra` needs; a stream that asks for more would only eat memory.
    decoder.window_log_max(27)?;
    Ok(Box::new(decoder))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::{Compression, decompress};

    #[track_caller]
    fn check(compressed: &[u8], expect: Compression, data: &[u8]) {
        let (compression, mut stream) = decompress(compressed).unwrap();
        assert_eq!(compression, expect);
        let mut read = Vec::new();
        stream.read_to_end(&mut read).unwrap();
        assert_eq!(read, data);
    }

    #[test]
    fn streams_are_told_apart_by_their_beginning() {
        let data = b"hello, hello, hello".repeat(1_000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&data).unwrap();
        let gzip = gzip.finish().unwrap();
        check(&gzip, Compression::Gzip, &data);
        check(
            &[gzip.clone(), gzip].concat(),
            Compression::Gzip,
            &data.repeat(2),
        );
        let zstd = zstd::encode_all(data.as_slice(), 1).unwrap();
        check(&zstd, Compression::Zstd, &data);
        check(&data, Compression::Plain, &data);
        check(b"", Compression::Plain, b"");
        check(b"x", Compression::Plain, b"x");
        assert!(decompress(b"BZh91AY".as_slice()).is_err());
    }
}
