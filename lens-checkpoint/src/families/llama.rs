//! Llama 1, 2, 3, 3.1, 3.2, the many models of that shape, and those that differ from it in biases or windows alone.

use serde_json::json;

use super::{
    Family, TensorNames,
    keys::{renamed, with_rotation},
    shape::{Defaults, Epsilon, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::DecoderSpec,
};

pub(super) const FAMILY: Family = Family {
    model_types: &["llama"],
    models: "Llama 1 to 3.3, DeepSeek-R1-Distill-Llama, SmolLM 1 and 2, Yi, TinyLlama",
    particulars: "the base of most others: grouped queries, RMS norms, a gated MLP; optional biases and head_dim",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    Shape::read(config, names, family)?.decoder(config, names)
}

/// A head of 128 where the config says nothing of it, and Mistral's and others' epsilon.
fn wide_heads(config: &Config<'_>) -> Defaults {
    Defaults {
        d_head: (!config.has("head_dim")).then_some(128),
        eps: Epsilon::rms(1e-5),
        ..Defaults::default()
    }
}

pub(super) const IQUEST_CODER: Family = Family {
    model_types: &["iquestcoder"],
    models: "IQuest-Coder V1",
    particulars: "Llama with another epsilon and heads of 128",
    resolve: |config, names, family| {
        Shape::read_with(config, names, family, &wide_heads(config))?.decoder(config, names)
    },
};

pub(super) const INTERNLM3: Family = Family {
    model_types: &["internlm3"],
    models: "InternLM 3",
    particulars: "Llama; qkv_bias and bias switch its biases",
    resolve: |config, names, family| {
        let keys = renamed(config, &[("qkv_bias", "attention_bias"), ("bias", "mlp_bias")]);
        let config = &config.standing_for(None, &keys);
        let mut shape = Shape::read_with(config, names, family, &wide_heads(config))?;
        // The output projection goes with the MLP; transformers allows no config in which that is a difference.
        shape.o_bias = shape.mlp_bias;
        shape.decoder(config, names)
    },
};

pub(super) const SEED_OSS: Family = Family {
    model_types: &["seed_oss"],
    models: "Seed-OSS 36B",
    particulars: "biases on query, key and value, and a switch of its own for the output projection's; heads of 128",
    resolve: |config, names, family| {
        let defaults = Defaults { eps: Epsilon::rms(1e-6), ..wide_heads(config) };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.qkv_bias = config.flag("attention_bias")?.unwrap_or(true);
        shape.o_bias = config.flag("attention_out_bias")?.unwrap_or(false);
        shape.decoder(config, names)
    },
};

pub(super) const CWM: Family = Family {
    model_types: &["cwm"],
    models: "Code World Model 32B",
    particulars: "three sliding layers after each full one, the first being full",
    resolve: |config, names, family| {
        let keys = with_rotation(
            config,
            json!({
                "rope_type": "llama3", "rope_theta": 1e6, "factor": 16.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 8192
            }),
        );
        let config = &config.standing_for(None, &keys);
        let defaults = Defaults { theta: Some(1e6), ..wide_heads(config) };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        (shape.qkv_bias, shape.o_bias) = (false, false);
        let window = config.size_unless_null("sliding_window", 8192)?;
        shape.masks = config.masks(shape.n_layers, window, |i| !i.is_multiple_of(4))?;
        shape.decoder(config, names)
    },
};
