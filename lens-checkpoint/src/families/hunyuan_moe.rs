//! Hunyuan with experts.

use super::{
    Family,
    hunyuan::normed_after_rotation,
    routed::{Stored, few_enough, plausible_experts, router, ungated},
};
use crate::{
    config::{Config, ConfigError},
    spec::{ExpertsSpec, MlpSpec, RoutingSpec, Scores},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["hunyuan_v1_moe"],
    models: "Hunyuan A13B",
    particulars: "Hunyuan's norms after the rotation; experts by a softmax in every layer, beside a shared one",
    resolve: |config, names, family| {
        let (shape, mut spec) = normed_after_rotation(config, names, family)?;
        let n = plausible_experts(one_for_all(config, "num_experts", 1)?, shape.n_layers)?;
        let per_token = one_for_all(config, "moe_topk", 1)?;
        few_enough(per_token, n)?;
        // Experts are as wide as the config's MLP and one of them is shared, whatever these say; tensors show the rest.
        config.pass_over(&["moe_intermediate_size", "num_shared_expert"]);
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            let block = shape.name(i, "mlp");
            let routing =
                RoutingSpec::new(router(names, &block, n, shape.d_model), per_token, Scores::Softmax);
            layer.mlp = MlpSpec::Experts(Box::new(ExpertsSpec {
                routing: routing.renormalised(0.0),
                experts: Stored::new(&shape, &block, n, shape.d_mlp).experts(names),
                latent: None,
                shared: Some(ungated(names, &shape, &block, shape.d_mlp)),
            }));
        }
        Ok(spec)
    },
};

/// A size that the config may name once, or in a list for each layer, where all must be the same.
fn one_for_all(config: &Config<'_>, key: &'static str, silence: usize) -> Result<usize, ConfigError> {
    if !config.keys().get(key).is_some_and(serde_json::Value::is_array) {
        return config.size_or(key, silence);
    }
    let list = config.numbers(key)?.unwrap_or_default();
    let size = |number: &f64| number.fract() == 0.0 && (1.0..=1e6).contains(number);
    match list.first().filter(|first| list.iter().all(|number| number == *first)).filter(|first| size(first))
    {
        Some(first) => Ok(*first as usize),
        None => Err(ConfigError::Unsupported {
            key: config.name(key),
            value: "a list of different numbers".to_owned(),
            supported: "one number for all layers",
        }),
    }
}
