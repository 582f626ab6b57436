//! Mellum 2.

use serde_json::json;

use super::{
    Family,
    experts::of_softmax,
    kinds,
    qwen::head_norms,
    routed::{Stored, by_kind, without_further_predictions},
    shape::{Defaults, Rotation, Shape},
};
use crate::{config::RopeQuery, spec::MlpSpec};

pub(super) const FAMILY: Family = Family {
    model_types: &["mellum"],
    models: "Mellum 2",
    particulars: "Qwen 3's experts; layers with a window have a RoPE of their own",
    resolve: |config, names, family| {
        let kind = |theta: f64| json!({"rope_type": "default", "rope_theta": theta});
        let sections = json!({"full_attention": kind(5e5), "sliding_attention": kind(1e4)});
        let keys = kinds::with_sections(config, sections);
        let config = &config.standing_for(None, &keys);
        let defaults = Defaults { d_head: Some(128), rotation: Rotation::Own, ..Defaults::default() };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.mlp_bias = false;
        let window = config.size_unless_null("sliding_window", 1024)?;
        shape.masks = config.masks(shape.n_layers, window, |_| false)?;
        let query = RopeQuery::new(shape.d_head, 1e4).partial(1.0);
        shape.positions = kinds::positions(config, &shape.masks, query)?;
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
