//! Flint.

use super::{
    Family,
    qwen::head_norms,
    routed::{EXPERTS, Stored, counts, router, ungated},
    shape::{Defaults, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::{ExpertsSpec, Mask, MlpSpec, NormSpec, Param, Position, RoutingSpec, Scores},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["flint"],
    models: "Flint",
    particulars: "sinks; norms on query and key heads; layers that see everything have no positions; experts by sigmoids beside a \
                  shared one, after two dense layers",
    resolve: |config, names, family| {
        let defaults = Defaults { n_heads: Some(32), d_head: Some(128), ..Defaults::default() };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.mlp_bias = false;
        shape.norm = |name, d, eps| NormSpec::rms(name, d, eps).rounded_last();
        let window = config.size_or("sliding_window", 513)?;
        let last = shape.n_layers - 1;
        shape.masks = config.masks(shape.n_layers, Some(window), |i| i >= 2 && i % 4 != 1 && i != last)?;
        for (mask, position) in shape.masks.iter().zip(&mut shape.positions) {
            if *mask == Mask::Causal {
                *position = Position::None;
            }
        }
        let (n, per_token) = counts(config, shape.n_layers, EXPERTS)?;
        let d_mlp = config.size_or("moe_intermediate_size", 512)?;
        let d_shared = config.size_or("shared_expert_intermediate_size", 1024)?;
        let renormalise = config.flag("norm_topk_prob")?.unwrap_or(!config.has("norm_topk_prob"));
        let sparse = sparse(config, shape.n_layers)?;
        let mut spec = shape.decoder(config, names)?;
        head_norms(&shape, &mut spec);
        for (i, attn) in spec.attentions_mut() {
            // As it is saved, and as it is called in memory.
            let sinks = ["softmax_offset", "sinks"].map(|part| shape.name(i, &format!("self_attn.{part}")));
            let stored = sinks.iter().find(|name| names.has(name)).unwrap_or(&sinks[0]);
            attn.sinks = Some(Param::whole(stored, [shape.n_heads]));
        }
        for (i, layer) in spec.layers.iter_mut().enumerate().filter(|(i, _)| sparse[*i]) {
            let block = shape.name(i, "mlp");
            let routing =
                RoutingSpec::new(router(names, &block, n, shape.d_model), per_token, Scores::Sigmoid).wide();
            layer.mlp = MlpSpec::Experts(Box::new(ExpertsSpec {
                routing: if renormalise { routing.renormalised(0.0) } else { routing },
                experts: Stored::new(&shape, &block, n, d_mlp).experts(names),
                latent: None,
                shared: Some(ungated(names, &shape, &block, d_shared)),
            }));
        }
        Ok(spec)
    },
};

/// Which layers have experts: all but those of a list, and of these every so many.
fn sparse(config: &Config<'_>, n_layers: usize) -> Result<Vec<bool>, ConfigError> {
    let dense = config.numbers("mlp_only_layers")?.unwrap_or_else(|| vec![0.0, 1.0]);
    let step = config.size_or("decoder_sparse_step", 1)?;
    Ok((0..n_layers).map(|i| !dense.contains(&(i as f64)) && (i + 1).is_multiple_of(step)).collect())
}
