//! Granite 4: Mamba-2 in most layers and attention in a few, or attention alone.

use super::{
    Family,
    granite::scaled,
    granitemoe::{put_experts, shared_mlp},
    kinds,
    shape::Shape,
    state_space::{StateSpace, pass_over_training},
};
use crate::{
    config::{Config, ConfigError},
    spec::{MixerSpec, MlpSpec, Position},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["granitemoehybrid"],
    models: "Granite 4.0 and 4.0 H",
    particulars: "Granite's multipliers; Mamba-2 mixers in most layers or in none, attention without positions or with \
                  RoPE; an MLP, or experts beside it",
    resolve: |config, names, family| {
        let mut shape = Shape::read(config, names, family)?;
        shape.scale = config.positive_or("attention_multiplier", 1.0)?;
        shape.mlp_bias = false;
        if !rotates(config)? {
            shape.positions = vec![Position::None; shape.n_layers];
        }
        let shared = config.size_or("shared_intermediate_size", 1024)?;
        let attends = attends(config, shape.n_layers)?;
        pass_over_training(config);
        config.pass_over_texts("normalization_function", &["rmsnorm"]);
        let mut spec = scaled(config, names, &shape)?;
        spec.readout.post.scale = 1.0 / config.positive_or("logits_scaling", 1.0)? as f32;
        let mixers = match attends.iter().all(|attends| *attends) {
            true => None,
            false => Some(StateSpace::read(config, shape.d_model, shape.eps, None)?),
        };
        match &mixers {
            Some(mixers) => mixers.remark_on_groups(config),
            None => pass_over_state_space(config),
        }
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            layer.mlp = MlpSpec::Gated(shared_mlp(&shape, i, shared));
            if let Some(mixers) = mixers.as_ref().filter(|_| !attends[i]) {
                layer.mixer = MixerSpec::Mamba2(Box::new(mixers.mixer(&shape.name(i, "mamba"))));
            }
        }
        if has_experts(config)? {
            put_experts(config, names, &shape, Some(shared), &mut spec)?;
        }
        Ok(spec)
    },
};

/// Whether attention rotates: only where the config says so.
fn rotates(config: &Config<'_>) -> Result<bool, ConfigError> {
    match config.text("position_embedding_type")? {
        Some("rope") => Ok(true),
        None | Some("nope") => Ok(false),
        Some(other) => Err(ConfigError::Unsupported {
            key: config.name("position_embedding_type"),
            value: other.to_owned(),
            supported: "rope, nope, null",
        }),
    }
}

/// Which layers attend: `layer_types` says it; without them none does.
fn attends(config: &Config<'_>, n_layers: usize) -> Result<Vec<bool>, ConfigError> {
    let key = if config.has("layer_types") { "layer_types" } else { "layers_block_type" };
    let known =
        [("attention", true), ("full_attention", true), ("mamba", false), ("linear_attention", false)];
    let supported = "attention, full_attention, mamba, linear_attention";
    let said = kinds::of_layers(config, key, n_layers, &known, supported)?;
    Ok(said.unwrap_or_else(|| vec![false; n_layers]))
}

/// Sizes of a state space that no layer has.
fn pass_over_state_space(config: &Config<'_>) {
    config.pass_over(&[
        "mamba_n_heads",
        "mamba_d_head",
        "mamba_n_groups",
        "mamba_d_state",
        "mamba_d_conv",
        "mamba_expand",
        "mamba_chunk_size",
        "mamba_conv_bias",
        "mamba_proj_bias",
        "time_step_limit",
    ]);
}

/// Whether there are experts beside the MLP; what the config says of none means nothing.
fn has_experts(config: &Config<'_>) -> Result<bool, ConfigError> {
    let none = config.count("num_local_experts")? == Some(0);
    if none {
        config.pass_over(&["num_experts_per_tok", "intermediate_size"]);
    }
    Ok(!none)
}
