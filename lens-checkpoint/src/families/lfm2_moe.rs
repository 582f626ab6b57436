//! LFM2 with experts.

use super::{
    Family,
    lfm2::hybrid,
    routed::{self, EXPERTS, Stored, correction, counts, router},
};
use crate::{
    config::ConfigError,
    spec::{ExpertsSpec, MlpSpec, RoutingSpec, Scores},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["lfm2_moe"],
    models: "LFM2 8B-A1B",
    particulars: "LFM2's convolutions and attention; experts by sigmoids with a correction after two dense layers",
    resolve: |config, names, family| {
        let (shape, mut spec) = hybrid(config, names, family, |_, width| Ok(width))?;
        let (n, per_token) = counts(config, shape.n_layers, EXPERTS)?;
        let d_mlp = config.required_size("moe_intermediate_size")?;
        let dense = config.count("num_dense_layers")?.unwrap_or(2);
        let on_by_default =
            |key| -> Result<bool, ConfigError> { Ok(config.flag(key)?.unwrap_or(!config.has(key))) };
        let (corrected, renormalise) = (on_by_default("use_expert_bias")?, on_by_default("norm_topk_prob")?);
        let factor = config.positive_or("routed_scaling_factor", 1.0)?;
        for (i, layer) in spec.layers.iter_mut().enumerate().skip(dense) {
            let block = shape.name(i, "feed_forward");
            let mut routing =
                RoutingSpec::new(router(names, &block, n, shape.d_model), per_token, Scores::Sigmoid);
            routing.correction = corrected.then(|| correction(names, &block, n));
            routing.factor = factor;
            let stored = Stored { parts: routed::MIXTRAL, ..Stored::new(&shape, &block, n, d_mlp) };
            layer.mlp = MlpSpec::Experts(Box::new(ExpertsSpec {
                routing: if renormalise { routing.renormalised(1e-6) } else { routing },
                experts: stored.experts(names),
                latent: None,
                shared: None,
            }));
        }
        Ok(spec)
    },
};
