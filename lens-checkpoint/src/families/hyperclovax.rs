//! HyperCLOVA X: Granite with norms after the branches.

use super::{Family, granite::scaled, shape::Shape};

pub(super) const FAMILY: Family = Family {
    model_types: &["hyperclovax"],
    models: "HyperCLOVA X SEED Think",
    particulars: "Granite with a norm after each branch as well; logits times logits_scaling",
    resolve: |config, names, family| {
        let mut shape = Shape::read(config, names, family)?;
        if let Some(factor) = config.positive("attention_multiplier")? {
            shape.scale = factor;
        }
        let mut spec = scaled(config, names, &shape)?;
        if config.flag("use_post_norm")?.unwrap_or(true) {
            for (i, layer) in spec.layers.iter_mut().enumerate() {
                layer.attn_post_norm = Some(shape.layer_norm(i, "post_norm1"));
                layer.mlp_post_norm = Some(shape.layer_norm(i, "post_norm2"));
            }
        }
        spec.readout.post.scale = config.positive_or("logits_scaling", 1.0)? as f32;
        Ok(spec)
    },
};
