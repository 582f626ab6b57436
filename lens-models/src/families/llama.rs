//! Llama 1, 2, 3, 3.1, 3.2 and the many models of that shape.

use std::sync::Arc;

use lens_core::Post;

use super::{Family, TensorNames};
use crate::{
    config::{Config, ConfigError},
    spec::{
        Activation, AttentionSpec, DecoderSpec, LayerSpec, LinearSpec, Mask, MlpSpec, NormSpec, ReadoutSpec,
        Rope, TensorSpec,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["llama"],
    models: "Llama 1 to 3.2, DeepSeek-R1-Distill-Llama, SmolLM, Yi, TinyLlama",
    particulars: "grouped-query attention, optional biases and head_dim, RoPE default, linear, dynamic, llama3, yarn",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames) -> Result<DecoderSpec, ConfigError> {
    let dims = Dims::read(config, "llama")?;
    let bias = config.flag("attention_bias")?.unwrap_or(false);
    let rope = Arc::new(config.rope(dims.d_head, 1e4)?);
    let attention = Attention { qkv_bias: bias, o_bias: bias, rope, mask: |_| Mask::Causal };
    decoder(config, names, &dims, &attention)
}

/// The sizes that every Llama-shaped config names alike.
pub(super) struct Dims {
    pub(super) family: &'static str,
    pub(super) d_model: usize,
    pub(super) n_layers: usize,
    pub(super) n_heads: usize,
    pub(super) n_kv_heads: usize,
    pub(super) d_head: usize,
    pub(super) d_mlp: usize,
    pub(super) n_vocab: usize,
    pub(super) eps: f64,
    pub(super) activation: Activation,
}

impl Dims {
    pub(super) fn read(config: &Config<'_>, family: &'static str) -> Result<Self, ConfigError> {
        let d_model = config.required_size("hidden_size")?;
        let n_heads = config.required_size("num_attention_heads")?;
        let n_kv_heads = config.size("num_key_value_heads")?.unwrap_or(n_heads);
        let n_layers = config.required_size("num_hidden_layers")?;
        let inconsistent = |what| Err(ConfigError::Inconsistent { what });
        if n_layers > 1024 {
            return inconsistent(format!("{n_layers} layers are more than the 1024 that are plausible"));
        }
        if !n_heads.is_multiple_of(n_kv_heads) {
            return inconsistent(format!(
                "{n_heads} attention heads cannot share {n_kv_heads} key-value heads"
            ));
        }
        let d_head = match config.size("head_dim")? {
            Some(d_head) => d_head,
            None if d_model.is_multiple_of(n_heads) => d_model / n_heads,
            None => {
                return inconsistent(format!(
                    "hidden_size {d_model} is no multiple of {n_heads} heads, and head_dim is absent"
                ));
            }
        };
        Ok(Self {
            family,
            d_model,
            n_layers,
            n_heads,
            n_kv_heads,
            d_head,
            d_mlp: config.required_size("intermediate_size")?,
            n_vocab: config.required_size("vocab_size")?,
            eps: config.positive("rms_norm_eps")?.unwrap_or(1e-6),
            activation: config.activation("hidden_act", Activation::Silu)?,
        })
    }
}

/// How the attention of a Llama-shaped family differs.
pub(super) struct Attention<M: Fn(usize) -> Mask> {
    pub(super) qkv_bias: bool,
    pub(super) o_bias: bool,
    pub(super) rope: Arc<Rope>,
    /// The mask of layer i.
    pub(super) mask: M,
}

/// A decoder with Llama's block and Llama's tensor names.
pub(super) fn decoder<M: Fn(usize) -> Mask>(
    config: &Config<'_>,
    names: &TensorNames,
    dims: &Dims,
    attention: &Attention<M>,
) -> Result<DecoderSpec, ConfigError> {
    let Dims { d_model, n_heads, n_kv_heads, d_head, d_mlp, n_vocab, eps, .. } = *dims;
    let mlp_bias = config.flag("mlp_bias")?.unwrap_or(false);
    let layers = (0..dims.n_layers)
        .map(|i| {
            let at = |part: &str| format!("model.layers.{i}.{part}");
            let linear = |part: &str, d_out, d_in, bias: bool| LinearSpec::new(&at(part), d_out, d_in, bias);
            LayerSpec {
                attn_norm: NormSpec::rms(&at("input_layernorm"), d_model, eps),
                attn: AttentionSpec {
                    n_heads,
                    n_kv_heads,
                    d_head,
                    scale: (d_head as f64).powf(-0.5),
                    mask: (attention.mask)(i),
                    rope: Arc::clone(&attention.rope),
                    q: linear("self_attn.q_proj", n_heads * d_head, d_model, attention.qkv_bias),
                    k: linear("self_attn.k_proj", n_kv_heads * d_head, d_model, attention.qkv_bias),
                    v: linear("self_attn.v_proj", n_kv_heads * d_head, d_model, attention.qkv_bias),
                    o: linear("self_attn.o_proj", d_model, n_heads * d_head, attention.o_bias),
                },
                mlp_norm: NormSpec::rms(&at("post_attention_layernorm"), d_model, eps),
                mlp: MlpSpec {
                    activation: dims.activation,
                    gate: linear("mlp.gate_proj", d_mlp, d_model, mlp_bias),
                    up: linear("mlp.up_proj", d_mlp, d_model, mlp_bias),
                    down: linear("mlp.down_proj", d_model, d_mlp, mlp_bias),
                },
            }
        })
        .collect();
    let embed = TensorSpec::new("model.embed_tokens.weight", [n_vocab, d_model]);
    Ok(DecoderSpec {
        family: dims.family.to_owned(),
        d_model,
        n_vocab,
        layers,
        readout: ReadoutSpec {
            norm: NormSpec::rms("model.norm", d_model, eps),
            unembed: unembedding(config, names, &embed, "lm_head.weight")?,
            bias: None,
            post: Post::default(),
        },
        embed,
        context: config.size("max_position_embeddings")?,
        ignored: &["rotary_emb.inv_freq"],
    })
}

/// The unembedding: what is on disk; else the embedding, if the config ties it.
fn unembedding(
    config: &Config<'_>,
    names: &TensorNames,
    embed: &TensorSpec,
    name: &'static str,
) -> Result<TensorSpec, ConfigError> {
    if names.has(name) {
        return Ok(TensorSpec::new(name, embed.shape.clone()));
    }
    if config.flag("tie_word_embeddings")?.unwrap_or(false) {
        return Ok(embed.clone());
    }
    Err(ConfigError::NoUnembedding { name })
}
