//! Trinity, by Arcee.

use serde_json::Value;

use super::{
    Family,
    qwen::head_norms,
    routed::{EXPERTS, Stored, correction, counts, router, shared_width, ungated},
    shape::{Defaults, Epsilon, Shape},
};
use crate::{
    config::Config,
    spec::{
        AttentionGate, EmbedScale, ExpertsSpec, LinearSpec, Mask, MlpSpec, Position, RoutingSpec, Scores,
        Wiring,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["afmoe"],
    models: "Arcee Trinity",
    particulars: "what heads weigh is gated; norms before and after each branch; layers that see everything have no positions; \
                  experts by sigmoids with a correction",
    resolve: |config, names, family| {
        let defaults = Defaults { d_head: Some(128), eps: Epsilon::rms(1e-5), ..Defaults::default() };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.mlp_bias = false;
        let every = config.size_or("global_attn_every_n_layers", 4)?;
        let window = config.size_unless_null("sliding_window", 1024)?;
        shape.masks = config.masks(shape.n_layers, window, |i| !(i + 1).is_multiple_of(every))?;
        for (mask, position) in shape.masks.iter().zip(&mut shape.positions) {
            if *mask == Mask::Causal {
                *position = Position::None;
            }
        }
        let (n, per_token) = counts(config, shape.n_layers, EXPERTS)?;
        let d_mlp = config.required_size("moe_intermediate_size")?;
        let d_shared = shared_width(config, d_mlp, Some(2))?;
        let dense = config.count("num_dense_layers")?.unwrap_or(1);
        let factor = config.positive_or("route_scale", 1.0)?;
        pass_over(config);
        let mut spec = shape.decoder(config, names)?;
        if config.flag("mup_enabled")?.unwrap_or(false) {
            spec.embed.scale = Some(EmbedScale::Factor((shape.d_model as f64).sqrt()));
        }
        head_norms(&shape, &mut spec);
        for (i, attn) in spec.attentions_mut() {
            let width = shape.n_heads * shape.d_head;
            let gate = LinearSpec::new(&shape.name(i, "self_attn.gate_proj"), width, shape.d_model, false);
            attn.gate = Some(AttentionGate::sigmoid(gate));
        }
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            layer.attn_post_norm = Some(shape.layer_norm(i, "post_attention_layernorm"));
            layer.wiring = Wiring::Sequential { mlp_norm: Some(shape.layer_norm(i, "pre_mlp_layernorm")) };
            layer.mlp_post_norm = Some(shape.layer_norm(i, "post_mlp_layernorm"));
            if i < dense {
                continue;
            }
            let block = shape.name(i, "mlp");
            let routing =
                RoutingSpec::new(router(names, &block, n, shape.d_model), per_token, Scores::Sigmoid);
            layer.mlp = MlpSpec::Experts(Box::new(ExpertsSpec {
                routing: RoutingSpec {
                    correction: Some(correction(names, &block, n)),
                    factor,
                    wide_weights: true,
                    ..routing.renormalised(1e-20)
                },
                experts: Stored::new(&shape, &block, n, d_mlp).experts(names),
                latent: None,
                shared: d_shared.map(|d_mlp| ungated(names, &shape, &block, d_mlp)),
            }));
        }
        Ok(spec)
    },
};

/// Words of the published files for what the class always does, and for how the model was trained.
fn pass_over(config: &Config<'_>) {
    config.pass_over_texts("score_func", &["sigmoid"]);
    for key in ["n_group", "topk_group", "num_expert_groups", "num_limited_groups"] {
        config.pass_over_number(key, 1.0);
    }
    if config.keys().get("route_norm") == Some(&Value::Bool(true)) {
        config.pass_over(&["route_norm"]);
    }
    config.pass_over(&["load_balance_coeff", "use_grouped_mm"]);
}
