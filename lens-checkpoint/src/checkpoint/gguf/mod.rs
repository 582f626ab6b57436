//! GGUF files as checkpoints.
//!
//! A file's metadata becomes the config.json that it was made from ([`config`]), its tensors those of the same names in
//! transformers, with what llama.cpp's converter did to them undone ([`translate`](translate::translate)), and its
//! vocabulary a tokenizer.json ([`tokenizer`]). From there on it is a checkpoint like any other.

mod architecture;
mod config;
mod keys;
mod made;
mod names;
mod particulars;
mod rope;
mod tensor;
mod tokenizer;
mod translate;

use std::collections::BTreeSet;

use serde_json::Value;

use super::{CheckpointError, StoredDtype, StoredTensor, TensorIndex};
use crate::{
    gguf::{BlockType, Header, HeaderError, Shards},
    quantised::Quantisation,
    tokenizer::TokenizerError,
};
use translate::{Translation, translate};

/// A weight file: its name, its beginning (the header at least), and its length in bytes.
pub(super) type File<'f> = (String, &'f [u8], u64);

/// What a file says apart from its tensors.
#[derive(Debug)]
pub(super) struct Described {
    /// config.json, as its text.
    pub(super) config: Vec<u8>,
    /// What was assumed, as sentences.
    pub(super) notes: Vec<String>,
    /// tokenizer_config.json, as its text.
    pub(super) tokenizer_config: Vec<u8>,
    /// How weights are quantised, if any are.
    pub(super) quantisation: Option<Quantisation>,
}

/// Whether a weight file is a GGUF file, by its name.
pub(super) fn is_gguf(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case("gguf"))
}

/// Adds the tensors of a model's files to an index.
///
/// # Errors
/// When a header is broken, or the model is not understood.
pub(super) fn add(index: &mut TensorIndex, files: &[File<'_>]) -> Result<Described, CheckpointError> {
    let parts: Vec<(&[u8], u64)> = files.iter().map(|(_, start, size)| (*start, *size)).collect();
    let name = |i: usize| files.get(i).map_or_else(String::new, |(name, ..)| name.clone());
    let broken = |i: usize| move |reason: String| CheckpointError::Gguf { file: name(i), reason };
    if let Some(i) = parts.iter().position(|(start, _)| start.starts_with(b"version https://git-lfs")) {
        return Err(CheckpointError::LfsPointer { file: name(i) });
    }
    let shards = Shards::read(&parts).map_err(|(i, error)| match error {
        HeaderError::Broken(reason) => broken(i)(reason),
        HeaderError::CutOff => broken(i)("it ends in the middle of its header".to_owned()),
        HeaderError::Size { expected, actual } => {
            CheckpointError::WrongSize { file: name(i), expected, actual }
        }
    })?;
    let Translation { config, tensors, notes } = translate(&shards, &name(0)).map_err(broken(0))?;
    let tokenizer_config = tokenizer::tokenizer_config(shards.first()).map_err(broken(0))?;
    let mut by_file: Vec<Vec<(String, StoredTensor)>> = files.iter().map(|_| Vec::new()).collect();
    for tensor in tensors {
        let (file, name) = (tensor.shard, tensor.name.clone());
        by_file[file].push((name, stored(tensor)));
    }
    for (i, tensors) in by_file.into_iter().enumerate() {
        index.add_file(&name(i), |_| tensors)?;
    }
    let text = |value: &Value| value.to_string().into_bytes();
    Ok(Described {
        config: text(&config),
        notes,
        tokenizer_config: text(&tokenizer_config),
        quantisation: quantisation(&shards),
    })
}

impl TensorIndex {
    /// Adds the tensors of a model in one GGUF file: `start` is its beginning, at least up to the end of the header, and
    /// `file_size` its whole length. Returns the config.json that its metadata amounts to, as its text.
    ///
    /// # Errors
    /// When the header is broken or lies about the file, or the model is not understood.
    pub fn add_gguf(&mut self, file: &str, start: &[u8], file_size: u64) -> Result<Vec<u8>, CheckpointError> {
        add(self, &[(file.to_owned(), start, file_size)]).map(|described| described.config)
    }
}

/// How tensors are stored in blocks with a scale, if any are.
fn quantisation(shards: &Shards<'_>) -> Option<Quantisation> {
    let kinds = || shards.tensors().map(|(_, tensor)| tensor.kind).filter(|kind| !kind.is_plain());
    let (names, bits): (BTreeSet<BlockType>, BTreeSet<usize>) =
        (kinds().collect(), kinds().map(BlockType::bits).collect());
    let names: Vec<&str> = names.into_iter().map(BlockType::name).collect();
    (!names.is_empty()).then(|| Quantisation {
        method: format!("GGUF: {}", names.join(", ")),
        bits: bits.into_iter().collect(),
        tensors: kinds().count(),
    })
}

/// A tensor as the index has it: where it lies, or how it is made.
fn stored(tensor: tensor::Tensor) -> StoredTensor {
    let dtype = match tensor.kind {
        BlockType::F16 => StoredDtype::F16,
        BlockType::BF16 => StoredDtype::Bf16,
        // Values of blocks are products in single precision, as in every program that reads them.
        _ => StoredDtype::F32,
    };
    if tensor.is_as_stored() {
        let (shard, shape, range) = (tensor.shard, tensor.shape, tensor.range);
        return StoredTensor { shard, dtype: Ok(dtype), shape, range, made: None };
    }
    StoredTensor::of_made(tensor.into_made(), dtype)
}

/// A tokenizer.json as its text, and what was assumed about it.
type WithNotes = (Vec<u8>, Vec<String>);

/// tokenizer.json of a file, as its text, and what was assumed.
///
/// # Errors
/// When its tokenizer is not understood.
pub(super) fn tokenizer_json(file: &[u8]) -> Result<Option<WithNotes>, TokenizerError> {
    let broken = |reason: String| TokenizerError::SideFile { file: "the tokenizer of the GGUF file", reason };
    let header = Header::read(file, file.len() as u64).map_err(|error| match error {
        HeaderError::Broken(reason) => broken(reason),
        HeaderError::CutOff | HeaderError::Size { .. } => broken("it is shorter than it says".to_owned()),
    })?;
    let files = tokenizer::tokenizer_files(&header).map_err(broken)?;
    Ok(files.map(|files| (files.json, files.notes)))
}
