//! What only some architectures have in their metadata.

use super::{architecture::Architecture, keys::Keys, made::Made};
use crate::gguf::Shards;
use crate::limits;

/// The width of heads in the largest Gemma 2 and Gemma 3 is not what their scores are divided by; llama.cpp knows them
/// by their number of layers.
const LARGEST_GEMMA: [(&str, usize); 2] = [("gemma2", 46), ("gemma3", 62)];

/// What only one architecture has.
pub(super) fn own(
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

/// The keys of experts.
pub(super) fn mixture(
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
            let layers = keys.required("block_count")?.min(limits::config::MOST_LAYERS);
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
