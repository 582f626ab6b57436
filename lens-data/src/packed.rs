//! Files packed with gzip or zstd: read by how they begin, written by how their names end.

use std::{
    io::{self, BufRead, BufReader, Cursor, Read, Write},
    path::Path,
};

use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};
use lens_core::ByteSize;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// gzip, RFC 1952.
    Gzip,
    /// Zstandard, RFC 8878.
    Zstd,
}

impl Packing {
    const ALL: [Self; 2] = [Self::Gzip, Self::Zstd];

    /// What the name of such a file ends in, without the dot.
    fn ending(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Zstd => "zst",
        }
    }

    /// The bytes that such a file begins with.
    fn magic(self) -> &'static [u8] {
        match self {
            Self::Gzip => &[0x1f, 0x8b],
            Self::Zstd => &[0x28, 0xb5, 0x2f, 0xfd],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// How a file of this name is packed, and its name without that ending.
    pub fn of(path: &Path) -> (Option<Self>, &Path) {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match Self::ALL.into_iter().find(|packing| packing.ending().eq_ignore_ascii_case(ending)) {
            Some(packing) => (Some(packing), Path::new(path.file_stem().unwrap_or_default())),
            None => (None, path),
        }
    }

    fn unpacker<'a>(self, packed: Box<dyn BufRead + 'a>) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(packed)?),
        })
    }
}

/// What `reader` holds: as it is, or unpacked as it is read if it begins as a packed file does.
pub fn unpacked<'a>(reader: impl BufRead + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let (packing, reader) = recognised(reader)?;
    let Some(packing) = packing else { return Ok(reader) };
    let unpacked = Told { inner: packing.unpacker(reader)?, packing };
    Ok(Box::new(BufReader::with_capacity(1 << 16, unpacked)))
}

/// The same for what is going to be kept in memory whole. A file that unpacks to more than `most` bytes is refused before
/// any of it is kept, whatever its own size is.
pub fn bounded<'a>(reader: impl BufRead + 'a, most: u64) -> io::Result<Box<dyn BufRead + 'a>> {
    let (packing, reader) = recognised(reader)?;
    let Some(packing) = packing else { return Ok(reader) };
    let mut packed = Vec::new();
    reader.take(most + 1).read_to_end(&mut packed)?;
    let (own, most_shown) = (packed.len() as u64, ByteSize(most));
    let invalid = |problem: String| Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    if own > most {
        return invalid(format!("it is larger than {most_shown}, the most that is read"));
    }
    let inner = packing.unpacker(Box::new(Cursor::new(&packed)))?;
    if io::copy(&mut Told { inner, packing }.take(most + 1), &mut io::sink())? > most {
        let name = packing.name();
        return invalid(format!(
            "its {own} bytes, packed with {name}, unpack to more than {most_shown}, the most that is read"
        ));
    }
    unpacked(Cursor::new(packed))
}

/// How a reader's bytes are packed, and the reader with all of them.
fn recognised<'a>(mut reader: impl BufRead + 'a) -> io::Result<(Option<Packing>, Box<dyn BufRead + 'a>)> {
    let mut start = Vec::new();
    let longest = Packing::ALL.iter().map(|packing| packing.magic().len()).max().unwrap_or_default();
    // A pipe may give them one by one.
    reader.by_ref().take(longest as u64).read_to_end(&mut start)?;
    let packing = Packing::ALL.into_iter().find(|packing| start.starts_with(packing.magic()));
    Ok((packing, Box::new(Cursor::new(start).chain(reader))))
}

/// Says of a packed file that cannot be unpacked what it is.
struct Told<R> {
    inner: R,
    packing: Packing,
}

impl<R: Read> Read for Told<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.inner.read(into).map_err(|error| {
            let name = self.packing.name();
            io::Error::new(error.kind(), format!("it is packed with {name} and cannot be unpacked: {error}"))
        })
    }
}

