//! The parts of a tokenizer.json that say how texts are treated, without its vocabulary.

use serde::Deserialize;
use serde_json::Value;

/// What is read of a tokenizer.json besides what the tokenizers crate makes of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parts {
    pub(super) normalizer: Value,
    pub(super) pre_tokenizer: Value,
    pub(super) decoder: Value,
    pub(super) added_tokens: Value,
    pub(super) model: ModelPart,
}

/// What is read of its model.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ModelPart {
    pub(super) byte_fallback: Value,
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
