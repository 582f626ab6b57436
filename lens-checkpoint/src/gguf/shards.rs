//! The files of one model: one, or the parts that `gguf-split` makes of it.

use std::collections::HashSet;

use super::header::{Described, Header, HeaderError};

/// The files of a model, in order, with the beginning of each or all of it.
#[derive(Debug)]
pub(crate) struct Shards<'a>(Vec<(Header<'a>, &'a [u8])>);

impl<'a> Shards<'a> {
    /// Reads the headers of the files: of each its bytes, up to the end of its header at least, and its length.
    ///
    /// # Errors
    /// When a header is broken, or the files are not those of one model; with it, which file.
    pub(crate) fn read(files: &[(&'a [u8], u64)]) -> Result<Self, (usize, HeaderError)> {
        let mut shards = Vec::new();
        for (i, &(start, size)) in files.iter().enumerate() {
            let header = Header::read(start, size).map_err(|error| (i, error))?;
            check_split(&header, i, files.len()).map_err(|reason| (i, reason.into()))?;
            shards.push((header, start));
        }
        let shards = Self(shards);
        let mut names = HashSet::new();
        for (i, tensor) in shards.tensors() {
            if !names.insert(tensor.name) {
                return Err((i, format!("another file holds the tensor {} too", tensor.name).into()));
            }
        }
        Ok(shards)
    }

    /// The header of the first file, which has the metadata.
    ///
    /// # Panics
    /// When there is no file.
    pub(crate) fn first(&self) -> &Header<'a> {
        &self.0[0].0
    }

    /// All tensors, each with the number of its file.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (usize, &Described<'a>)> {
        let shards = self.0.iter().enumerate();
        shards.flat_map(|(i, (header, _))| header.tensors.iter().map(move |tensor| (i, tensor)))
    }

    /// A tensor by its name, with the number of its file.
    pub(crate) fn find(&self, name: &str) -> Option<(usize, &Described<'a>)> {
        self.tensors().find(|(_, tensor)| tensor.name == name)
    }

    /// What is at hand of a file's bytes.
    pub(crate) fn bytes(&self, shard: usize) -> &'a [u8] {
        self.0[shard].1
    }
}

/// The number of a part is the one that its name says, and all parts are there.
fn check_split(header: &Header<'_>, i: usize, n: usize) -> Result<(), String> {
    let (no, count) = (header.count("split.no")?, header.count("split.count")?);
    match (no, count) {
        (Some(no), _) if no != i as u64 => {
            Err(format!("it says that it is part {} of a model, not part {}", no.saturating_add(1), i + 1))
        }
        (_, Some(count)) if count.max(1) != n as u64 => {
            Err(format!("it says that the model has {count} parts, and there are {n}"))
        }
        (None, None) if n > 1 => Err("it does not say that it is a part of a model".to_owned()),
        _ => Ok(()),
    }
}
