//! Mistral.

use super::{Family, shape::Shape};

pub(super) const FAMILY: Family = Family {
    model_types: &["mistral"],
    models: "Mistral 7B, Nemo, Small, Large",
    particulars: "one window for all layers, or none; head_dim of its own",
    resolve: |config, names, family| {
        let mut shape = Shape::read(config, names, family)?;
        (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (false, false, false);
        shape.masks = config.masks(shape.n_layers, config.size("sliding_window")?, |_| true)?;
        shape.decoder(config, names)
    },
};
