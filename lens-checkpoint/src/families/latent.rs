//! Latent attention as DeepSeek names it in config and tensors.

use std::sync::Arc;

use super::shape::Shape;
use crate::{
    config::{Config, ConfigError, RopeQuery},
    spec::{DecoderSpec, LatentAttentionSpec, LatentQuery, LinearSpec, NormSpec, Pairing, Param, Rope},
};

/// The epsilon of the norms of narrow vectors: their classes have it, and no key changes it.
const EPS: f64 = 1e-6;

/// The widths of latent attention.
#[derive(Clone, Copy)]
pub(super) struct Widths {
    /// Rank of the queries; `None` is one map.
    pub(super) q_rank: Option<usize>,
    /// Rank of keys and values.
    pub(super) rank: usize,
    pub(super) content: usize,
    pub(super) rotary: usize,
    pub(super) value: usize,
}

impl Widths {
    /// DeepSeek's, which most others have as well.
    pub(super) const DEEPSEEK: Self =
        Self { q_rank: Some(1536), rank: 512, content: 128, rotary: 64, value: 128 };

    /// These, where the config does not say otherwise.
    pub(super) fn read(&self, config: &Config<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            q_rank: match self.q_rank {
                Some(default) => config.size_unless_null("q_lora_rank", default)?,
                None => config.size("q_lora_rank")?,
            },
            rank: config.size_or("kv_lora_rank", self.rank)?,
            content: config.size_or("qk_nope_head_dim", self.content)?,
            rotary: config.size_or("qk_rope_head_dim", self.rotary)?,
            value: config.size_or("v_head_dim", self.value)?,
        })
    }
}

/// The latent attention of all layers.
pub(super) struct Latent {
    widths: Widths,
    n_heads: usize,
    pub(super) scale: f64,
    rope: Option<Arc<Rope>>,
    bias: bool,
}

impl Latent {
    /// Reads what config.json says of it. `shape` is Llama's reading of the rest.
    pub(super) fn read(
        config: &Config<'_>,
        shape: &Shape,
        widths: Widths,
        pairing: Pairing,
    ) -> Result<Self, ConfigError> {
        if shape.n_kv_heads != shape.n_heads {
            let what = format!(
                "num_key_value_heads is {}, but every one of the {} heads of latent attention has a key and a value",
                shape.n_kv_heads, shape.n_heads
            );
            return Err(ConfigError::Inconsistent { what });
        }
        let d_key = widths.content + widths.rotary;
        config.pass_over_number("qk_head_dim", d_key as f64);
        config.pass_over_number("q_head_dim", d_key as f64);
        let query = RopeQuery { pairing, ..RopeQuery::new(widths.rotary, 1e4) };
        Ok(Self {
            n_heads: shape.n_heads,
            scale: (d_key as f64).powf(-0.5) * config.score_factor()?,
            rope: Some(Arc::new(config.rope(&query)?)),
            bias: shape.qkv_bias,
            widths,
        })
    }

    /// Puts it in the place of attention in every layer.
    pub(super) fn put(&self, shape: &Shape, spec: &mut DecoderSpec) {
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            layer.mixer = self.of_layer(shape, i).into();
        }
    }

    pub(super) fn of_layer(&self, shape: &Shape, i: usize) -> LatentAttentionSpec {
        let &Self { widths: Widths { q_rank, rank, content, rotary, value }, n_heads, .. } = self;
        let d_model = shape.d_model;
        let name = |part: &str| shape.name(i, &format!("self_attn.{part}"));
        let linear = |part: &str, d_out, d_in, bias| LinearSpec::new(&name(part), d_out, d_in, bias);
        let heads = n_heads * (content + rotary);
        LatentAttentionSpec {
            n_heads,
            d_content: content,
            d_rotary: rotary,
            d_value: value,
            rank,
            scale: self.scale,
            rope: self.rope.clone(),
            growth: None,
            query: match q_rank {
                None => LatentQuery::Plain(linear("q_proj", heads, d_model, false)),
                Some(q_rank) => LatentQuery::LowRank {
                    down: linear("q_a_proj", q_rank, d_model, self.bias),
                    norm: NormSpec::rms(&name("q_a_layernorm"), q_rank, EPS),
                    up: linear("q_b_proj", heads, q_rank, false),
                },
            },
            down: linear("kv_a_proj_with_mqa", rank + rotary, d_model, self.bias),
            norm: NormSpec::rms(&name("kv_a_layernorm"), rank, EPS),
            up: Param::whole(name("kv_b_proj.weight"), [n_heads * (content + value), rank]),
            o: linear("o_proj", d_model, n_heads * value, self.bias),
        }
    }
}

/// How the rotated dimensions of DeepSeek-V3 and its descendants lie: interleaved, unless the config says otherwise.
pub(super) fn pairing(config: &Config<'_>) -> Result<Pairing, ConfigError> {
    let interleaved = !config.has("rope_interleave") || config.flag("rope_interleave")?.unwrap_or(false);
    Ok(if interleaved { Pairing::Interleaved } else { Pairing::HalfSplit })
}
