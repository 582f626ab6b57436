//! K-EXAONE.

use super::{
    Family,
    qwen::head_norms,
    routed::{DeepSeek, Silence, by_kind, without_further_predictions},
    shape::{Defaults, Epsilon, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::{Mask, Position},
};

/// What the class has for keys that a config leaves out.
const SILENCE: Silence = Silence { groups: Some([1, 1]), renormalise: true, factor: 2.5, shared: Some(1) };

pub(super) const FAMILY: Family = Family {
    model_types: &["exaone_moe"],
    models: "K-EXAONE",
    particulars: "norms on query and key heads; layers that see everything have no positions; DeepSeek-V3's experts",
    resolve: |config, names, family| {
        let defaults = Defaults { eps: Epsilon::rms(1e-5), ..Defaults::default() };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (false, false, false);
        slide(config, &mut shape)?;
        let experts = DeepSeek::v3(config, &shape, &SILENCE)?;
        let sparse = by_kind(config, shape.n_layers, 1)?;
        let mut spec = shape.decoder(config, names)?;
        head_norms(&shape, &mut spec);
        experts.put_into(names, &shape, &sparse, &mut spec);
        without_further_predictions(config, names, &shape, &mut spec);
        Ok(spec)
    },
};

/// A window on all layers but every few; those without one have no positions, if there is a window at all.
fn slide(config: &Config<'_>, shape: &mut Shape) -> Result<(), ConfigError> {
    let window = config.size_unless_null("sliding_window", 4096)?;
    let full = match window.is_none() || config.keys().contains_key("layer_types") {
        true => {
            config.pass_over(&["sliding_window_pattern"]);
            1
        }
        false => config.size_or("sliding_window_pattern", 4)?,
    };
    shape.masks = config.masks(shape.n_layers, window, |i| !(i + 1).is_multiple_of(full))?;
    if window.is_some() {
        for (mask, position) in shape.masks.iter().zip(&mut shape.positions) {
            if *mask == Mask::Causal {
                *position = Position::None;
            }
        }
    }
    Ok(())
}
