//! OLMo 1, 2 and 3.

use std::sync::Arc;

use super::{
    Family, TensorNames,
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::{
    config::{Config, ConfigError, RopeQuery},
    spec::{DecoderSpec, Mask, NormSpec, Position, QkNorm, QkScope, RopeScaling, Wiring},
};

pub(super) const OLMO: Family = Family {
    model_types: &["olmo"],
    models: "OLMo 1",
    particulars: "layer norms without weights; queries, keys and values clipped",
    resolve: |config, names, family| {
        let defaults = Defaults { eps: Epsilon::Fixed(1e-5), ..Defaults::default() };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        config.pass_over_number("rms_norm_eps", shape.eps);
        shape.norm = |_, _, eps| NormSpec::bare_layer(eps);
        shape.mlp_bias = false;
        let clip = config.positive("clip_qkv")?;
        let mut spec = shape.decoder(config, names)?;
        spec.attentions_mut().for_each(|(_, attn)| attn.clip = clip);
        Ok(spec)
    },
};

pub(super) const OLMO2: Family = Family {
    model_types: &["olmo2"],
    models: "OLMo 2",
    particulars: "no norm before a branch, one after it; norms on all query and key heads together",
    resolve: |config, names, family| {
        let shape = read(config, names, family, Rotation::Whole)?;
        post_normed(config, names, &shape)
    },
};

pub(super) const OLMO3: Family = Family {
    model_types: &["olmo3"],
    models: "OLMo 3",
    particulars: "OLMo 2 with three sliding layers to one full; only full ones stretch their RoPE",
    resolve: |config, names, family| {
        let mut shape = read(config, names, family, Rotation::Own)?;
        let window = config.size_or("sliding_window", 4096)?;
        shape.masks = config.masks(shape.n_layers, Some(window), |i| !(i + 1).is_multiple_of(4))?;
        let rope = |layer_type| {
            config.rope(&RopeQuery { layer_type: Some(layer_type), ..RopeQuery::new(shape.d_head, 1e4) })
        };
        let (full, mut sliding) = (rope("full_attention")?, rope("sliding_attention")?);
        if config.object("rope_scaling")?.is_some() {
            sliding.scaling = RopeScaling::Default;
        }
        let (full, sliding) = (Arc::new(full), Arc::new(sliding));
        let masks = shape.masks.iter();
        shape.positions = masks
            .map(|mask| match mask {
                Mask::Causal => Position::Rotary(Arc::clone(&full)),
                Mask::Sliding { .. } | Mask::Chunked { .. } => Position::Rotary(Arc::clone(&sliding)),
            })
            .collect();
        post_normed(config, names, &shape)
    },
};

fn read(
    config: &Config<'_>,
    names: &TensorNames,
    family: &str,
    rotation: Rotation,
) -> Result<Shape, ConfigError> {
    let defaults = Defaults { eps: Epsilon::rms(1e-5), rotation, ..Defaults::default() };
    let mut shape = Shape::read_with(config, names, family, &defaults)?;
    shape.norm = |name, d, eps| NormSpec::rms(name, d, eps).rounded_last();
    shape.mlp_bias = false;
    Ok(shape)
}

/// Norms after the branches, and on all query and key heads together.
fn post_normed(config: &Config<'_>, names: &TensorNames, shape: &Shape) -> Result<DecoderSpec, ConfigError> {
    let mut spec = shape.decoder(config, names)?;
    norms_after_branches(shape, &mut spec);
    norms_over_heads(shape, &mut spec);
    Ok(spec)
}

/// A norm on all query heads together, and one on all key heads.
pub(super) fn norms_over_heads(shape: &Shape, spec: &mut DecoderSpec) {
    for (i, attn) in spec.attentions_mut() {
        let heads = |part: &str, n: usize| (shape.norm)(&shape.name(i, part), n * shape.d_head, shape.eps);
        attn.qk_norm = Some(QkNorm {
            q: heads("self_attn.q_norm", shape.n_heads),
            k: heads("self_attn.k_norm", shape.n_kv_heads),
            scope: QkScope::AllHeads,
        });
    }
}

/// A norm after each branch, before its sum with the stream, and none before it.
pub(super) fn norms_after_branches(shape: &Shape, spec: &mut DecoderSpec) {
    for (i, layer) in spec.layers.iter_mut().enumerate() {
        layer.attn_norm = None;
        layer.attn_post_norm = Some(shape.layer_norm(i, "post_attention_layernorm"));
        layer.wiring = Wiring::Sequential { mlp_norm: None };
        layer.mlp_post_norm = Some(shape.layer_norm(i, "post_feedforward_layernorm"));
    }
}
