//! LoRA adapters, as PEFT saves them: a folder with adapter_config.json and the tensors beside it.
//!
//! An adapter is merged where weights are read: `W + s B A` stands in the index of the checkpoint in the place of `W`, and
//! is made when it is asked for, so that a decoder, views in host memory and scans see the same model. Every tensor of an
//! adapter is used, or the adapter is refused.

mod change;
mod config;
mod error;
mod inert;
mod keys;
mod merge;
mod pattern;
mod place;
mod product;
mod resolve;
mod stack;
mod tie;

use std::collections::BTreeMap;

use super::header::{StoredTensor, TensorIndex};
use config::LoraConfig;
use keys::Key;

pub use error::AdapterError;
pub(super) use resolve::merge;
pub(super) use tie::{untied_config, unties};

/// What is said of an adapter that was merged.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AdapterSummary {
    /// Its name: hub id, or folder.
    pub id: String,
    /// Commit of an adapter of the hub, where known.
    pub revision: Option<String>,
    /// The model that its config names as its base.
    pub base: Option<String>,
    /// Whether it is DoRA: with magnitudes of its own.
    pub dora: bool,
    /// The ranks of its products, each once, in ascending order.
    pub ranks: Vec<usize>,
    /// The factors of its products (alpha over rank, or over its square root), each once, in ascending order.
    pub scales: Vec<f64>,
    /// The last parts of the names of the modules that it changes, each once.
    pub targets: Vec<String>,
    /// Matrices of the model that a product is added to; each expert of a stack counts.
    pub matrices: usize,
    /// Tensors of the model that it replaces as a whole or in some rows.
    pub replaced: usize,
    /// Numbers in its file.
    pub parameters: usize,
}

/// An adapter whose file was opened.
#[derive(Debug)]
pub(super) struct Opened {
    /// Hub id, or folder.
    pub(super) id: String,
    pub(super) revision: Option<String>,
    /// adapter_config.json.
    pub(super) config: Vec<u8>,
    /// Its tensors, with the number that its file has among those of the checkpoint.
    pub(super) tensors: TensorIndex,
}

/// An adapter that was understood.
#[derive(Debug)]
pub(super) struct Adapter {
    id: String,
    revision: Option<String>,
    config: LoraConfig,
    /// Its tensors with their names taken apart, by their names.
    tensors: BTreeMap<String, (Key, StoredTensor)>,
}

impl Adapter {
    /// Understands an adapter.
    ///
    /// # Errors
    /// When its config says what is not merged here, or a name in its file is not known.
    pub(super) fn read(opened: &Opened, ignore_extra: bool) -> Result<Self, AdapterError> {
        let id = opened.id.clone();
        let config = LoraConfig::read(&id, &opened.config, ignore_extra)?;
        let mut tensors = BTreeMap::new();
        let mut names = std::collections::BTreeSet::new();
        for (name, tensor) in opened.tensors.iter() {
            let failed =
                |reason: String| AdapterError::Tensor { adapter: id.clone(), name: name.to_owned(), reason };
            let key =
                Key::of(name).ok_or_else(|| failed("has a name that is not known of LoRA".to_owned()))?;
            names.extend(key.adapter.clone());
            if let Err(dtype) = &tensor.dtype {
                return Err(failed(format!("is stored as {dtype}; f32, bf16 and f16 are read")));
            }
            tensors.insert(name.to_owned(), (key, tensor.clone()));
        }
        if names.len() > 1 {
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            return Err(AdapterError::Config {
                adapter: id,
                reason: format!("its file holds several adapters ({names}): save one of them by itself"),
            });
        }
        if tensors.is_empty() {
            return Err(AdapterError::Nothing { adapter: id, reason: "its file holds no tensor" });
        }
        Ok(Self { id, revision: opened.revision.clone(), config, tensors })
    }
}
