//! The parts of a tokenizer that say how texts are treated, without its vocabulary.

use serde::Serialize;
use serde_json::Value;
use tokenizers::{ModelWrapper, Tokenizer};

/// The parts of a tokenizer as JSON, each as tokenizer.json has it. They are taken from the tokenizer and not from the
/// file, which is tens of megabytes long and is parsed once.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) normalizer: Value,
    pub(super) pre_tokenizer: Value,
    pub(super) post_processor: Value,
    pub(super) decoder: Value,
    /// Whether what has no token is spelled in bytes.
    pub(super) byte_fallback: bool,
}

impl Parts {
    /// Those of a tokenizer.
    ///
    /// # Errors
    /// When a part cannot be written as JSON; the reason.
    pub(super) fn of(inner: &Tokenizer) -> Result<Self, String> {
        Ok(Self {
            normalizer: value(inner.get_normalizer())?,
            pre_tokenizer: value(inner.get_pre_tokenizer())?,
            post_processor: value(inner.get_post_processor())?,
            decoder: value(inner.get_decoder())?,
            byte_fallback: match inner.get_model() {
                ModelWrapper::BPE(model) => model.byte_fallback,
                ModelWrapper::Unigram(model) => model.byte_fallback(),
                ModelWrapper::WordPiece(_) | ModelWrapper::WordLevel(_) => false,
            },
        })
    }
}

fn value(part: impl Serialize) -> Result<Value, String> {
    serde_json::to_value(part).map_err(|error| error.to_string())
}

/// A section, or what its sequences are made of, in order.
pub(super) fn leaves(section: &Value) -> Vec<&Value> {
    let inner = ["decoders", "pretokenizers", "normalizers", "processors"];
    match inner.iter().find_map(|key| section.get(key)?.as_array()) {
        Some(parts) => parts.iter().flat_map(leaves).collect(),
        None if section.is_null() => Vec::new(),
        None => vec![section],
    }
}
