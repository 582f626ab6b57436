//! Mixtures of experts in Llama's block: Mixtral, Qwen 2 MoE and Qwen 3 MoE.

use super::{
    Family, TensorNames,
    qwen::{head_norms, switched_window},
    routed::{self, EXPERTS, Stored, counts},
    shape::{Defaults, Epsilon, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::{DecoderSpec, ExpertsSpec, LinearSpec, MlpSpec, RoutingSpec, Scores, SharedExpert},
};

pub(super) const MIXTRAL: Family = Family {
    model_types: &["mixtral"],
    models: "Mixtral 8x7B, 8x22B",
    particulars: "experts in every layer, weights of the chosen ones sum to one; both layouts on disk",
    resolve: |config, names, family| {
        let defaults = Defaults { theta: Some(1e6), eps: Epsilon::rms(1e-5), ..Defaults::default() };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (false, false, false);
        shape.masks = config.one_window(shape.n_layers, config.size("sliding_window")?);
        let mut spec = shape.decoder(config, names)?;
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            let block = routed::sparse_block(names, &shape, i);
            let stored = |n| Stored { parts: routed::MIXTRAL, ..Stored::new(&shape, &block, n, shape.d_mlp) };
            layer.mlp = MlpSpec::Experts(Box::new(of_softmax(config, names, &shape, stored, true)?));
        }
        Ok(spec)
    },
};

pub(super) const QWEN2_MOE: Family = Family {
    model_types: &["qwen2_moe"],
    models: "Qwen1.5-MoE, Qwen2-57B-A14B",
    particulars: "experts beside a gated shared one; dense layers among sparse ones; both layouts on disk",
    resolve: |config, names, family| {
        let mut shape = Shape::read(config, names, family)?;
        shape.qkv_bias = config.flag("qkv_bias")?.unwrap_or(true);
        (shape.o_bias, shape.mlp_bias) = (false, false);
        slide_everywhere(config, &mut shape)?;
        let mut spec = shape.decoder(config, names)?;
        let shared = config.required_size("shared_expert_intermediate_size")?;
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            let Some(mut mlp) = qwen_experts(config, names, &shape, i)? else { continue };
            let block = shape.name(i, "mlp");
            mlp.shared = Some(SharedExpert {
                mlp: shape.gated(&format!("{block}.shared_expert"), shared).into(),
                gate: Some(LinearSpec::new(&format!("{block}.shared_expert_gate"), 1, shape.d_model, false)),
            });
            layer.mlp = MlpSpec::Experts(mlp);
        }
        pass_over_experts_of_none(config, &spec);
        Ok(spec)
    },
};

pub(super) const QWEN3_MOE: Family = Family {
    model_types: &["qwen3_moe"],
    models: "Qwen3-30B-A3B, Qwen3-235B-A22B",
    particulars: "Qwen 3 with experts; dense layers among sparse ones; both layouts on disk",
    resolve: |config, names, family| {
        let mut shape = Shape::read(config, names, family)?;
        slide_everywhere(config, &mut shape)?;
        let mut spec = shape.decoder(config, names)?;
        head_norms(&shape, &mut spec);
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            if let Some(mlp) = qwen_experts(config, names, &shape, i)? {
                layer.mlp = MlpSpec::Experts(mlp);
            }
        }
        pass_over_experts_of_none(config, &spec);
        Ok(spec)
    },
};

/// A window for all layers, if it is switched on. Files that mean something else have `layer_types`; in transformers 4,
/// which writes none, `max_window_layers` says nothing about models with experts.
fn slide_everywhere(config: &Config<'_>, shape: &mut Shape) -> Result<(), ConfigError> {
    let window = switched_window(config)?;
    shape.masks = config.masks(shape.n_layers, window, |_| true)?;
    Ok(())
}

/// Where `mlp_only_layers` or `decoder_sparse_step` leave all layers dense, what the config says of experts means
/// nothing.
fn pass_over_experts_of_none(config: &Config<'_>, spec: &DecoderSpec) {
    if !spec.layers.iter().any(|layer| matches!(layer.mlp, MlpSpec::Experts(_))) {
        config.pass_over(&["num_experts", "num_experts_per_tok", "moe_intermediate_size", "norm_topk_prob"]);
    }
}

/// The experts of layer `i`, or `None` where the layer is dense.
fn qwen_experts(
    config: &Config<'_>,
    names: &TensorNames,
    shape: &Shape,
    i: usize,
) -> Result<Option<Box<ExpertsSpec>>, ConfigError> {
    let dense = config.numbers("mlp_only_layers")?.unwrap_or_default();
    let step = config.size_or("decoder_sparse_step", 1)?;
    if dense.contains(&(i as f64)) || !(i + 1).is_multiple_of(step) {
        return Ok(None);
    }
    let d_mlp = config.required_size("moe_intermediate_size")?;
    let renormalise = config.flag("norm_topk_prob")?.unwrap_or(false);
    let block = shape.name(i, "mlp");
    let stored = |n| Stored::new(shape, &block, n, d_mlp);
    Ok(Some(Box::new(of_softmax(config, names, shape, stored, renormalise)?)))
}

/// Experts that are weighted by a softmax over all of them.
pub(super) fn of_softmax<'b>(
    config: &Config<'_>,
    names: &TensorNames,
    shape: &Shape,
    stored: impl Fn(usize) -> Stored<'b>,
    renormalise: bool,
) -> Result<ExpertsSpec, ConfigError> {
    let (n, per_token) = counts(config, shape.n_layers, EXPERTS)?;
    let stored = stored(n);
    let router = LinearSpec::new(&format!("{}.gate", stored.block), n, shape.d_model, false);
    let routing = RoutingSpec::new(router, per_token, Scores::Softmax);
    Ok(ExpertsSpec {
        routing: if renormalise { routing.renormalised(0.0) } else { routing },
        experts: stored.experts(names),
        latent: None,
        shared: None,
    })
}
