//! Nemotron and Minitron.

use super::{
    Family,
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::config::{Config, ConfigError};
use crate::spec::{Activation, NormSpec, Pairing, Rope, RopeScaling};

pub(super) const FAMILY: Family = Family {
    model_types: &["nemotron"],
    models: "Nemotron 3 and 4, Minitron",
    particulars: "layer norms around one, a plain MLP with a squared ReLU, half of each head rotates",
    resolve: |config, names, family| {
        let defaults = Defaults {
            eps: Epsilon::Key("norm_eps", 1e-5),
            activation: Some(Activation::ReluSquared),
            rotation: Rotation::Share(0.5, Pairing::HalfSplit),
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.norm = |name, d, eps| NormSpec::layer(name, d, eps, true).around_one();
        let mut spec = shape.decoder(config, names)?;
        let stretched = |rope: &Rope| rope.scaling != RopeScaling::Default;
        if spec.layers.iter().filter_map(|layer| layer.mixer.rope()).any(|rope| stretched(rope)) {
            refuse_older_stretch(config)?;
        }
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            layer.mlp = shape.plain(&shape.name(i, "mlp"), ["up_proj", "down_proj"]);
        }
        Ok(spec)
    },
};

/// Transformers 4 leaves `rope_scaling` out in this family, and 5 applies it: nobody can say what such a file means.
/// `rope_parameters` is of the newer alone.
fn refuse_older_stretch(config: &Config<'_>) -> Result<(), ConfigError> {
    let Some(scaling) = config.object("rope_scaling")? else { return Ok(()) };
    Err(ConfigError::Unsupported {
        key: config.name("rope_scaling"),
        value: serde_json::Value::from(scaling.keys().clone()).to_string(),
        supported: "null; transformers 4 leaves it out in this family and 5 applies it: where it is meant, write it as \
                    rope_parameters",
    })
}
