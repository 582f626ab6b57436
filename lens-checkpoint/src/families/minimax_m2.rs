//! MiniMax M2.

use serde_json::Value;

use super::{
    Family,
    routed::{self, Stored, correction, counts, router},
    shape::{Defaults, Rotation, Shape},
};
use crate::{
    config::Config,
    spec::{ExpertsSpec, MlpSpec, Pairing, QkNorm, QkScope, RoutingSpec, Scores},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["minimax_m2"],
    models: "MiniMax M2 in bf16 (the published fp8 files are quantised and refused)",
    particulars: "norms on all query and key heads together; half of each head rotates; experts by sigmoids with a correction",
    resolve: |config, names, family| {
        let share = match (config.size("rotary_dim")?, config.size("head_dim")?) {
            (Some(dims), d_head) => dims as f64 / d_head.unwrap_or(128) as f64,
            (None, _) => 1.0,
        };
        let defaults = Defaults {
            d_head: Some(128),
            theta: Some(5e6),
            rotation: Rotation::Share(share, Pairing::HalfSplit),
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (false, false, false);
        pass_over(config);
        let (n, per_token) = counts(config, shape.n_layers, routed::EXPERTS)?;
        let mut spec = shape.decoder(config, names)?;
        for (i, attn) in spec.attentions_mut() {
            let heads =
                |part: &str, n: usize| (shape.norm)(&shape.name(i, part), n * shape.d_head, shape.eps);
            attn.qk_norm = Some(QkNorm {
                q: heads("self_attn.q_norm", shape.n_heads),
                k: heads("self_attn.k_norm", shape.n_kv_heads),
                scope: QkScope::AllHeads,
            });
        }
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            let block = routed::sparse_block(names, &shape, i);
            let mut routing =
                RoutingSpec::new(router(names, &block, n, shape.d_model), per_token, Scores::Sigmoid)
                    .renormalised(0.0);
            routing.correction = Some(correction(names, &block, n));
            routing.wide_weights = true;
            let stored = Stored { parts: routed::MIXTRAL, ..Stored::new(&shape, &block, n, shape.d_mlp) };
            layer.mlp = MlpSpec::Experts(Box::new(ExpertsSpec {
                routing,
                experts: stored.experts(names),
                latent: None,
                shared: None,
            }));
        }
        Ok(spec)
    },
};

/// Words of the published files for what the class always does, and for what it has not.
fn pass_over(config: &Config<'_>) {
    config.pass_over_texts("scoring_func", &["sigmoid"]);
    config.pass_over_texts("qk_norm_type", &["per_layer"]);
    for key in ["use_routing_bias", "use_qk_norm"] {
        if config.keys().get(key) == Some(&Value::Bool(true)) {
            config.pass_over(&[key]);
        }
    }
    for key in ["layernorm_full_attention_beta", "layernorm_linear_attention_beta", "layernorm_mlp_beta"] {
        config.pass_over_number(key, 1.0);
    }
    let all_attend = |list: &Vec<Value>| list.iter().all(|kind| kind.as_u64() == Some(1));
    if config.keys().get("attn_type_list").and_then(Value::as_array).is_some_and(all_attend) {
        config.pass_over(&["attn_type_list"]);
    }
    config.pass_over(&["use_mtp", "num_mtp_modules", "mtp_transformer_layers", "mlp_intermediate_size"]);
}
