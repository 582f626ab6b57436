//! The config.json that a GGUF file's metadata means.

use serde_json::{Map, Value as Json};

use super::{
    architecture::{Architecture, Naming},
    keys::Keys,
    rope,
};
use crate::gguf::{Header, Shards, Value};

/// The width of heads in the largest Gemma 2 and Gemma 3 is not what their scores are divided by; llama.cpp knows them
/// by their number of layers.
const LARGEST_GEMMA: [(&str, usize); 2] = [("gemma2", 46), ("gemma3", 62)];

/// More layers than any model has.
const MOST_LAYERS: usize = 1024;

/// A config in the making.
struct Made<'k, 'h, 'a> {
    keys: &'k Keys<'h, 'a>,
    config: Map<String, Json>,
}

impl Made<'_, '_, '_> {
    fn set(&mut self, key: &str, value: impl Into<Json>) {
        self.config.insert(key.to_owned(), value.into());
    }

    /// A number under another name, where the file has it.
    fn number(&mut self, own: &str, key: &str) -> Result<(), String> {
        if let Some(x) = self.keys.number(own)? {
            self.set(key, x);
        }
        Ok(())
    }

    fn size(&mut self, own: &str, key: &str) -> Result<(), String> {
        let size = self.keys.required(own)?;
        self.set(key, size);
        Ok(())
    }
}

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
        mixture(&mut made, architecture, shards, experts)?;
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
    own(made, architecture, d_head, notes)
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

/// What only one architecture has.
fn own(
    made: &mut Made<'_, '_, '_>,
    architecture: &Architecture,
    d_head: usize,
    notes: &mut Vec<String>,
) -> Result<(), String> {
    let keys = made.keys;
    match architecture.name {
        "gemma" => made.set("hidden_act", "gelu_pytorch_tanh"),
        "gemma2" | "gemma3" => {
            made.set("hidden_activation", "gelu_pytorch_tanh");
            made.set("query_pre_attn_scalar", score_divisor(keys, architecture.name, d_head, notes)?);
            made.size("attention.sliding_window", "sliding_window")?;
            made.number("final_logit_softcapping", "final_logit_softcapping")?;
            if architecture.name == "gemma2" {
                made.number("attn_logit_softcapping", "attn_logit_softcapping")?;
            } else {
                match keys.flags("attention.sliding_window_pattern")? {
                    Some(slides) => {
                        let kind = |slides| if slides { "sliding_attention" } else { "full_attention" };
                        made.set("layer_types", slides.into_iter().map(kind).collect::<Vec<_>>());
                    }
                    None => {
                        let pattern = keys.size("attention.sliding_window_pattern")?.unwrap_or(6);
                        made.set("sliding_window_pattern", pattern);
                    }
                }
                let local = keys.number("rope.freq_base_swa")?.unwrap_or(1e4);
                made.set("rope_local_base_freq", local);
            }
        }
        "phi3" => {
            if let Some(window) = keys.size("attention.sliding_window")?.filter(|window| *window > 0) {
                made.set("sliding_window", window);
            }
        }
        "granite" => {
            made.number("attention.scale", "attention_multiplier")?;
            made.number("embedding_scale", "embedding_multiplier")?;
            made.number("residual_scale", "residual_multiplier")?;
            made.number("logit_scale", "logits_scaling")?;
        }
        "smollm3" => made.set("no_rope_layer_interval", 4),
        "llama" => {
            if let Some(window) = keys.size("attention.sliding_window")?.filter(|window| *window > 0) {
                // Llama has no window; Mistral and Mixtral are called Llama there.
                if made.config["model_type"] == "llama" {
                    made.set("model_type", "mistral");
                }
                made.set("sliding_window", window);
            }
        }
        _ => {}
    }
    Ok(())
}

/// The number whose root divides scores. The file does not hold it; llama.cpp knows it by the size of the model.
fn score_divisor(
    keys: &Keys<'_, '_>,
    architecture: &str,
    d_head: usize,
    notes: &mut Vec<String>,
) -> Result<usize, String> {
    let (width, heads) = (keys.required("embedding_length")?, keys.required("attention.head_count")?);
    let layers = keys.required("block_count")?;
    let divisor = match LARGEST_GEMMA.contains(&(architecture, layers)) {
        true => width / heads.max(1),
        false => d_head,
    };
    notes.push(format!(
        "the file does not say query_pre_attn_scalar: {divisor} is taken, as llama.cpp does for {architecture} with \
         {layers} layers"
    ));
    Ok(divisor)
}

fn mixture(
    made: &mut Made<'_, '_, '_>,
    architecture: &Architecture,
    shards: &Shards<'_>,
    experts: usize,
) -> Result<(), String> {
    let keys = made.keys;
    let name = if architecture.name == "llama" { "num_local_experts" } else { "num_experts" };
    made.set(name, experts);
    made.size("expert_used_count", "num_experts_per_tok")?;
    match architecture.name {
        "llama" => {}
        "qwen2moe" | "qwen3moe" => {
            made.size("expert_feed_forward_length", "moe_intermediate_size")?;
            made.set("norm_topk_prob", architecture.name == "qwen3moe");
            let is_dense = |i: &usize| shards.find(&format!("blk.{i}.ffn_gate_inp.weight")).is_none();
            let layers = keys.required("block_count")?.min(MOST_LAYERS);
            let dense: Vec<usize> = (0..layers).filter(is_dense).collect();
            made.set("mlp_only_layers", dense);
            if architecture.name == "qwen2moe" {
                made.size("expert_shared_feed_forward_length", "shared_expert_intermediate_size")?;
            }
        }
        other => return Err(format!("it has {experts} experts, which are not read for {other}")),
    }
    match (keys.number("expert_weights_scale")?, keys.size("expert_gating_func")?) {
        (None | Some(0.0 | 1.0), None | Some(0 | 1)) => Ok(()),
        _ => {
            Err("it weighs its experts in another way than its architecture does in transformers".to_owned())
        }
    }
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
