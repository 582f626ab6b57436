//! SmolLM 3.

use super::{
    Family,
    qwen::switched_window,
    shape::{Defaults, Shape},
};
use crate::{config::ConfigError, spec::Position};

pub(super) const FAMILY: Family = Family {
    model_types: &["smollm3"],
    models: "SmolLM 3",
    particulars: "every fourth layer has no positions at all; tied",
    resolve: |config, names, family| {
        let defaults = Defaults { theta: Some(2e6), ..Defaults::default() };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.tied_by_default = true;
        let interval = config.size_or("no_rope_layer_interval", 4)?;
        // The list says 1 where a layer does rotate.
        let rotates: Vec<bool> = match config.numbers("no_rope_layers")? {
            Some(list) => list.iter().map(|flag| *flag != 0.0).collect(),
            None => (0..shape.n_layers).map(|i| !(i + 1).is_multiple_of(interval)).collect(),
        };
        if rotates.len() != shape.n_layers {
            let what = format!("no_rope_layers has {} entries for {} layers", rotates.len(), shape.n_layers);
            return Err(ConfigError::Inconsistent { what });
        }
        shape.masks = config.masks(shape.n_layers, switched_window(config)?, |i| !rotates[i])?;
        for (position, rotates) in shape.positions.iter_mut().zip(&rotates) {
            if !rotates {
                *position = Position::None;
            }
        }
        shape.decoder(config, names)
    },
};
