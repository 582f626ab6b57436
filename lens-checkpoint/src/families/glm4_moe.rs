//! GLM 4.5 and 4.6, and Solar Open, which has the same experts.

use super::{
    Family,
    qwen::head_norms,
    routed::{DeepSeek, Silence, after_dense, without_further_predictions},
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::Pairing,
};

/// What both classes have for keys that a config leaves out.
const SILENCE: Silence = Silence { groups: Some([1, 1]), renormalise: true, factor: 1.0, shared: Some(1) };

pub(super) const GLM4_MOE: Family = Family {
    model_types: &["glm4_moe"],
    models: "GLM-4.5, GLM-4.5-Air, GLM-4.6",
    particulars: "DeepSeek-V3's experts after dense layers; half of each head rotates; optional norms on query and key heads",
    resolve: |config, names, family| {
        let defaults = Defaults {
            d_head: Some(rounded_head_width(config)?),
            eps: Epsilon::rms(1e-5),
            rotation: Rotation::Share(0.5, Pairing::HalfSplit),
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        (shape.o_bias, shape.mlp_bias) = (false, false);
        let experts = DeepSeek::v3(config, &shape, &SILENCE)?;
        let sparse = after_dense(config, shape.n_layers, 1)?;
        let mut spec = shape.decoder(config, names)?;
        if config.flag("use_qk_norm")?.unwrap_or(false) {
            head_norms(&shape, &mut spec);
        }
        experts.put_into(names, &shape, &sparse, &mut spec);
        without_further_predictions(config, names, &shape, &mut spec);
        Ok(spec)
    },
};

pub(super) const SOLAR_OPEN: Family = Family {
    model_types: &["solar_open"],
    models: "Solar Open 100B",
    particulars: "DeepSeek-V3's experts in every layer",
    resolve: |config, names, family| {
        let defaults = Defaults {
            d_head: Some(128),
            theta: Some(1e6),
            eps: Epsilon::rms(1e-5),
            mlp_key: Some("moe_intermediate_size"),
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        (shape.o_bias, shape.mlp_bias) = (false, false);
        let experts = DeepSeek::v3(config, &shape, &SILENCE)?;
        // No layer has an MLP of its own.
        config.pass_over(&["intermediate_size"]);
        let mut spec = shape.decoder(config, names)?;
        experts.put_into(names, &shape, &vec![true; shape.n_layers], &mut spec);
        Ok(spec)
    },
};

/// The width of a head where the config leaves it to arithmetic: rounded down, as in Python.
fn rounded_head_width(config: &Config<'_>) -> Result<usize, ConfigError> {
    let width = config.required_size("hidden_size")? / config.required_size("num_attention_heads")?;
    if width > 0 {
        return Ok(width);
    }
    Err(ConfigError::Inconsistent {
        what: "there are more attention heads than the width has dimensions".to_owned(),
    })
}
