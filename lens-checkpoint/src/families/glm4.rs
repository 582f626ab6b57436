//! GLM 4.

use super::{
    Family,
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::spec::{MlpSpec, Pairing, Wiring};

pub(super) const FAMILY: Family = Family {
    model_types: &["glm4"],
    models: "GLM-4-0414, GLM-Z1",
    particulars: "norms before and after each branch; half of each head rotates, interleaved; gate and up in one matrix",
    resolve: |config, names, family| {
        let defaults = Defaults {
            eps: Epsilon::rms(1.5625e-7),
            rotation: Rotation::Share(0.5, Pairing::Interleaved),
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        (shape.o_bias, shape.mlp_bias) = (false, false);
        let mut spec = shape.decoder(config, names)?;
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            layer.attn_post_norm = Some(shape.layer_norm(i, "post_self_attn_layernorm"));
            layer.wiring =
                Wiring::Sequential { mlp_norm: Some(shape.layer_norm(i, "post_attention_layernorm")) };
            layer.mlp_post_norm = Some(shape.layer_norm(i, "post_mlp_layernorm"));
            layer.mlp = MlpSpec::Gated(shape.gated_fused(&shape.name(i, "mlp")));
        }
        Ok(spec)
    },
};
