//! The files of a checkpoint: their names, and which of the possible ones hold the weights.

use std::collections::BTreeSet;

use super::{SourceError, gguf};

pub(super) const CONFIG: &str = "config.json";
pub(super) const GENERATION_CONFIG: &str = "generation_config.json";
pub(super) const TOKENIZER: &str = "tokenizer.json";
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
pub(super) const SPECIAL_TOKENS_MAP: &str = "special_tokens_map.json";
pub(super) const ADDED_TOKENS: &str = "added_tokens.json";
pub(super) const VOCAB: &str = "vocab.json";
pub(super) const MERGES: &str = "merges.txt";
pub(super) const TOKENIZER_MODEL: &str = "tokenizer.model";
pub(super) const TEKKEN: &str = "tekken.json";
pub(super) const CHAT_TEMPLATE: &str = "chat_template.jinja";
/// Where the processors of multimodal models kept the template before there was [`CHAT_TEMPLATE`].
pub(super) const CHAT_TEMPLATE_JSON: &str = "chat_template.json";
pub(super) const SINGLE: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";
/// Where there is no safetensors file.
pub(super) const TORCH: &str = "pytorch_model.bin";
/// How such files end.
pub(super) const TORCH_END: &str = ".bin";
pub(super) const TORCH_INDEX: &str = "pytorch_model.bin.index.json";

/// What an adapter of PEFT is: its config, and its tensors in one of two formats.
pub(super) const ADAPTER_CONFIG: &str = "adapter_config.json";
pub(super) const ADAPTER_WEIGHTS: [&str; 2] = ["adapter_model.safetensors", "adapter_model.bin"];

/// The files that a checkpoint may do without.
pub(super) const OPTIONAL: [&str; 7] = [
    GENERATION_CONFIG,
    TOKENIZER,
    TOKENIZER_CONFIG,
    SPECIAL_TOKENS_MAP,
    ADDED_TOKENS,
    CHAT_TEMPLATE,
    CHAT_TEMPLATE_JSON,
];

/// What a tokenizer can be made of where there is no [`TOKENIZER`].
pub(super) const INSTEAD_OF_TOKENIZER: [&str; 4] = [VOCAB, MERGES, TOKENIZER_MODEL, TEKKEN];

/// How the weights are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Weights {
    /// In a file of this name.
    Single(&'static str),
    /// In the files that an index of this name names.
    Sharded(&'static str),
    /// In these GGUF files, which need nothing else.
    Gguf(Vec<String>),
}

/// Finds the config and the weights among the names of the files that are there, as transformers does: safetensors before
/// pickles, one file before an index; without any of these, the only model in the GGUF format. `gguf` is the GGUF file that
/// is asked for, `place` is for the message.
pub(super) fn choose(
    names: &BTreeSet<String>,
    gguf: Option<&str>,
    place: &str,
) -> Result<Weights, SourceError> {
    let others = [SINGLE, INDEX, TORCH, TORCH_INDEX];
    if (gguf.is_some() || !others.iter().any(|file| names.contains(*file)))
        && let Some(files) = gguf::choose(names, gguf, place)?
    {
        return Ok(Weights::Gguf(files));
    }
    if !others.iter().any(|file| names.contains(*file)) && names.contains(ADAPTER_CONFIG) {
        return Err(SourceError::OnlyAdapter { place: place.to_owned() });
    }
    if !names.contains(CONFIG) {
        return Err(SourceError::NoConfig { place: place.to_owned(), hint: hint(names) });
    }
    let order = [
        (SINGLE, Weights::Single(SINGLE)),
        (INDEX, Weights::Sharded(INDEX)),
        (TORCH, Weights::Single(TORCH)),
        (TORCH_INDEX, Weights::Sharded(TORCH_INDEX)),
    ];
    if let Some((_, weights)) = order.into_iter().find(|(name, _)| names.contains(*name)) {
        return Ok(weights);
    }
    let is_pickle = |name: &&String| [".bin", ".pt", ".pth", ".ckpt"].iter().any(|end| name.ends_with(end));
    let pickles = || names.iter().filter(is_pickle).filter(|name| !NO_WEIGHTS.contains(&name.as_str()));
    match pickles().find(|name| name.starts_with("pytorch_model")).or_else(|| pickles().next()) {
        Some(file) => Err(SourceError::OnlyPickle { place: place.to_owned(), file: file.clone() }),
        None => Err(SourceError::NoWeights { place: place.to_owned(), hint: hint(names) }),
    }
}

/// Pickled files that a trainer leaves beside weights.
const NO_WEIGHTS: &[&str] = &["training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.pt"];

/// What a folder without the expected files probably is.
fn hint(names: &BTreeSet<String>) -> String {
    let ends = |end: &str| names.iter().find(|name| name.ends_with(end));
    if names.contains("snapshots") && names.contains("refs") {
        ": it is the hub cache's folder of a model: give the hub id, or one of the folders in snapshots/"
            .into()
    } else if names.contains(ADAPTER_CONFIG) {
        ": it holds an adapter (LoRA) beside weights without their config".into()
    } else if let Some(file) = ends(".h5").or_else(|| ends(".msgpack")) {
        format!(
            ": {file} holds weights for TensorFlow or Flax: load them with transformers (from_tf or from_flax) and save \
             them with save_pretrained, which writes safetensors"
        )
    } else if names.contains("params.json") {
        ": it is in the format of the model's authors: use the version converted for transformers".into()
    } else if let Some(file) = ends(".index.json").or_else(|| ends(".safetensors")) {
        format!(" (it has {file}, a name that transformers would not load either)")
    } else {
        String::new()
    }
}
