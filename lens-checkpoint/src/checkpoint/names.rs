//! Names of tensors as the model's own software writes them, where other software has added something to all of them.

use serde_json::Value;

use super::TensorIndex;
use crate::families::{is_wrapper, text_name};

/// What software that wraps a model adds to the names of its tensors, before all of them.
const PREFIXES: [&str; 3] = ["base_model.model.", "module.", "_orig_mod."];

/// And what it adds wherever a module is wrapped.
const INFIXES: [&str; 3] = ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."];

/// The tensors under their usual names, and what was changed, as sentences.
pub(super) fn usual(config: &Value, mut tensors: TensorIndex) -> (TensorIndex, Vec<String>) {
    let mut notes = Vec::new();
    while let Some((prefix, renamed)) = without_prefix(&tensors) {
        notes.push(format!("all names of tensors begin with {prefix}, which is taken off"));
        tensors = renamed;
    }
    for infix in INFIXES {
        if tensors.iter().any(|(name, _)| name.contains(infix))
            && let Some(renamed) = tensors.renamed(|name| name.replace(infix, ""))
        {
            notes.push(format!("names of tensors have {infix} in them, which is taken out"));
            tensors = renamed;
        }
    }
    if is_wrapper(config)
        && let Some(renamed) = tensors.renamed(|name| text_name(name).unwrap_or_else(|| name.to_owned()))
    {
        tensors = renamed;
    }
    (tensors, notes)
}

/// The prefix that all names have and none needs, and the tensors without it.
fn without_prefix(tensors: &TensorIndex) -> Option<(&'static str, TensorIndex)> {
    let all = |prefix: &str| tensors.iter().all(|(name, _)| name.starts_with(prefix));
    let any = |prefix: &str| tensors.iter().any(|(name, _)| name.starts_with(prefix));
    tensors.iter().next()?;
    let doubled =
        || all("model.") && (any("model.model.") || any("model.transformer.") || any("model.gpt_neox."));
    let prefix = PREFIXES.into_iter().find(|prefix| all(prefix));
    let prefix = prefix.or_else(|| doubled().then_some("model."))?;
    let renamed = tensors.renamed(|name| name.strip_prefix(prefix).unwrap_or(name).to_owned())?;
    Some((prefix, renamed))
}