/// A writer that packs, or does not.
pub enum Packer<W: Write> {
    /// As it comes.
    Plain(W),
    /// As gzip.
    Gzip(GzEncoder<W>),
    /// As Zstandard.
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Packer<W> {
    /// Packs into `out`; without a packing, what comes is handed on.
    ///
    /// # Errors
    /// When the packer cannot be set up.
    pub fn new(packing: Option<Packing>, out: W) -> io::Result<Self> {
        Ok(match packing {
            None => Self::Plain(out),
            Some(Packing::Gzip) => Self::Gzip(GzEncoder::new(out, Compression::default())),
            Some(Packing::Zstd) => {
                let mut out = zstd::stream::write::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                out.include_checksum(true)?;
                Self::Zstd(out)
            }
        })
    }

    /// Writes what ends a packed file, and returns what it was written to.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Self::Plain(out) => Ok(out),
            Self::Gzip(out) => out.finish(),
            Self::Zstd(out) => out.finish(),
        }
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Gzip(out) => out.write(bytes),
            Self::Zstd(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Gzip(out) => out.flush(),
            Self::Zstd(out) => out.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(packing: Option<Packing>, bytes: &[u8]) -> Vec<u8> {
        let mut out = Packer::new(packing, Vec::new()).unwrap();
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn text(reader: io::Result<Box<dyn BufRead + '_>>) -> io::Result<String> {
        let mut text = String::new();
        reader?.read_to_string(&mut text).map(|_| text)
    }

    #[test]
    fn what_was_packed_is_read_back_by_its_first_bytes() {
        for packing in [None, Some(Packing::Gzip), Some(Packing::Zstd)] {
            for say in ["", "{", "{\"a\": 1}\n"] {
                let bytes = packed(packing, say.as_bytes());
                // Byte by byte, as a pipe may give it.
                let slow = BufReader::with_capacity(1, &bytes[..]);
                assert_eq!(text(unpacked(slow)).unwrap(), say, "{packing:?}");
                assert_eq!(text(bounded(&bytes[..], 1 << 10)).unwrap(), say, "{packing:?}");
            }
        }
        // Packed files one after another are one, as with gzip and zstd themselves.
        for packing in Packing::ALL {
            let both = [packed(Some(packing), &[b'a'; 100]), packed(Some(packing), &[b'b'; 100])].concat();
            assert_eq!(text(bounded(&both[..], 200)).unwrap(), "a".repeat(100) + &"b".repeat(100));
            assert!(bounded(&both[..], 199).is_err());
            // Larger than allowed as it is.
            assert!(bounded(&both[..], 8).err().unwrap().to_string().contains("larger"));
        }
    }

    #[test]
    fn a_bomb_is_refused_with_its_size_before_it_is_kept() {
        for packing in Packing::ALL {
            let bomb = packed(Some(packing), &vec![b' '; 4 << 20]);
            assert!(bomb.len() < 8 << 10);
            let error = bounded(&bomb[..], 1 << 20).err().unwrap().to_string();
            assert!(error.contains(&format!("its {} bytes, packed with", bomb.len())), "{error}");
            assert!(error.contains("more than 1.05 MB"), "{error}");
        }
    }

    #[test]
    fn a_damaged_file_is_an_error_that_says_how_it_is_packed() {
        for packing in Packing::ALL {
            let bytes = packed(Some(packing), b"{\"a\": [1, 2, 3, 4, 5, 6, 7, 8, 9]}");
            let error = text(unpacked(&bytes[..bytes.len() - 3])).unwrap_err().to_string();
            assert!(error.contains(packing.name()), "{error}");
            assert!(bounded(&bytes[..bytes.len() - 3], 1 << 10).is_err());
        }
    }

    #[test]
    fn names_say_how_a_file_is_packed() {
        assert_eq!(Packing::of(Path::new("a/x.json.gz")), (Some(Packing::Gzip), Path::new("x.json")));
        assert_eq!(Packing::of(Path::new("x.JSONL.ZST")), (Some(Packing::Zstd), Path::new("x.JSONL")));
        assert_eq!(Packing::of(Path::new("x.json")), (None, Path::new("x.json")));
    }
}
