//! Qwen 2, 2.5 and 3, dense.

use super::{Family, shape::Shape};
use crate::{
    config::{Config, ConfigError},
    spec::{DecoderSpec, QkNorm, QkScope},
};

pub(super) const QWEN2: Family = Family {
    model_types: &["qwen2"],
    models: "Qwen 2 and 2.5, DeepSeek-R1-Distill-Qwen",
    particulars: "biases on query, key and value; optional window from layer max_window_layers on",
    resolve: |config, names, family| {
        let mut shape = Shape::read(config, names, family)?;
        (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (true, false, false);
        window(config, &mut shape)?;
        shape.decoder(config, names)
    },
};

pub(super) const QWEN3: Family = Family {
    model_types: &["qwen3"],
    models: "Qwen 3",
    particulars: "an RMS norm on every query and key head, before they rotate; head_dim of its own",
    resolve: |config, names, family| {
        let mut shape = Shape::read(config, names, family)?;
        window(config, &mut shape)?;
        let mut spec = shape.decoder(config, names)?;
        head_norms(&shape, &mut spec);
        Ok(spec)
    },
};

/// `layer_types` where the config has it, else a window on the layers from `max_window_layers` on.
pub(super) fn window(config: &Config<'_>, shape: &mut Shape) -> Result<(), ConfigError> {
    let window = switched_window(config)?;
    if window.is_some() && !config.keys().contains_key("layer_types") {
        config.refuse_null("max_window_layers", "an integer from 0")?;
    }
    let full = config.count("max_window_layers")?.unwrap_or(28);
    shape.masks = config.masks(shape.n_layers, window, |i| i >= full)?;
    Ok(())
}

/// The window, where it is switched on; a width that is written down beside a switch that is off means nothing.
pub(super) fn switched_window(config: &Config<'_>) -> Result<Option<usize>, ConfigError> {
    if config.flag("use_sliding_window")?.unwrap_or(false) {
        return config.size("sliding_window");
    }
    config.pass_over(&["sliding_window", "max_window_layers"]);
    Ok(None)
}

/// An RMS norm on every query and key head.
pub(super) fn head_norms(shape: &Shape, spec: &mut DecoderSpec) {
    for (i, attn) in spec.attentions_mut() {
        let norm = |part: &str| (shape.norm)(&shape.name(i, part), shape.d_head, shape.eps);
        attn.qk_norm =
            Some(QkNorm { q: norm("self_attn.q_norm"), k: norm("self_attn.k_norm"), scope: QkScope::Head });
    }
}
