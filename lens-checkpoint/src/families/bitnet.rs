//! BitNet.

use super::{
    Family,
    shape::{Defaults, Epsilon, Shape},
};
use crate::spec::{Activation, MlpSpec, NormSpec};

pub(super) const FAMILY: Family = Family {
    model_types: &["bitnet"],
    models: "BitNet b1.58 2B-4T in bf16 (the published packed files are quantised and refused)",
    particulars: "Llama with a norm on what all heads weigh, before the output projection, and one on the neurons; a squared ReLU",
    resolve: |config, names, family| {
        let defaults = Defaults {
            theta: Some(5e5),
            eps: Epsilon::rms(1e-5),
            activation: Some(Activation::ReluSquared),
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.mlp_bias = false;
        let mut spec = shape.decoder(config, names)?;
        for (i, attn) in spec.attentions_mut() {
            // As wide as the stream in the class, and as all heads together where the class runs at all.
            let width = shape.n_heads * shape.d_head;
            attn.z_norm = Some(NormSpec::rms(&shape.name(i, "self_attn.attn_sub_norm"), width, shape.eps));
        }
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            let mut mlp = shape.gated(&shape.name(i, "mlp"), shape.d_mlp);
            let norm = NormSpec::rms(&shape.name(i, "mlp.ffn_sub_norm"), shape.d_mlp, shape.eps);
            mlp.norm = Some(Box::new(norm));
            layer.mlp = MlpSpec::Gated(mlp);
        }
        Ok(spec)
    },
};
