//! Command R (Cohere), Command R7B and A (Cohere 2), and the text model of North (Compass).

use std::sync::Arc;

use super::{
    Family, TensorNames,
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::{
    config::{Config, ConfigError, RopeQuery},
    spec::{DecoderSpec, Mask, NormSpec, Param, Position, QkNorm, QkScope, Wiring},
};

pub(super) const COHERE: Family = Family {
    model_types: &["cohere"],
    models: "Command R, Command R+, Aya",
    particulars: "parallel, layer norms without bias, interleaved RoPE, logits times logit_scale; optional norm per head",
    resolve: |config, names, family| {
        let shape = read(config, names, family)?;
        let mut spec = decoder(config, names, &shape)?;
        if config.flag("use_qk_norm")?.unwrap_or(false) {
            for (i, attn) in spec.attentions_mut() {
                let norm = |part: &str, n: usize| NormSpec {
                    weight: Some(Param::whole(format!("{}.weight", shape.name(i, part)), [n, shape.d_head])),
                    ..NormSpec::bare_layer(shape.eps)
                };
                attn.qk_norm = Some(QkNorm {
                    q: norm("self_attn.q_norm", shape.n_heads),
                    k: norm("self_attn.k_norm", shape.n_kv_heads),
                    scope: QkScope::Head,
                });
            }
        }
        Ok(spec)
    },
};

pub(super) const COHERE2: Family = Family {
    model_types: &["cohere2"],
    models: "Command R7B, Command A",
    particulars: "Cohere with three sliding layers that rotate to one full layer without positions",
    resolve: |config, names, family| {
        let mut shape = read(config, names, family)?;
        let pattern = match config.size("sliding_window_pattern")? {
            Some(pattern) => pattern,
            None => config.size_or("_sliding_window_pattern", 4)?,
        };
        let window = config.size_or("sliding_window", 4096)?;
        shape.masks = config.masks(shape.n_layers, Some(window), |i| !(i + 1).is_multiple_of(pattern))?;
        for (position, mask) in shape.positions.iter_mut().zip(&shape.masks) {
            if *mask == Mask::Causal {
                *position = Position::None;
            }
        }
        decoder(config, names, &shape)
    },
};

fn read(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<Shape, ConfigError> {
    let defaults = Defaults {
        eps: Epsilon::Key("layer_norm_eps", 1e-5),
        rotation: Rotation::Interleaved,
        ..Defaults::default()
    };
    read_with(config, names, family, &defaults)
}

pub(super) fn read_with(
    config: &Config<'_>,
    names: &TensorNames,
    family: &str,
    defaults: &Defaults,
) -> Result<Shape, ConfigError> {
    let mut shape = Shape::read_with(config, names, family, defaults)?;
    shape.norm = |name, d, eps| NormSpec::layer(name, d, eps, false);
    shape.mlp_bias = false;
    shape.tied_by_default = true;
    Ok(shape)
}

fn decoder(config: &Config<'_>, names: &TensorNames, shape: &Shape) -> Result<DecoderSpec, ConfigError> {
    let mut spec = parallel(config, names, shape)?;
    spec.readout.post.scale = config.positive_or("logit_scale", 0.0625)? as f32;
    Ok(spec)
}

/// The decoder with its branches side by side under one norm.
pub(super) fn parallel(
    config: &Config<'_>,
    names: &TensorNames,
    shape: &Shape,
) -> Result<DecoderSpec, ConfigError> {
    let mut spec = shape.decoder(config, names)?;
    for layer in &mut spec.layers {
        layer.wiring = Wiring::Parallel { mlp_norm: None };
    }
    Ok(spec)
}

pub(super) const COMPASS: Family = Family {
    model_types: &["cohere_compass_text"],
    models: "North (text part)",
    particulars: "Cohere 2 with a rotation for each kind of layer, or none; logits are scaled where the config says so",
    resolve: |config, names, family| {
        let defaults = Defaults {
            eps: Epsilon::Key("layer_norm_eps", 1e-5),
            rotation: Rotation::Own,
            ..Defaults::default()
        };
        let mut shape = read_with(config, names, family, &defaults)?;
        let window = config.size_or("sliding_window", 4096)?;
        shape.masks = config.masks(shape.n_layers, Some(window), |_| false)?;
        let of = |kind: &'static str, mask: fn(&Mask) -> bool| position(config, &shape, kind, mask);
        let full = of("full_attention", |mask| *mask == Mask::Causal)?;
        let sliding = of("sliding_attention", |mask| *mask != Mask::Causal)?;
        let masks = shape.masks.iter();
        shape.positions =
            masks.map(|mask| if *mask == Mask::Causal { full.clone() } else { sliding.clone() }).collect();
        let mut spec = parallel(config, names, &shape)?;
        spec.readout.post.scale = config.positive("logit_scale")?.unwrap_or(1.0) as f32;
        Ok(spec)
    },
};

/// How layers of a kind know positions: as the section of that name says, and not at all where it is null.
fn position(
    config: &Config<'_>,
    shape: &Shape,
    kind: &'static str,
    is_one: fn(&Mask) -> bool,
) -> Result<Position, ConfigError> {
    if !shape.masks.iter().any(is_one) {
        config.object("rope_parameters")?.iter().for_each(|kinds| kinds.pass_over(&[kind]));
        return Ok(Position::None);
    }
    let said = config.object("rope_parameters")?.filter(|kinds| kinds.keys().contains_key(kind));
    let Some(kinds) = said else {
        return Err(ConfigError::Missing { key: format!("rope_parameters.{kind}") });
    };
    if kinds.get(kind).is_none() {
        return Ok(Position::None);
    }
    let query = RopeQuery { layer_type: Some(kind), ..RopeQuery::new(shape.d_head, 1e4) };
    Ok(Position::Rotary(Arc::new(config.rope(&query)?)))
}
