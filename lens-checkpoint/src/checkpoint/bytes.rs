//! The bytes of a weight file: mapped from disk, read into memory, or part of the program.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use lens_core::ByteSize;
use memmap2::{Mmap, MmapMut};

use super::{
    CheckpointError,
    mapped::{self, Watched},
};
use crate::source::files::check_regular;

/// How weight files come into memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Io {
    /// Mapped, except from a network file system, whose files may change or go away while they are mapped: from
    /// there they are read, if they fit into memory.
    #[default]
    Auto,
    /// Mapped into memory: nothing is copied, and nothing is read before it is needed.
    Map,
    /// Read whole, once: what happens to the files afterwards changes nothing.
    Read,
}

/// Bytes that stay where they are for as long as this value lives.
#[derive(Debug)]
pub(crate) enum Bytes {
    Map {
        map: Mmap,
        /// The file, as it was when it was mapped.
        _file: Watched,
    },
    /// Memory of its own, aligned as a map is.
    Memory(Mmap),
    Static(&'static [u8]),
}

impl Bytes {
    /// Opens a weight file; `io` is not [`Io::Auto`] any more.
    pub(super) fn open(path: &Path, io: Io) -> Result<Self, CheckpointError> {
        let failed = |source| CheckpointError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        if io == Io::Read { Self::read(file) } else { Self::map(path, &file) }.map_err(failed)
    }

    /// Opens a file that is no part of a checkpoint, as [`Io::Auto`] would; with it, a note where that is unusual.
    pub(crate) fn of_file(path: &Path) -> Result<(Self, Option<String>), CheckpointError> {
        check_regular(path).map_err(|source| CheckpointError::Read { path: path.to_owned(), source })?;
        let (io, note) = choose(&[path], Io::Auto);
        Ok((Self::open(path, io)?, note))
    }

    fn map(path: &Path, file: &File) -> io::Result<Self> {
        let watched = Watched::new(path, &file.metadata()?);
        // SAFETY: the map is private and read-only. Another process that truncates the file while we read it
        // raises SIGBUS, which cannot corrupt memory; see `mapped` for what a program can say then.
        #[expect(unsafe_code, reason = "a memory map")]
        let map = unsafe { Mmap::map(file) }?;
        same_length(file, map.len())?;
        Ok(Self::Map { map, _file: watched })
    }

    fn read(mut file: File) -> io::Result<Self> {
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let mut memory = MmapMut::map_anon(length).map_err(|error| {
            io::Error::new(error.kind(), format!("no memory for its {}: {error}", ByteSize(length as u64)))
        })?;
        match file.read_exact(&mut memory) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(shorter()),
            result => result?,
        }
        same_length(&file, length)?;
        memory.make_read_only().map(Self::Memory)
    }

    /// Bytes that are at hand already, copied to where they are aligned as a map is.
    pub(super) fn copied(bytes: &[u8]) -> io::Result<Self> {
        let mut memory = MmapMut::map_anon(bytes.len())?;
        memory.copy_from_slice(bytes);
        memory.make_read_only().map(Self::Memory)
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Map { map, .. } | Self::Memory(map) => map,
            Self::Static(bytes) => bytes,
        }
    }
}

/// A download or a copy may still be under way.
fn same_length(file: &File, length: usize) -> io::Result<()> {
    match file.metadata()?.len().cmp(&(length as u64)) {
        std::cmp::Ordering::Less => Err(shorter()),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(io::Error::other("it is still being written: it grew meanwhile")),
    }
}

fn shorter() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was being opened")
}

/// What [`Io::Auto`] means for these files, and a sentence about it where it is not the usual choice.
pub(super) fn choose(paths: &[impl AsRef<Path>], io: Io) -> (Io, Option<String>) {
    if io != Io::Auto {
        return (io, None);
    }
    let Some(system) = paths.iter().find_map(|path| mapped::network_file_system(path.as_ref())) else {
        return (Io::Map, None);
    };
    let size: u64 = paths.iter().filter_map(|path| Some(path.as_ref().metadata().ok()?.len())).sum();
    if crate::memory::available().is_none_or(|available| size <= available) {
        let note = format!(
            "the weights lie on a network file system ({system}): they are read into memory, not mapped, unless \
             mapping is asked for"
        );
        return (Io::Read, Some(note));
    }
    let note = format!(
        "the weights lie on a network file system ({system}) and are larger than the memory that is free: they are \
         mapped, and must not change while they are in use"
    );
    (Io::Map, Some(note))
}

/// Bytes at an address that is a multiple of 64, as `include_bytes!` alone does not promise: weights that are
/// part of a program are used where they lie, like mapped ones.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Aligned<B: ?Sized>(pub B);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_is_mapped_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        for content in [&b""[..], b"some weights"] {
            std::fs::write(&path, content).unwrap();
            let (map, read) = (Bytes::open(&path, Io::Map).unwrap(), Bytes::open(&path, Io::Read).unwrap());
            assert_eq!((map.as_slice(), read.as_slice()), (content, content));
            drop(map);
            std::fs::write(&path, b"").unwrap();
            assert_eq!(read.as_slice(), content);
        }
    }

    #[test]
    fn a_file_of_another_length_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        std::fs::write(&path, b"1234").unwrap();
        let file = File::open(&path).unwrap();
        assert!(same_length(&file, 4).is_ok());
        assert!(same_length(&file, 5).unwrap_err().to_string().contains("shorter"));
        assert!(same_length(&file, 3).unwrap_err().to_string().contains("grew"));
    }
}
