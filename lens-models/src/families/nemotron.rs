//! Nemotron and Minitron.

use super::{Family, shape::Shape};
use crate::{
    config::RopeQuery,
    spec::{Activation, LinearSpec, MlpSpec, NormSpec},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["nemotron"],
    models: "Nemotron 3 and 4, Minitron",
    particulars: "layer norms around one, a plain MLP with a squared ReLU, half of each head rotates",
    resolve: |config, names, family| {
        let shape = Shape::read(config, names, family)?;
        let query = RopeQuery { partial: 0.5, ..RopeQuery::new(shape.d_head, 1e4) };
        let mut shape = shape.rotary(config, &query)?;
        shape.eps = config.positive("norm_eps")?.unwrap_or(1e-5);
        shape.norm = |name, d, eps| NormSpec::layer(name, d, eps, true).around_one();
        let activation = config.activation("hidden_act", Activation::ReluSquared)?;
        let mut spec = shape.decoder(config, names)?;
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            let (d_model, d_mlp, bias) = (shape.d_model, shape.d_mlp, shape.mlp_bias);
            layer.mlp = MlpSpec::Plain {
                activation,
                up: LinearSpec::new(&shape.name(i, "mlp.up_proj"), d_mlp, d_model, bias),
                down: LinearSpec::new(&shape.name(i, "mlp.down_proj"), d_model, d_mlp, bias),
            };
        }
        Ok(spec)
    },
};
