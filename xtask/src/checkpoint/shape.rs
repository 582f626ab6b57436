//! The table of shapes: sizes of published models, and one for tests.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::tensor::Tensor;

/// Everything about a model but its numbers.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    architecture: Architecture,
    n_layers: u64,
    d_model: u64,
    n_heads: u64,
    n_kv_heads: u64,
    d_mlp: u64,
    n_vocab: u64,
    /// Whether the embedding unembeds too.
    tied: bool,
    context: u64,
    eps: &'static str,
    theta: u64,
    /// `factor` of Llama 3's way to stretch the context.
    stretch: Option<u64>,
    pub(super) vocabulary: Vocabulary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Architecture {
    Llama,
    /// Llama with biases on queries, keys and values.
    Qwen2,
}

/// The tokens that text can become; rows of the embedding beyond them are padding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vocabulary {
    /// Ids of bytes and merges, from 0 on.
    pub(super) words: usize,
    /// Special tokens follow: the one that begins a text, the one that ends it, and those held in reserve.
    pub(super) begin: &'static str,
    pub(super) end: &'static str,
    pub(super) reserved: usize,
    /// Whether encoding a text puts `begin` in front.
    pub(super) adds_begin: bool,
}

const QWEN: Vocabulary =
    Vocabulary { words: 151_643, begin: "<|endoftext|>", end: "<|im_end|>", reserved: 20, adds_begin: false };
const LLAMA_3: Vocabulary = Vocabulary {
    words: 128_000,
    begin: "<|begin_of_text|>",
    end: "<|end_of_text|>",
    reserved: 254,
    adds_begin: true,
};
const LLAMA_2: Vocabulary =
    Vocabulary { words: 31_998, begin: "<s>", end: "</s>", reserved: 0, adds_begin: true };

const QWEN_05B: Shape = Shape {
    name: "qwen2.5-0.5b",
    architecture: Architecture::Qwen2,
    n_layers: 24,
    d_model: 896,
    n_heads: 14,
    n_kv_heads: 2,
    d_mlp: 4864,
    n_vocab: 151_936,
    tied: true,
    context: 32_768,
    eps: "1e-6",
    theta: 1_000_000,
    stretch: None,
    vocabulary: QWEN,
};
const QWEN_7B: Shape = Shape {
    name: "qwen2.5-7b",
    n_layers: 28,
    d_model: 3584,
    n_heads: 28,
    n_kv_heads: 4,
    d_mlp: 18_944,
    n_vocab: 152_064,
    tied: false,
    context: 131_072,
    ..QWEN_05B
};
const LLAMA_31_8B: Shape = Shape {
    name: "llama-3.1-8b",
    architecture: Architecture::Llama,
    n_layers: 32,
    d_model: 4096,
    n_heads: 32,
    n_kv_heads: 8,
    d_mlp: 14_336,
    n_vocab: 128_256,
    tied: false,
    context: 131_072,
    eps: "1e-5",
    theta: 500_000,
    stretch: Some(8),
    vocabulary: LLAMA_3,
};
const LLAMA_32_1B: Shape = Shape {
    name: "llama-3.2-1b",
    n_layers: 16,
    d_model: 2048,
    d_mlp: 8192,
    tied: true,
    stretch: Some(32),
    ..LLAMA_31_8B
};
const LLAMA_2_7B: Shape = Shape {
    name: "llama-2-7b",
    n_kv_heads: 32,
    d_mlp: 11_008,
    n_vocab: 32_000,
    context: 4096,
    theta: 10_000,
    stretch: None,
    vocabulary: LLAMA_2,
    ..LLAMA_31_8B
};
/// Small enough for tests, with everything that makes the others differ from each other.
const TINY: Shape = Shape {
    name: "tiny",
    architecture: Architecture::Qwen2,
    n_layers: 2,
    d_model: 64,
    n_heads: 4,
    n_kv_heads: 2,
    d_mlp: 160,
    n_vocab: 1024,
    vocabulary: Vocabulary { words: 1000, reserved: 3, ..LLAMA_3 },
    ..LLAMA_31_8B
};

