//! The bytes of a weight file: mapped from disk, or part of the program.

use std::{fs::File, path::Path};

use memmap2::Mmap;

use super::CheckpointError;

/// Bytes that stay where they are for as long as this value lives.
#[derive(Debug)]
pub(crate) enum Bytes {
    Map(Mmap),
    Static(&'static [u8]),
}

impl Bytes {
    pub(super) fn map(path: &Path) -> Result<Self, CheckpointError> {
        let read = |source| CheckpointError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        // SAFETY: the map is private and read-only. Another process that truncates the file while we read it
        // would raise SIGBUS: that is the price of not copying, and it cannot corrupt memory.
        #[expect(unsafe_code, reason = "a memory map")]
        let map = unsafe { Mmap::map(&file) }.map_err(read)?;
        Ok(Self::Map(map))
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Map(map) => map,
            Self::Static(bytes) => bytes,
        }
    }
}

/// Bytes at an address that is a multiple of 64, as `include_bytes!` alone does not promise: weights that are
/// part of a program are used where they lie, like mapped ones.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Aligned<B: ?Sized>(pub B);
