//! Mellum 2.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Family,
    experts::of_softmax,
    qwen::head_norms,
    routed::{Stored, by_kind, without_further_predictions},
    shape::{Defaults, Rotation, Shape},
};
use crate::{
    config::RopeQuery,
    spec::{Mask, MlpSpec, Position},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["mellum"],
    models: "Mellum 2",
    particulars: "Qwen 3's experts; layers with a window have a RoPE of their own",
    resolve: |config, names, family| {
        let mut keys = config.keys().clone();
        if keys.get("rope_parameters").is_none_or(Value::is_null) {
            let kind = |theta: f64| json!({"rope_type": "default", "rope_theta": theta});
            let kinds = json!({"full_attention": kind(5e5), "sliding_attention": kind(1e4)});
            keys.insert("rope_parameters".to_owned(), kinds);
        }
        let config = &config.standing_for(None, &keys);
        let defaults = Defaults { d_head: Some(128), rotation: Rotation::Own, ..Defaults::default() };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.mlp_bias = false;
        let window = config.size_unless_null("sliding_window", 1024)?;
        shape.masks = config.masks(shape.n_layers, window, |_| false)?;
        let rope = |layer_type| {
            let query =
                RopeQuery { layer_type: Some(layer_type), ..RopeQuery::new(shape.d_head, 1e4).partial(1.0) };
            config.rope(&query).map(Arc::new)
        };
        let slides = shape.masks.iter().any(|mask| *mask != Mask::Causal);
        let full = if shape.masks.contains(&Mask::Causal) { Some(rope("full_attention")?) } else { None };
        let sliding = if slides { Some(rope("sliding_attention")?) } else { None };
        if let Some(kinds) = config.object("rope_parameters")? {
            // A kind that no layer has.
            for (kind, rope) in [("full_attention", &full), ("sliding_attention", &sliding)] {
                if rope.is_none() {
                    kinds.pass_over(&[kind]);
                }
            }
        }
        let position = |mask: &Mask| {
            let rope = if *mask == Mask::Causal { &full } else { &sliding };
            rope.as_ref().map_or(Position::None, |rope| Position::Rotary(Arc::clone(rope)))
        };
        shape.positions = shape.masks.iter().map(position).collect();
        let sparse = by_kind(config, shape.n_layers, 0)?;
        let renormalise = config.flag("norm_topk_prob")?.unwrap_or(!config.has("norm_topk_prob"));
        let d_mlp = config.required_size("moe_intermediate_size")?;
        let mut spec = shape.decoder(config, names)?;
        head_norms(&shape, &mut spec);
        for (i, layer) in spec.layers.iter_mut().enumerate().filter(|(i, _)| sparse[*i]) {
            let block = shape.name(i, "mlp");
            let stored = |n| Stored::new(&shape, &block, n, d_mlp);
            layer.mlp = MlpSpec::Experts(Box::new(of_softmax(config, names, &shape, stored, renormalise)?));
        }
        config.pass_over(&["mtp_layer_types", "mtp_mlp_layer_types", "num_mtp_layers"]);
        without_further_predictions(config, names, &shape, &mut spec);
        Ok(spec)
    },
};
