//! Laguna, by Poolside.

use serde_json::{Value, json};

use super::{
    Family, kinds,
    qwen::head_norms,
    routed::{EXPERTS, Stored, by_kind_or, correction, counts, router, ungated},
    shape::{Defaults, Rotation, Shape, plausible_heads},
};
use crate::{
    config::{Config, ConfigError, RopeQuery},
    spec::{AttentionGate, ExpertsSpec, GateFunction, GateScope, LinearSpec, MlpSpec, RoutingSpec, Scores},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["laguna"],
    models: "Laguna XS and M",
    particulars: "what heads weigh is gated by a softplus, by head or by value; a number of heads for each layer; norms on query \
                  and key heads; a rotation for each kind of layer; experts by sigmoids with a correction",
    resolve: |config, names, family| {
        let kind = |theta: f64, share: f64| json!({"rope_type": "default", "rope_theta": theta, "partial_rotary_factor": share});
        let sections = json!({"full_attention": kind(5e5, 0.5), "sliding_attention": kind(1e4, 1.0)});
        let keys = kinds::with_sections(config, sections);
        let config = &config.standing_for(None, &keys);
        let defaults = Defaults {
            n_heads: Some(48),
            n_kv_heads: Some(8),
            d_head: Some(128),
            rotation: Rotation::Own,
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.mlp_bias = false;
        let window = config.size_or("sliding_window", 512)?;
        shape.masks = config.masks(shape.n_layers, Some(window), |_| false)?;
        let query = RopeQuery { rounds_up: true, ..RopeQuery::new(shape.d_head, 1e4).partial(1.0) };
        shape.positions = kinds::positions(config, &shape.masks, query)?;
        let sparse = by_kind_or(config, shape.n_layers, |i| i > 0)?;
        let (n, per_token) = counts(config, shape.n_layers, EXPERTS)?;
        let d_mlp = config.size_or("moe_intermediate_size", 512)?;
        let d_shared = config.size_or("shared_expert_intermediate_size", 512)?;
        let factor = config.positive_or("moe_routed_scaling_factor", 1.0)?;
        let logit_cap = config.number("moe_router_logit_softcapping")?.filter(|cap| *cap > 0.0);
        config.refuse_flag("moe_apply_router_weight_on_input")?;
        let (heads, scope) = (heads(config, &shape)?, scope(config)?);
        let mut spec = shape.decoder(config, names)?;
        head_norms(&shape, &mut spec);
        for (i, attn) in spec.attentions_mut() {
            let (n_heads, d_model, at) = (heads[i], shape.d_model, |part: &str| shape.name(i, part));
            let width = n_heads * shape.d_head;
            attn.n_heads = n_heads;
            attn.q = LinearSpec::new(&at("self_attn.q_proj"), width, d_model, shape.qkv_bias);
            attn.o = LinearSpec::new(&at("self_attn.o_proj"), d_model, width, shape.o_bias);
            let factors = if scope == GateScope::Head { n_heads } else { width };
            attn.gate = Some(AttentionGate {
                map: LinearSpec::new(&at("self_attn.g_proj"), factors, d_model, false),
                function: GateFunction::Softplus,
                scope,
            });
        }
        for (i, layer) in spec.layers.iter_mut().enumerate().filter(|(i, _)| sparse[*i]) {
            let block = shape.name(i, "mlp");
            let routing =
                RoutingSpec::new(router(names, &block, n, shape.d_model), per_token, Scores::Sigmoid);
            layer.mlp = MlpSpec::Experts(Box::new(ExpertsSpec {
                routing: RoutingSpec {
                    logit_cap,
                    correction: Some(correction(names, &block, n)),
                    factor,
                    ..routing.renormalised(0.0)
                },
                experts: Stored::new(&shape, &block, n, d_mlp).experts(names),
                latent: None,
                shared: Some(ungated(names, &shape, &block, d_shared)),
            }));
        }
        Ok(spec)
    },
};

/// How many query heads each layer has.
fn heads(config: &Config<'_>, shape: &Shape) -> Result<Vec<usize>, ConfigError> {
    const KEY: &str = "num_attention_heads_per_layer";
    let Some(counts) = config.numbers(KEY)? else { return Ok(vec![shape.n_heads; shape.n_layers]) };
    let fits = |n: &f64| *n >= 1.0 && n.fract() == 0.0 && (*n as usize).is_multiple_of(shape.n_kv_heads);
    if counts.len() != shape.n_layers || !counts.iter().all(fits) {
        let what = format!(
            "{KEY} needs {} numbers of heads that can share {} key-value heads",
            shape.n_layers, shape.n_kv_heads
        );
        return Err(ConfigError::Inconsistent { what });
    }
    counts.into_iter().map(|n| plausible_heads(n as usize)).collect()
}

/// What has a gate of its own.
fn scope(config: &Config<'_>) -> Result<GateScope, ConfigError> {
    match config.get("gating") {
        None if !config.has("gating") => Ok(GateScope::Head),
        Some(Value::Bool(true)) => Ok(GateScope::Head),
        Some(Value::String(text)) if text == "per-head" => Ok(GateScope::Head),
        Some(Value::String(text)) if text == "per-element" => Ok(GateScope::Value),
        other => Err(ConfigError::Unsupported {
            key: config.name("gating"),
            value: other.map_or_else(|| "null".to_owned(), Value::to_string),
            supported: "true, per-head, per-element",
        }),
    }
}
