//! Helium and dense ERNIE 4.5: Llama with interleaved rotation.

use super::{
    Family,
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::{config::Config, spec::NormSpec};

pub(super) const HELIUM: Family = Family {
    model_types: &["helium"],
    models: "Helium 1",
    particulars: "Llama with interleaved RoPE and norms that are rounded after the weight",
    resolve: |config, names, family| {
        let defaults = Defaults { theta: Some(1e5), eps: Epsilon::rms(1e-8), ..interleaved(config) };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.norm = |name, d, eps| NormSpec::rms(name, d, eps).rounded_last();
        shape.o_bias = false;
        shape.decoder(config, names)
    },
};

pub(super) const ERNIE4_5: Family = Family {
    model_types: &["ernie4_5"],
    models: "ERNIE 4.5 0.3B",
    particulars: "Llama with interleaved RoPE; one switch for all biases; tied",
    resolve: |config, names, family| {
        let defaults = Defaults { theta: Some(5e5), eps: Epsilon::rms(1e-5), ..interleaved(config) };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        let bias = config.flag("use_bias")?.unwrap_or(false);
        (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (bias, bias, bias);
        shape.tied_by_default = true;
        shape.decoder(config, names)
    },
};

fn interleaved(config: &Config<'_>) -> Defaults {
    Defaults {
        d_head: (!config.has("head_dim")).then_some(128),
        rotation: Rotation::Interleaved,
        ..Defaults::default()
    }
}
