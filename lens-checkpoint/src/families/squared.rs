//! Llama with a plain MLP of squared ReLUs: Arcee's AFM and Jais 2.

use super::{
    Family, TensorNames,
    shape::{Defaults, Epsilon, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::{Activation, DecoderSpec, NormSpec},
};

pub(super) const ARCEE: Family = Family {
    model_types: &["arcee"],
    models: "AFM-4.5B",
    particulars: "Llama with a plain MLP and a squared ReLU",
    resolve: |config, names, family| {
        let shape = read(config, names, family, Epsilon::rms(1e-5))?;
        decoder(config, names, &shape)
    },
};

pub(super) const JAIS2: Family = Family {
    model_types: &["jais2"],
    models: "Jais 2",
    particulars: "layer norms, a plain MLP with a squared ReLU, biases everywhere",
    resolve: |config, names, family| {
        let mut shape = read(config, names, family, Epsilon::Key("layer_norm_eps", 1e-5))?;
        shape.norm = |name, d, eps| NormSpec::layer(name, d, eps, true);
        let bias = config.flag("attention_bias")?.unwrap_or(true);
        (shape.qkv_bias, shape.o_bias) = (bias, bias);
        shape.mlp_bias = config.flag("mlp_bias")?.unwrap_or(true);
        decoder(config, names, &shape)
    },
};

fn read(config: &Config<'_>, names: &TensorNames, family: &str, eps: Epsilon) -> Result<Shape, ConfigError> {
    let defaults = Defaults { eps, activation: Some(Activation::ReluSquared), ..Defaults::default() };
    Shape::read_with(config, names, family, &defaults)
}

fn decoder(config: &Config<'_>, names: &TensorNames, shape: &Shape) -> Result<DecoderSpec, ConfigError> {
    let mut spec = shape.decoder(config, names)?;
    for (i, layer) in spec.layers.iter_mut().enumerate() {
        layer.mlp = shape.plain(&shape.name(i, "mlp"), ["up_proj", "down_proj"]);
    }
    Ok(spec)
}
