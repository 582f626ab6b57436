//! From a GGUF file to a checkpoint as transformers has it.

use serde_json::Value as Json;

use super::{
    architecture::{Architecture, Naming},
    config,
    names::{ExpertNames, layer},
    tensor::{Order, Tensor},
};
use crate::gguf::{BlockType, Described, Shards};
use crate::limits::gguf::MOST_EXPERTS;

/// Small tensors that are a part of the config.
const FACTORS: [&str; 3] = ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"];

/// A file in the words of transformers.
#[derive(Debug)]
pub(super) struct Translation {
    /// The config.json that its metadata means.
    pub(super) config: Json,
    /// Its tensors under their names there. What has no name there keeps its own.
    pub(super) tensors: Vec<Tensor>,
    /// What was assumed, as sentences.
    pub(super) notes: Vec<String>,
}

/// Reads the files of a model as the checkpoint that they were made from.
///
/// # Errors
/// When their architecture is not read here, or they contradict each other; the reason.
pub(super) fn translate(shards: &Shards<'_>, file: &str) -> Result<Translation, String> {
    let header = shards.first();
    let name = header.text("general.architecture")?;
    let name = name.ok_or("its metadata has no general.architecture")?;
    if let Some(kind) = header.text("general.type")?.filter(|kind| *kind != "model") {
        return Err(format!("it holds no model: its general.type is {:?}", crate::config::cut(kind)));
    }
    let architecture = Architecture::of(name)?;
    let mut notes = Vec::new();
    let config = config::config(shards, &architecture, &mut notes)?;
    let mut tensors = Vec::new();
    for (shard, tensor) in shards.tensors() {
        if !FACTORS.contains(&tensor.name) {
            parts(shard, tensor, &architecture, &config, &mut tensors)?;
        }
    }
    notes.insert(0, summary(shards, file, &architecture, &config));
    Ok(Translation { config, tensors, notes })
}

/// What was read, and how much of it is quantised.
fn summary(shards: &Shards<'_>, file: &str, architecture: &Architecture, config: &Json) -> String {
    let mut kinds: Vec<(usize, BlockType)> = Vec::new();
    for (_, tensor) in shards.tensors() {
        match kinds.iter_mut().find(|(_, kind)| *kind == tensor.kind) {
            Some((n, _)) => *n += 1,
            None => kinds.push((1, tensor.kind)),
        }
    }
    kinds.sort_unstable_by(|a, b| b.cmp(a));
    let kinds: Vec<_> = kinds.iter().map(|(n, kind)| format!("{n} {kind}")).collect();
    let named = config::model_name(shards.first()).map_or_else(String::new, |name| format!(" ({name})"));
    let family = config["model_type"].as_str().unwrap_or(architecture.model_type);
    format!(
        "the model is read from the GGUF file {file}{named}: architecture {}, read as {family}; tensors by type: {}. Its config is \
         made of the file's metadata",
        architecture.name,
        kinds.join(", ")
    )
}

/// The tensors of transformers that one of the file holds.
fn parts(
    shard: usize,
    tensor: &Described<'_>,
    architecture: &Architecture,
    config: &Json,
    out: &mut Vec<Tensor>,
) -> Result<(), String> {
    if tensor.range.is_empty() {
        return Err(format!("the tensor {} has no values: its shape is {:?}", tensor.name, tensor.shape));
    }
    let whole = |name: String, shape: Vec<usize>, order: Order| Tensor {
        name,
        stored_as: tensor.name.to_owned(),
        shard,
        shape,
        kind: tensor.kind,
        range: tensor.range.clone(),
        order,
    };
    let stem = tensor.name.strip_suffix(".weight").unwrap_or(tensor.name);
    let experts = ExpertNames::of(config["model_type"].as_str().unwrap_or_default());
    if let Some((i, part)) = layer(stem) {
        if part == "ffn_gate_inp" {
            out.push(whole(experts.router(i), tensor.shape.clone(), Order::AsStored));
            return Ok(());
        }
        if let [n, shape @ ..] = tensor.shape.as_slice()
            && experts.projection(i, part, 0).is_some()
        {
            if *n > MOST_EXPERTS {
                return Err(format!(
                    "the tensor {} holds {n} experts, {MOST_EXPERTS} are plausible",
                    tensor.name
                ));
            }
            let bytes = tensor.range.len() / n;
            out.extend((0..*n).filter_map(|e| {
                let start = tensor.range.start + e * bytes;
                let name = experts.projection(i, part, e)?;
                Some(Tensor { range: start..start + bytes, ..whole(name, shape.to_vec(), Order::AsStored) })
            }));
            return Ok(());
        }
    }
    let Some(name) = architecture.naming.name(tensor.name) else {
        out.push(whole(tensor.name.to_owned(), tensor.shape.clone(), Order::AsStored));
        return Ok(());
    };
    let mut shape = tensor.shape.clone();
    let order = order(tensor, architecture, config)?;
    if order == Order::Transposed {
        shape.reverse();
    }
    if tensor.name.ends_with("ffn_gate_inp_shexp.weight") && shape.len() == 1 {
        shape.insert(0, 1);
    }
    out.push(whole(name, shape, order));
    Ok(())
}

/// What the converter did to a tensor.
fn order(tensor: &Described<'_>, architecture: &Architecture, config: &Json) -> Result<Order, String> {
    let part = layer(tensor.name).map_or(tensor.name, |(_, part)| part);
    let heads = match part {
        "attn_q.weight" | "attn_q.bias" => Some("num_attention_heads"),
        "attn_k.weight" | "attn_k.bias" => Some("num_key_value_heads"),
        _ => None,
    };
    if let Some(heads) = heads.filter(|_| architecture.permuted) {
        let heads = config[heads].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let rows = tensor.shape.first().copied().unwrap_or(0);
        return match heads > 0 && rows.is_multiple_of(2 * heads) {
            true => Ok(Order::Interleaved { heads }),
            false => {
                Err(format!("the tensor {} has {rows} rows, which {heads} heads cannot share", tensor.name))
            }
        };
    }
    let is_matrix = tensor.shape.len() == 2;
    Ok(match architecture.naming {
        _ if architecture.norms_plus_one && part.ends_with("norm.weight") => Order::MinusOne,
        Naming::Gpt2 if is_matrix && layer(tensor.name).is_some() => Order::Transposed,
        _ => Order::AsStored,
    })
}
