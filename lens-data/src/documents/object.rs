//! The bytes of an object, some MiB at a time.

use std::{
    io::{self, BufRead, Read},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Buf as _, Bytes};
use object_store::path::Path;
use parquet::{
    errors::ParquetError,
    file::reader::{ChunkReader, Length},
};

use crate::store::remote::{Pin, Remote};

/// How much is asked for at once.
const PART: u64 = 8 << 20;

/// The same of Parquet, of which only some columns are read.
const BLOCK: u64 = 1 << 20;

/// How many blocks are kept: one for the pages, one for what stands around them, and the end of the file.
const BLOCKS: usize = 4;

/// An object from its beginning to its end.
pub(super) struct ObjectBytes {
    remote: Arc<Remote>,
    at: Path,
    pin: Pin,
    next: u64,
    part: Bytes,
}

impl ObjectBytes {
    pub(super) fn new(remote: Arc<Remote>, at: Path, pin: Pin) -> Self {
        Self { remote, at, pin, next: 0, part: Bytes::new() }
    }
}

impl BufRead for ObjectBytes {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.part.is_empty() && self.next < self.pin.size {
            let end = self.pin.size.min(self.next + PART);
            self.part = self.remote.part(&self.at, &self.pin, self.next..end).map_err(io::Error::other)?;
            self.next = end;
        }
        Ok(&self.part)
    }

    fn consume(&mut self, n: usize) {
        self.part.advance(n);
    }
}

impl Read for ObjectBytes {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let part = self.fill_buf()?;
        let n = part.len().min(into.len());
        into[..n].copy_from_slice(&part[..n]);
        self.consume(n);
        Ok(n)
    }
}

/// Any parts of an object.
#[derive(Clone)]
pub(super) struct ObjectParts {
    object: Arc<Object>,
}

struct Object {
    remote: Arc<Remote>,
    at: Path,
    pin: Pin,
    /// Those that were read last, with their numbers; the newest is the last.
    blocks: Mutex<Vec<(u64, Bytes)>>,
}

impl ObjectParts {
    pub(super) fn new(remote: Arc<Remote>, at: Path, pin: Pin) -> Self {
        let blocks = Mutex::new(Vec::with_capacity(BLOCKS));
        Self { object: Arc::new(Object { remote, at, pin, blocks }) }
    }
}

impl Object {
    /// The block with this number.
    fn block(&self, number: u64) -> io::Result<Bytes> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let block = match blocks.iter().position(|(known, _)| *known == number) {
            Some(at) => blocks.remove(at).1,
            None => {
                let start = number * BLOCK;
                let end = self.pin.size.min(start + BLOCK);
                let block = self.remote.part(&self.at, &self.pin, start..end).map_err(io::Error::other)?;
                if blocks.len() == BLOCKS {
                    blocks.remove(0);
                }
                block
            }
        };
        blocks.push((number, block.clone()));
        Ok(block)
    }
}

impl Length for ObjectParts {
    fn len(&self) -> u64 {
        self.object.pin.size
    }
}

impl ChunkReader for ObjectParts {
    type T = PartReader;

    fn get_read(&self, start: u64) -> Result<PartReader, ParquetError> {
        Ok(PartReader { object: self.object.clone(), next: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let size = self.len();
        let Some(end) = start.checked_add(length as u64).filter(|end| *end <= size) else {
            return Err(ParquetError::EOF(format!(
                "{length} bytes at {start} are asked for, and the file has {size}"
            )));
        };
        if length == 0 {
            return Ok(Bytes::new());
        }
        let failed = |error: io::Error| ParquetError::External(error.into());
        let first = start / BLOCK;
        if (end - 1) / BLOCK == first {
            let block = self.object.block(first).map_err(failed)?;
            let at = (start - first * BLOCK) as usize;
            return Ok(block.slice(at..at + length));
        }
        if length as u64 > BLOCK {
            let part = self.object.remote.part(&self.object.at, &self.object.pin, start..end);
            return part.map_err(|error| failed(io::Error::other(error)));
        }
        let mut bytes = vec![0; length];
        self.get_read(start)?.read_exact(&mut bytes).map_err(failed)?;
        Ok(bytes.into())
    }
}

/// An object from some place on.
pub(super) struct PartReader {
    object: Arc<Object>,
    next: u64,
}

impl Read for PartReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.next >= self.object.pin.size || into.is_empty() {
            return Ok(0);
        }
        let block = self.object.block(self.next / BLOCK)?;
        let rest = &block[(self.next % BLOCK) as usize..];
        let n = rest.len().min(into.len());
        into[..n].copy_from_slice(&rest[..n]);
        self.next += n as u64;
        Ok(n)
    }
}
