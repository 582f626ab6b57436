//! Qwen 2 and 2.5.

use std::sync::Arc;

use super::{
    Family, TensorNames,
    llama::{Attention, Dims, decoder},
};
use crate::{
    config::{Config, ConfigError},
    spec::{DecoderSpec, Mask},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["qwen2"],
    models: "Qwen 2 and 2.5, DeepSeek-R1-Distill-Qwen",
    particulars: "query, key and value have biases; optional sliding window from max_window_layers on",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames) -> Result<DecoderSpec, ConfigError> {
    let dims = Dims::read(config, "qwen2")?;
    let masks = masks(config, dims.n_layers)?;
    let rope = Arc::new(config.rope(dims.d_head, 1e4)?);
    decoder(config, names, &dims, &Attention { qkv_bias: true, o_bias: false, rope, mask: |i| masks[i] })
}

/// `layer_types` where the config has it, else a window on the layers from `max_window_layers` on.
fn masks(config: &Config<'_>, n_layers: usize) -> Result<Vec<Mask>, ConfigError> {
    let window = match config.flag("use_sliding_window")?.unwrap_or(false) {
        true => config.size("sliding_window")?,
        false => None,
    };
    let sliding = || match window {
        Some(window) => Ok(Mask::Sliding { window }),
        None => Err(ConfigError::Missing { key: "sliding_window" }),
    };
    let Some(types) = config.layer_types(n_layers)? else {
        let full = config.count("max_window_layers")?.unwrap_or(28);
        return Ok((0..n_layers)
            .map(|i| match window {
                Some(window) if i >= full => Mask::Sliding { window },
                _ => Mask::Causal,
            })
            .collect());
    };
    types
        .into_iter()
        .map(|kind| match kind {
            "full_attention" => Ok(Mask::Causal),
            "sliding_attention" => sliding(),
            other => Err(ConfigError::Unsupported {
                key: "layer_types",
                value: other.to_owned(),
                supported: "full_attention, sliding_attention",
            }),
        })
        .collect()
}
