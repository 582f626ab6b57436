//! StarCoder 2.

use super::{Family, shape::Shape};
use crate::spec::{Activation, LinearSpec, MlpSpec, NormSpec};

pub(super) const FAMILY: Family = Family {
    model_types: &["starcoder2"],
    models: "StarCoder 2",
    particulars: "layer norms, a plain MLP, biases everywhere, optionally one window for all layers",
    resolve: |config, names, family| {
        let mut shape = Shape::read(config, names, family)?;
        let bias = config.flag("use_bias")?.unwrap_or(true);
        shape.eps = config.positive("norm_epsilon")?.unwrap_or(1e-5);
        shape.norm = |name, d, eps| NormSpec::layer(name, d, eps, true);
        (shape.qkv_bias, shape.o_bias) = (bias, bias);
        shape.masks = config.masks(shape.n_layers, config.size("sliding_window")?, |_| true)?;
        shape.tied_by_default = true;
        let activation = config.activation("hidden_act", Activation::GeluTanh)?;
        let mut spec = shape.decoder(config, names)?;
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            layer.mlp = MlpSpec::Plain {
                activation,
                up: LinearSpec::new(&shape.name(i, "mlp.c_fc"), shape.d_mlp, shape.d_model, bias),
                down: LinearSpec::new(&shape.name(i, "mlp.c_proj"), shape.d_model, shape.d_mlp, bias),
            };
        }
        Ok(spec)
    },
};
