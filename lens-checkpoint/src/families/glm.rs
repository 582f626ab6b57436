//! GLM-4 in both its forms: without and with norms after the branches.

use super::{
    Family, TensorNames,
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::{DecoderSpec, MlpSpec, Pairing, Wiring},
};

pub(super) const GLM: Family = Family {
    model_types: &["glm"],
    models: "GLM-4-9B, GLM-Edge",
    particulars: "half of each head rotates, interleaved; gate and up in one matrix; biases on query, key and value",
    resolve: |config, names, family| {
        let mut shape = read(config, names, family, (!config.has("head_dim")).then_some(128))?;
        shape.qkv_bias = config.flag("attention_bias")?.unwrap_or(true);
        fused(config, names, &shape)
    },
};

pub(super) const GLM4: Family = Family {
    model_types: &["glm4"],
    models: "GLM-4-0414, GLM-Z1",
    particulars: "norms before and after each branch; half of each head rotates, interleaved; gate and up in one matrix",
    resolve: |config, names, family| {
        let shape = read(config, names, family, None)?;
        let mut spec = fused(config, names, &shape)?;
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            layer.attn_post_norm = Some(shape.layer_norm(i, "post_self_attn_layernorm"));
            layer.wiring =
                Wiring::Sequential { mlp_norm: Some(shape.layer_norm(i, "post_attention_layernorm")) };
            layer.mlp_post_norm = Some(shape.layer_norm(i, "post_mlp_layernorm"));
        }
        Ok(spec)
    },
};

fn read(
    config: &Config<'_>,
    names: &TensorNames,
    family: &str,
    d_head: Option<usize>,
) -> Result<Shape, ConfigError> {
    let defaults = Defaults {
        d_head,
        eps: Epsilon::rms(1.5625e-7),
        rotation: Rotation::Share(0.5, Pairing::Interleaved),
        ..Defaults::default()
    };
    let mut shape = Shape::read_with(config, names, family, &defaults)?;
    (shape.o_bias, shape.mlp_bias) = (false, false);
    Ok(shape)
}

/// The decoder, with gate and up in one matrix.
fn fused(config: &Config<'_>, names: &TensorNames, shape: &Shape) -> Result<DecoderSpec, ConfigError> {
    let mut spec = shape.decoder(config, names)?;
    for (i, layer) in spec.layers.iter_mut().enumerate() {
        layer.mlp = MlpSpec::Gated(shape.gated_fused(&shape.name(i, "mlp")));
    }
    Ok(spec)
}
