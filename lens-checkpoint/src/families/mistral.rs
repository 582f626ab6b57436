//! Mistral.

use super::{Family, shape::Shape};

pub(super) const FAMILY: Family = Family {
    model_types: &["mistral"],
    models: "Mistral 7B, Nemo, Small, Large",
    particulars: "one window for all layers, or none; head_dim of its own",
    resolve: |config, names, family| {
        let mut shape = Shape::read(config, names, family)?;
        // null means no window; an absent key means the default of the class.
        let window = config.size_unless_null("sliding_window", 4096)?;
        (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (false, false, false);
        shape.masks = config.one_window(shape.n_layers, window);
        shape.decoder(config, names)
    },
};
