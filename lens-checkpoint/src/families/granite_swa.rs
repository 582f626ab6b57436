//! Granite with windows: sinks in every layer, and a base of the rotation for each. With experts, or without.

use std::sync::Arc;

use super::{
    Family, TensorNames,
    granite::scaled,
    granitemoe::put_experts,
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::{
    config::{Config, ConfigError, RopeQuery},
    spec::{DecoderSpec, Param, Position, Rope},
};

pub(super) const GRANITE_SWA: Family = Family {
    model_types: &["granite_swa"],
    models: "Granite with sliding windows",
    particulars: "Granite with sinks; three sliding layers after each full one; each layer rotates with a base of its own, or not at all",
    resolve: |config, names, family| {
        let mut shape = read(config, names, family, Epsilon::rms(1e-5))?;
        shape.tied_by_default = true;
        decoder(config, names, &shape)
    },
};

pub(super) const GRANITEMOE_SWA: Family = Family {
    model_types: &["granitemoe_swa"],
    models: "Granite with sliding windows and experts",
    particulars: "Granite's experts; sinks; three sliding layers after each full one; each layer rotates with a base of its own, or not at all",
    resolve: |config, names, family| {
        let mut shape = read(config, names, family, Epsilon::default())?;
        shape.mlp_bias = false;
        let shared = config.count("shared_intermediate_size")?.filter(|width| *width > 0);
        let mut spec = decoder(config, names, &shape)?;
        put_experts(config, names, &shape, shared, &mut spec)?;
        Ok(spec)
    },
};

/// The shape, with what each layer sees and how it rotates.
fn read(config: &Config<'_>, names: &TensorNames, family: &str, eps: Epsilon) -> Result<Shape, ConfigError> {
    let defaults = Defaults { eps, rotation: Rotation::Own, ..Defaults::default() };
    let mut shape = Shape::read_with(config, names, family, &defaults)?;
    shape.scale = config.positive_or("attention_multiplier", 1.0)?;
    let window = config.size_or("sliding_window", 128)?;
    shape.masks = config.masks(shape.n_layers, Some(window), |i| !i.is_multiple_of(4))?;
    shape.positions = positions(config, &shape)?;
    Ok(shape)
}

/// The decoder, with its sinks and factors.
fn decoder(config: &Config<'_>, names: &TensorNames, shape: &Shape) -> Result<DecoderSpec, ConfigError> {
    let mut spec = scaled(config, names, shape)?;
    for (i, attn) in spec.attentions_mut() {
        attn.sinks = Some(Param::whole(shape.name(i, "self_attn.sinks"), [shape.n_heads]));
    }
    spec.readout.post.scale = 1.0 / config.positive_or("logits_scaling", 1.0)? as f32;
    Ok(spec)
}

/// Each layer's rotation: that of the config, with the base that the layer is given; a base of zero is none.
fn positions(config: &Config<'_>, shape: &Shape) -> Result<Vec<Position>, ConfigError> {
    let rope = config.rope(&RopeQuery::new(shape.d_head, 1e4))?;
    let Some(bases) = config.numbers("layer_rope_theta")? else {
        return Ok(vec![Position::Rotary(Arc::new(rope)); shape.n_layers]);
    };
    if bases.len() != shape.n_layers || bases.iter().any(|base| *base != 0.0 && *base < 1.0) {
        let least = bases.iter().copied().fold(f64::INFINITY, f64::min);
        let what = format!(
            "layer_rope_theta needs {} numbers, each 0 or from 1; it has {}, the least {least}",
            shape.n_layers,
            bases.len()
        );
        return Err(ConfigError::Inconsistent { what });
    }
    let mut shared: Vec<Arc<Rope>> = Vec::new();
    let mut of = |base: f64| {
        if base == 0.0 {
            return Position::None;
        }
        let known = shared.iter().find(|known| known.theta == base).cloned();
        let rope = known.unwrap_or_else(|| {
            let mut own = rope.clone();
            own.theta = base;
            shared.push(Arc::new(own));
            Arc::clone(&shared[shared.len() - 1])
        });
        Position::Rotary(rope)
    };
    Ok(bases.into_iter().map(&mut of).collect())
}
