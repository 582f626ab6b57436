//! The names of tensors in transformers, from those in GGUF files (the `gguf` package's `tensor_mapping.py`).

use super::architecture::Naming;

/// Parts of a layer, by llama.cpp's names and Llama's.
const LLAMA: &[(&str, &str)] = &[
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
    ("ffn_gate_shexp", "mlp.shared_expert.gate_proj"),
    ("ffn_up_shexp", "mlp.shared_expert.up_proj"),
    ("ffn_down_shexp", "mlp.shared_expert.down_proj"),
    ("ffn_gate_inp_shexp", "mlp.shared_expert_gate"),
];

const SANDWICH: &[(&str, &str)] = &[
    ("ffn_norm", "pre_feedforward_layernorm"),
    ("post_attention_norm", "post_attention_layernorm"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
];

const PHI3: &[(&str, &str)] = &[("attn_qkv", "self_attn.qkv_proj"), ("ffn_up", "mlp.gate_up_proj")];

const GPT2: &[(&str, &str)] = &[
    ("attn_norm", "ln_1"),
    ("attn_qkv", "attn.c_attn"),
    ("attn_output", "attn.c_proj"),
    ("ffn_norm", "ln_2"),
    ("ffn_up", "mlp.c_fc"),
    ("ffn_down", "mlp.c_proj"),
];

/// The tensors outside the layers.
const LLAMA_ENDS: &[(&str, &str)] =
    &[("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head")];

const GPT2_ENDS: &[(&str, &str)] = &[
    ("token_embd", "transformer.wte"),
    ("position_embd", "transformer.wpe"),
    ("output_norm", "transformer.ln_f"),
    ("output", "lm_head"),
];

impl Naming {
    /// The name in transformers of a tensor outside the experts; `None` for one that it has no name for.
    pub(super) fn name(self, gguf: &str) -> Option<String> {
        let (ends, layers, tables): (_, _, &[&[(&str, &str)]]) = match self {
            Self::Llama => (LLAMA_ENDS, "model.layers", &[LLAMA]),
            Self::Sandwich | Self::PostNorm => (LLAMA_ENDS, "model.layers", &[SANDWICH, LLAMA]),
            Self::Phi3 => (LLAMA_ENDS, "model.layers", &[PHI3, LLAMA]),
            Self::Gpt2 => (GPT2_ENDS, "transformer.h", &[GPT2]),
        };
        let (stem, end) = gguf.rsplit_once('.').filter(|(_, end)| ["weight", "bias"].contains(end))?;
        let find = |table: &[(&str, &'static str)], part: &str| {
            table.iter().find(|(own, _)| *own == part).map(|(_, name)| *name)
        };
        match layer(stem) {
            Some((i, part)) => {
                let name = tables.iter().find_map(|table| find(table, part))?;
                Some(format!("{layers}.{i}.{name}.{end}"))
            }
            None => find(ends, stem).map(|name| format!("{name}.{end}")),
        }
    }
}

/// Layer and part of `blk.3.attn_q`.
pub(super) fn layer(stem: &str) -> Option<(usize, &str)> {
    let (i, part) = stem.strip_prefix("blk.")?.split_once('.')?;
    // As it is written in names of tensors: no sign, no zeros before it.
    let index: usize = i.parse().ok().filter(|index: &usize| index.to_string() == i)?;
    Some((index, part))
}

/// How experts of a family are called: what is before their numbers, and their three projections.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExpertNames {
    block: &'static str,
    projections: [&'static str; 3],
}

impl ExpertNames {
    pub(super) fn of(model_type: &str) -> Self {
        match model_type {
            "mixtral" => Self { block: "block_sparse_moe", projections: ["w1", "w3", "w2"] },
            _ => Self { block: "mlp", projections: ["gate_proj", "up_proj", "down_proj"] },
        }
    }

    /// The name of the router of a layer.
    pub(super) fn router(self, i: usize) -> String {
        format!("model.layers.{i}.{}.gate.weight", self.block)
    }

    /// The name of a projection of expert `e`, for the part of a layer that holds it for all experts.
    pub(super) fn projection(self, i: usize, part: &str, e: usize) -> Option<String> {
        let which =
            ["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"].iter().position(|name| *name == part)?;
        Some(format!("model.layers.{i}.{}.experts.{e}.{}.weight", self.block, self.projections[which]))
    }
}
