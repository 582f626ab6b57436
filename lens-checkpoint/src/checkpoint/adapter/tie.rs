//! Adapters and an unembedding that is the embedding.
//!
//! While an adapter is attached, PEFT leaves what is tied alone: an adapter at the embedding does not change the
//! unembedding, nor the other way round. So that the merged model computes the same, the two are read apart. (PEFT's own
//! merge writes into the one tensor that both are, and warns.)

use serde_json::Value;

use super::{
    Adapter,
    keys::Role,
    place::{Model, is_head},
};
use crate::spec::DecoderSpec;

/// Whether adapters make two tensors of an embedding and an unembedding that are one in the model.
pub(in crate::checkpoint) fn unties(
    adapters: &[Adapter],
    spec: &DecoderSpec,
    tensors: &super::TensorIndex,
    is_wrapper: bool,
) -> bool {
    let model = Model::new(spec, tensors, is_wrapper);
    let embed = spec.embed.tokens.name.as_str();
    spec.is_tied()
        && adapters.iter().any(|adapter| {
            let module = |key: &super::Key| match key.role {
                Role::Whole => key.module.strip_suffix(".weight").map(str::to_owned),
                _ => Some(key.module.clone()),
            };
            let changes = |of_head: bool| {
                adapter.tensors.values().any(|(key, _)| {
                    let Some(module) = module(key) else { return false };
                    let is_it = match of_head {
                        true => is_head(&module),
                        false => {
                            !is_head(&module)
                                && model.tensor(&format!("{module}.weight")).as_deref() == Some(embed)
                        }
                    };
                    // Trained rows of an embedding are those of the unembedding, and a wrapped weight is the one that is
                    // wrapped.
                    let counts = match key.role {
                        Role::Tokens => of_head,
                        Role::Whole => key.depth == 0,
                        _ => true,
                    };
                    is_it && counts
                })
            };
            changes(true) || (changes(false) && !adapter.config.keeps_tie)
        })
}

/// A config that does not tie the unembedding to the embedding.
pub(in crate::checkpoint) fn untied_config(config: &Value) -> Value {
    let mut config = config.clone();
    untie(&mut config, true);
    config
}

/// Models within models have the key as well.
fn untie(config: &mut Value, is_top: bool) {
    let Some(keys) = config.as_object_mut() else { return };
    let is_model = is_top || keys.contains_key("vocab_size") || keys.contains_key("tie_word_embeddings");
    for key in ["tie_embedding", "tie_word_embeddings"] {
        if keys.contains_key(key) || (is_model && key == "tie_word_embeddings") {
            keys.insert(key.to_owned(), Value::Bool(false));
        }
    }
    keys.iter_mut().filter(|(key, _)| key.ends_with("_config")).for_each(|(_, inner)| untie(inner, false));
}
