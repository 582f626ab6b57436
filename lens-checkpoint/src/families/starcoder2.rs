//! StarCoder 2.

use super::{
    Family,
    shape::{Defaults, Epsilon, Shape},
};
use crate::spec::{Activation, LinearSpec, MlpSpec, NormSpec};

pub(super) const FAMILY: Family = Family {
    model_types: &["starcoder2"],
    models: "StarCoder 2",
    particulars: "layer norms, a plain MLP, biases everywhere, optionally one window for all layers",
    resolve: |config, names, family| {
        let defaults = Defaults {
            eps: Epsilon::Key("norm_epsilon", 1e-5),
            activation: Some(Activation::GeluTanh),
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        let bias = config.flag("use_bias")?.unwrap_or(true);
        shape.norm = |name, d, eps| NormSpec::layer(name, d, eps, true);
        (shape.qkv_bias, shape.o_bias) = (bias, bias);
        shape.masks = config.one_window(shape.n_layers, config.size("sliding_window")?);
        shape.tied_by_default = true;
        let mut spec = shape.decoder(config, names)?;
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            layer.mlp = MlpSpec::plain(
                shape.activation,
                LinearSpec::new(&shape.name(i, "mlp.c_fc"), shape.d_mlp, shape.d_model, bias),
                LinearSpec::new(&shape.name(i, "mlp.c_proj"), shape.d_model, shape.d_mlp, bias),
            );
        }
        Ok(spec)
    },
};