pub(crate) static SHAPES: &[Shape] = &[QWEN_05B, QWEN_7B, LLAMA_31_8B, LLAMA_32_1B, LLAMA_2_7B, TINY];

/// The shape called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Shape> {
    SHAPES.iter().find(|shape| shape.name == name)
}

/// Reads the name of a shape on the command line.
pub(crate) fn parser() -> impl TypedValueParser<Value = &'static Shape> {
    PossibleValuesParser::new(SHAPES.iter().map(|shape| shape.name))
        .map(|name| find(&name).expect("a name of the list above"))
}

impl Shape {
    /// Every tensor, in the order of execution.
    pub(super) fn tensors(&self) -> Vec<Tensor> {
        let d = self.d_model;
        let d_kv = d / self.n_heads * self.n_kv_heads;
        // Normed vectors have length sqrt(d): this makes logits whose standard deviation is 2.
        let unembed_spread = 2.0 / (d as f64).sqrt();
        let mut tensors =
            vec![Tensor::normal("model.embed_tokens.weight", [self.n_vocab, d], unembed_spread)];
        for layer in 0..self.n_layers {
            let name = |part: &str| format!("model.layers.{layer}.{part}");
            let projection = |part: &str, rows, columns| {
                Tensor::normal(name(&format!("{part}.weight")), [rows, columns], 0.02)
            };
            tensors.push(Tensor::near_one(name("input_layernorm.weight"), d));
            for (part, rows) in [("q_proj", d), ("k_proj", d_kv), ("v_proj", d_kv)] {
                tensors.push(projection(&format!("self_attn.{part}"), rows, d));
                if self.architecture == Architecture::Qwen2 {
                    tensors.push(Tensor::normal(name(&format!("self_attn.{part}.bias")), [rows], 0.02));
                }
            }
            tensors.push(projection("self_attn.o_proj", d, d));
            tensors.push(Tensor::near_one(name("post_attention_layernorm.weight"), d));
            tensors.push(projection("mlp.gate_proj", self.d_mlp, d));
            tensors.push(projection("mlp.up_proj", self.d_mlp, d));
            tensors.push(projection("mlp.down_proj", d, self.d_mlp));
        }
        tensors.push(Tensor::near_one("model.norm.weight", d));
        if !self.tied {
            tensors.push(Tensor::normal("lm_head.weight", [self.n_vocab, d], unembed_spread));
        }
        tensors
    }

    /// config.json. `dtype` is spelled as torch does.
    pub(super) fn config(&self, dtype: &str) -> String {
        let (class, model_type) = match self.architecture {
            Architecture::Llama => ("LlamaForCausalLM", "llama"),
            Architecture::Qwen2 => ("Qwen2ForCausalLM", "qwen2"),
        };
        let rope_scaling = self.stretch.map_or("null".to_owned(), |factor| {
            format!(
                r#"{{"rope_type": "llama3", "factor": {factor}.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}}"#
            )
        });
        let Self { n_layers, d_model, n_heads, n_kv_heads, d_mlp, n_vocab, tied, context, .. } = self;
        let Self { eps, theta, vocabulary, .. } = self;
        format!(
            r#"{{
  "architectures": ["{class}"],
  "model_type": "{model_type}",
  "hidden_size": {d_model},
  "num_hidden_layers": {n_layers},
  "num_attention_heads": {n_heads},
  "num_key_value_heads": {n_kv_heads},
  "intermediate_size": {d_mlp},
  "hidden_act": "silu",
  "vocab_size": {n_vocab},
  "max_position_embeddings": {context},
  "rms_norm_eps": {eps},
  "rope_theta": {theta}.0,
  "rope_scaling": {rope_scaling},
  "tie_word_embeddings": {tied},
  "attention_dropout": 0.0,
  "initializer_range": 0.02,
  "bos_token_id": {begin},
  "eos_token_id": {end},
  "torch_dtype": "{dtype}",
  "use_cache": true
}}
"#,
            begin = vocabulary.words,
            end = vocabulary.words + 1,
        )
    }
}
