//! Mistral, and Ministral with its windows layer by layer.

use serde_json::json;

use super::{
    Family,
    keys::with_rotation,
    shape::{Defaults, Epsilon, Shape},
};
use crate::spec::QueryGrowth;

pub(super) const FAMILY: Family = Family {
    model_types: &["mistral"],
    models: "Mistral 7B, Nemo, Small, Large",
    particulars: "one window for all layers, or none; head_dim of its own",
    resolve: |config, names, family| {
        let mut shape = Shape::read(config, names, family)?;
        // null means no window; an absent key means the default of the class.
        let window = config.size_unless_null("sliding_window", 4096)?;
        (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (false, false, false);
        shape.masks = config.one_window(shape.n_layers, window);
        shape.decoder(config, names)
    },
};

pub(super) const MINISTRAL: Family = Family {
    model_types: &["ministral"],
    models: "Ministral 8B",
    particulars: "Mistral with a window on the layers that layer_types names, or on all",
    resolve: |config, names, family| {
        let mut shape = Shape::read(config, names, family)?;
        let window = config.size_unless_null("sliding_window", 4096)?;
        (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (false, false, false);
        shape.masks = config.masks(shape.n_layers, window, |_| true)?;
        shape.decoder(config, names)
    },
};

pub(super) const MINISTRAL3: Family = Family {
    model_types: &["ministral3"],
    models: "Ministral 3",
    particulars: "Mistral, and past the original context queries grow with their position",
    resolve: |config, names, family| {
        let keys = with_rotation(
            config,
            json!({
                "rope_type": "yarn", "rope_theta": 1e6, "factor": 16.0, "original_max_position_embeddings": 16384,
                "beta_fast": 32.0, "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.1
            }),
        );
        let config = &config.standing_for(None, &keys);
        let defaults = Defaults {
            d_head: (!config.has("head_dim")).then_some(128),
            eps: Epsilon::rms(1e-5),
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (false, false, false);
        shape.masks = config.one_window(shape.n_layers, config.size("sliding_window")?);
        let growth = match config.object("rope_parameters")?.or(config.object("rope_scaling")?) {
            None => None,
            Some(rotation) => Some(QueryGrowth {
                slope: rotation.required_number("llama_4_scaling_beta")?,
                every: rotation.required_size("original_max_position_embeddings")?,
                shift: 0,
            }),
        };
        let mut spec = shape.decoder(config, names)?;
        spec.attentions_mut().for_each(|(_, attn)| attn.growth = growth);
        Ok(spec)
    },
};
