//! GLM 4.

use super::{
    Family,
    shape::{Defaults, Shape},
};
use crate::{
    config::RopeQuery,
    spec::{MlpSpec, Pairing, Wiring},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["glm4"],
    models: "GLM-4-0414, GLM-Z1",
    particulars: "norms before and after each branch; half of each head rotates, interleaved; gate and up in one matrix",
    resolve: |config, names, family| {
        let defaults = Defaults { eps: Some(1.5625e-7), ..Defaults::default() };
        let shape = Shape::read_with(config, names, family, &defaults)?;
        let query =
            RopeQuery { partial: 0.5, pairing: Pairing::Interleaved, ..RopeQuery::new(shape.d_head, 1e4) };
        let mut shape = shape.rotary(config, &query)?;
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
