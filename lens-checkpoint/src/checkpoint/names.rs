//! Names of tensors as the model's own software writes them, where other software has added something to all of them.

use serde_json::Value;

use super::TensorIndex;
use crate::families::{is_tower, is_wrapper, text_name};

/// What software that wraps a model adds to the names of its tensors, before all of them.
const PREFIXES: [&str; 3] = ["base_model.model.", "module.", "_orig_mod."];

/// And what it adds wherever a module is wrapped.
const INFIXES: [&str; 3] = ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."];

/// The tensors under their usual names, and what was changed, as sentences.
pub(super) fn usual(
    config: &Value,
    mut tensors: TensorIndex,
    assume: Option<&str>,
) -> (TensorIndex, Vec<String>) {
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
    if is_wrapper(config, assume) {
        let (text, others) = text_alone(tensors);
        tensors = text;
        notes.extend(left_out(&others));
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

/// The tensors of the text model of a multimodal one, under the names that they would have without the rest, and the
/// others. Where the names of the text model have a beginning of their own, all that lack it are of other parts.
fn text_alone(tensors: TensorIndex) -> (TensorIndex, TensorIndex) {
    let set_apart = tensors.iter().any(|(name, _)| text_name(name).is_some());
    let (text, others) = tensors.split(|name| match set_apart {
        true => text_name(name).is_some() || name.starts_with("lm_head."),
        false => !is_tower(name),
    });
    match text.renamed(|name| text_name(name).unwrap_or_else(|| name.to_owned())) {
        Some(renamed) => (renamed, others),
        None => (text, others),
    }
}

/// What the reader should know of parts that are left out, each by the beginning of its names.
fn left_out(others: &TensorIndex) -> Option<String> {
    let part = |name: &str| {
        let n = if name.starts_with("model.") || name.starts_with("thinker.") { 2 } else { 1 };
        name.split('.').take(n).collect::<Vec<_>>().join(".")
    };
    let mut parts: Vec<String> = others.iter().map(|(name, _)| part(name)).collect();
    let n = parts.len();
    parts.dedup();
    let bytes: usize = others.iter().map(|(_, tensor)| tensor.range.len()).sum();
    (n > 0).then(|| {
        format!(
            "{n} {} ({:.1} MB) of other parts {} left out: {}",
            if n == 1 { "tensor" } else { "tensors" },
            bytes as f64 / 1e6,
            if n == 1 { "is" } else { "are" },
            parts.join(", ")
        )
    })
}
