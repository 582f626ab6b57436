//! The config.json that a GGUF file's metadata means.

use serde_json::{Map, Value as Json};

use super::{
    architecture::{Architecture, Naming},
    keys::Keys,
    made::Made,
    particulars, rope,
};
use crate::gguf::{Header, Shards, Value};

/// The config of a model of this architecture.
pub(super) fn config(
    shards: &Shards<'_>,
    architecture: &Architecture,
    notes: &mut Vec<String>,
) -> Result<Json, String> {
    let header = shards.first();
    let keys = Keys::new(header, header.text("general.architecture")?.unwrap_or_default());
    let mut made = Made { keys: &keys, config: Map::new() };
    let experts = keys.size("expert_count")?.unwrap_or(0);
    made.set("model_type", model_type(architecture, experts));
    made.set("tie_word_embeddings", shards.find("output.weight").is_none());
    made.set("vocab_size", vocabulary(shards, &keys)?);
    ends(&mut made, header)?;
    match architecture.naming {
        Naming::Gpt2 => gpt2(&mut made)?,
        _ => llama(&mut made, architecture, shards, notes)?,
    }
    if experts > 0 {
        particulars::mixture(&mut made, architecture, shards, experts)?;
    } else {
        keys.size("expert_used_count")?;
    }
    for (key, value) in keys.unread() {
        made.set(&key, value);
    }
    Ok(Json::Object(made.config))
}

/// What the model is called in transformers.
pub(super) fn model_type(architecture: &Architecture, experts: usize) -> &'static str {
    architecture.with_experts.filter(|_| experts > 0).unwrap_or(architecture.model_type)
}

/// Rows of the embedding.
fn vocabulary(shards: &Shards<'_>, keys: &Keys<'_, '_>) -> Result<usize, String> {
    let embedding = shards.find("token_embd.weight");
    let rows = embedding.and_then(|(_, tensor)| tensor.shape.first().copied());
    rows.or(keys.size("vocab_size")?).ok_or_else(|| "it has no token_embd.weight".to_owned())
}

/// The tokens that begin and end a text.
fn ends(made: &mut Made<'_, '_, '_>, header: &Header<'_>) -> Result<(), String> {
    let id = |key: &str| header.count(&format!("tokenizer.ggml.{key}_token_id"));
    if let Some(bos) = id("bos")? {
        made.set("bos_token_id", bos);
    }
    let mut ends: Vec<u64> = [id("eos")?, id("eot")?, id("eom")?].into_iter().flatten().collect();
    ends.dedup();
    match ends.as_slice() {
        [] => {}
        [eos] => made.set("eos_token_id", *eos),
        several => made.set("eos_token_id", several.to_vec()),
    }
    Ok(())
}

/// The keys that Llama and its likes share.
fn llama(
    made: &mut Made<'_, '_, '_>,
    architecture: &Architecture,
    shards: &Shards<'_>,
    notes: &mut Vec<String>,
) -> Result<(), String> {
    let keys = made.keys;
    made.size("embedding_length", "hidden_size")?;
    made.size("block_count", "num_hidden_layers")?;
    made.size("feed_forward_length", "intermediate_size")?;
    made.size("attention.head_count", "num_attention_heads")?;
    made.size("context_length", "max_position_embeddings")?;
    let eps = keys.number("attention.layer_norm_rms_epsilon")?;
    made.set("rms_norm_eps", eps.ok_or("its metadata has no attention.layer_norm_rms_epsilon")?);
    let (width, heads) = (keys.required("embedding_length")?, keys.required("attention.head_count")?);
    made.set("num_key_value_heads", keys.size("attention.head_count_kv")?.unwrap_or(heads));
    let d_head = head_width(keys, width, heads)?;
    made.set("head_dim", d_head);
    rotary(made, architecture, d_head, shards, notes)?;
    let has = |name: &str| shards.find(name).is_some();
    if architecture.model_type == "llama" || architecture.model_type == "granite" {
        if has("blk.0.attn_q.bias") {
            made.set("attention_bias", true);
        }
        if has("blk.0.ffn_up.bias") {
            made.set("mlp_bias", true);
        }
    }
    particulars::own(made, architecture, d_head, notes)
}

fn head_width(keys: &Keys<'_, '_>, width: usize, heads: usize) -> Result<usize, String> {
    let (key, value) = (keys.size("attention.key_length")?, keys.size("attention.value_length")?);
    if let (Some(key), Some(value)) = (key, value)
        && key != value
    {
        return Err(format!("its heads have keys of {key} and values of {value}, which are not read here"));
    }
    match key.or(value) {
        Some(width) => Ok(width),
        None if heads > 0 && width.is_multiple_of(heads) => Ok(width / heads),
        None => {
            Err(format!("its width {width} is not a multiple of {heads} heads, and it has no key_length"))
        }
    }
}

fn rotary(
    made: &mut Made<'_, '_, '_>,
    architecture: &Architecture,
    d_head: usize,
    shards: &Shards<'_>,
    notes: &mut Vec<String>,
) -> Result<(), String> {
    let keys = made.keys;
    let dims = keys.size("rope.dimension_count")?.unwrap_or(d_head);
    if dims != d_head {
        if architecture.model_type != "phi3" || dims > d_head {
            return Err(format!(
                "it rotates {dims} of {d_head} dimensions of a head, which is not read here"
            ));
        }
        let share = dims as f64 / d_head as f64;
        // The product is cut off, and must not fall short for a rounding.
        let falls_short = ((d_head as f64 * share) as usize) < dims;
        made.set("partial_rotary_factor", if falls_short { share.next_up() } else { share });
    }
    let theta = keys.number("rope.freq_base")?;
    if theta.is_none() {
        notes.push("the file does not say rope.freq_base: 10000 is taken, as in llama.cpp".to_owned());
    }
    let theta = theta.unwrap_or(1e4);
    made.set("rope_theta", theta);
    if let Some(section) = rope::scaling(keys, shards, theta, dims, notes)? {
        if let (Some(original), "longrope") = (
            section.get("original_max_position_embeddings").cloned(),
            section["rope_type"].as_str().unwrap_or_default(),
        ) {
            made.set("original_max_position_embeddings", original);
        }
        made.set("rope_scaling", section);
    }
    Ok(())
}

fn gpt2(made: &mut Made<'_, '_, '_>) -> Result<(), String> {
    for (own, key) in [
        ("embedding_length", "n_embd"),
        ("block_count", "n_layer"),
        ("attention.head_count", "n_head"),
        ("context_length", "n_positions"),
        ("feed_forward_length", "n_inner"),
    ] {
        made.size(own, key)?;
    }
    let eps = made.keys.number("attention.layer_norm_epsilon")?;
    made.set("layer_norm_epsilon", eps.ok_or("its metadata has no gpt2.attention.layer_norm_epsilon")?);
    Ok(())
}

/// The name that the file gives its model.
pub(super) fn model_name(header: &Header<'_>) -> Option<String> {
    match header.get("general.name") {
        Some(Value::Text(name)) if !name.is_empty() => Some((*name).to_owned()),
        _ => None,
    }
}
