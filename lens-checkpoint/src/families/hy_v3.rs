//! Hunyuan 3.

use super::{
    Family,
    qwen::head_norms,
    routed::{EXPERTS, Stored, by_kind, correction, counts, router, shared_width, ungated},
    shape::{Defaults, Epsilon, Shape},
};
use crate::spec::{ExpertsSpec, MlpSpec, RoutingSpec, Scores};

pub(super) const FAMILY: Family = Family {
    model_types: &["hy_v3"],
    models: "Hunyuan 3",
    particulars: "norms on query and key heads; DeepSeek-V3's experts without groups after one dense layer",
    resolve: |config, names, family| {
        let defaults = Defaults {
            d_head: Some(128),
            theta: Some(11_158_840.0),
            eps: Epsilon::rms(1e-5),
            ..Defaults::default()
        };
        let shape = Shape::read_with(config, names, family, &defaults)?;
        let (n, per_token) = counts(config, shape.n_layers, EXPERTS)?;
        let d_mlp = config.required_size("moe_intermediate_size")?;
        let d_shared = shared_width(config, d_mlp, Some(1))?;
        let factor = config.positive_or("router_scaling_factor", 2.826)?;
        let sparse = by_kind(config, shape.n_layers, 1)?;
        // Sums of two values of a dtype are the same in float32, once they are rounded.
        config.pass_over(&["enable_moe_fp32_combine"]);
        let mut spec = shape.decoder(config, names)?;
        head_norms(&shape, &mut spec);
        for (i, layer) in spec.layers.iter_mut().enumerate().filter(|(i, _)| sparse[*i]) {
            let block = shape.name(i, "mlp");
            let routing =
                RoutingSpec::new(router(names, &block, n, shape.d_model), per_token, Scores::Sigmoid);
            layer.mlp = MlpSpec::Experts(Box::new(ExpertsSpec {
                routing: RoutingSpec {
                    correction: Some(correction(names, &block, n)),
                    factor,
                    ..routing.wide().renormalised(1e-20)
                },
                experts: Stored::new(&shape, &block, n, d_mlp).experts(names),
                latent: None,
                shared: d_shared.map(|d_mlp| ungated(names, &shape, &block, d_mlp)),
            }));
        }
        Ok(spec)
    },
};
