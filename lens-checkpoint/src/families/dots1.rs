//! dots.llm1.

use super::{
    Family,
    qwen::head_norms,
    routed::{DeepSeek, Silence, after_dense},
    shape::Shape,
};

/// What the class has for keys that a config leaves out.
const SILENCE: Silence = Silence { groups: Some([1, 1]), renormalise: false, factor: 1.0, shared: None };

pub(super) const FAMILY: Family = Family {
    model_types: &["dots1"],
    models: "dots.llm1",
    particulars: "Qwen 3's attention, optionally with a window from layer max_window_layers on; DeepSeek-V3's experts",
    resolve: |config, names, family| {
        let mut shape = Shape::read(config, names, family)?;
        shape.mlp_bias = false;
        let window = config.size_unless_null("sliding_window", 4096)?;
        let full = config.count("max_window_layers")?.unwrap_or(62);
        shape.masks = config.masks(shape.n_layers, window, |i| i >= full)?;
        let experts = DeepSeek::v3(config, &shape, &SILENCE)?;
        let sparse = after_dense(config, shape.n_layers, 0)?;
        let mut spec = shape.decoder(config, names)?;
        head_norms(&shape, &mut spec);
        experts.put_into(names, &shape, &sparse, &mut spec);
        Ok(spec)
    },
};
