//! Granite.

use super::{Family, TensorNames, shape::Shape};
use crate::{
    config::{Config, ConfigError},
    spec::{DecoderSpec, EmbedScale},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["granite"],
    models: "Granite 3",
    particulars: "four multipliers: on the embedding, the scores, both branches, and (dividing) the logits",
    resolve: |config, names, family| {
        let mut shape = Shape::read(config, names, family)?;
        shape.scale = config.positive_or("attention_multiplier", 1.0)?;
        let mut spec = scaled(config, names, &shape)?;
        spec.readout.post.scale = 1.0 / config.positive_or("logits_scaling", 1.0)? as f32;
        Ok(spec)
    },
};

/// The decoder, with factors on the embedding and on both branches.
pub(super) fn scaled(
    config: &Config<'_>,
    names: &TensorNames,
    shape: &Shape,
) -> Result<DecoderSpec, ConfigError> {
    for key in ["embedding_multiplier", "residual_multiplier"] {
        config.refuse_null(key, "a finite number")?;
    }
    let mut spec = shape.decoder(config, names)?;
    spec.embed.scale = config.number("embedding_multiplier")?.map(EmbedScale::Factor);
    let multiplier = config.number("residual_multiplier")?;
    for layer in &mut spec.layers {
        layer.multiplier = multiplier;
    }
    Ok(spec)
}
