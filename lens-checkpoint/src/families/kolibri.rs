//! Kolibri, by Aleph Alpha.

use serde_json::json;

use super::{
    Family, TensorNames,
    qwen::head_norms,
    routed::{EXPERTS, Stored, counts, router, ungated},
    shape::{Defaults, Shape},
};
use crate::spec::{ExpertsSpec, Mask, MlpSpec, NormSpec, Param, Position, RoutingSpec, Scores, Wiring};

pub(super) const FAMILY: Family = Family {
    model_types: &["kolibri1"],
    models: "Kolibri 1",
    particulars: "norms before and after each branch, and on query and key heads; four sliding layers that rotate to one full layer \
                  without positions; the largest corrected logits choose experts, sigmoids weigh them, beside a shared one",
    resolve: |config, names, family| {
        // There is no dense MLP, and no key for its width.
        let mut keys = config.keys().clone();
        keys.entry("intermediate_size").or_insert(json!(1));
        let inner = &config.standing_for(None, &keys);
        let defaults =
            Defaults { n_heads: Some(48), n_kv_heads: Some(4), d_head: Some(128), ..Defaults::default() };
        let mut shape = Shape::read_with(inner, names, family, &defaults)?;
        (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (false, false, false);
        let window = config.size_unless_null("sliding_window", 513)?;
        shape.masks = config.masks(shape.n_layers, window, |i| !(i + 1).is_multiple_of(5))?;
        for (mask, position) in shape.masks.iter().zip(&mut shape.positions) {
            if window.is_some() && *mask == Mask::Causal {
                *position = Position::None;
            }
        }
        let (n, per_token) = counts(config, shape.n_layers, EXPERTS)?;
        let d_mlp = config.size_or("moe_intermediate_size", 512)?;
        let d_shared = config.size_or("shared_expert_intermediate_size", 512)?;
        let renormalise = config.flag("norm_topk_prob")?.unwrap_or(false);
        let mut spec = shape.decoder(config, names)?;
        head_norms(&shape, &mut spec);
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            let norm = |parts: [&str; 2]| {
                NormSpec::rms(&stored(names, &shape, i, parts, ".weight"), shape.d_model, shape.eps)
            };
            layer.attn_post_norm = Some(norm(["post_attn_norm", "post_self_attn_layernorm"]));
            layer.wiring =
                Wiring::Sequential { mlp_norm: Some(shape.layer_norm(i, "post_attention_layernorm")) };
            layer.mlp_post_norm = Some(norm(["post_ffn_norm", "post_mlp_layernorm"]));
            let block = shape.name(i, "mlp");
            let mut routing =
                RoutingSpec::new(router(names, &block, n, shape.d_model), per_token, Scores::SigmoidOfChosen)
                    .wide();
            let correction = ["moe.router.expert_bias", "mlp.gate.e_score_correction_bias"];
            routing.correction = Some(Param::whole(stored(names, &shape, i, correction, ""), [n]));
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

/// The one of two names of a part of layer `i` under which the checkpoint holds it with this `end`: the name that is saved,
/// or the one in memory; the first of them if it holds neither.
fn stored(names: &TensorNames, shape: &Shape, i: usize, parts: [&str; 2], end: &str) -> String {
    let [saved, held] = parts.map(|part| shape.name(i, part));
    if names.has(&format!("{held}{end}")) { held } else { saved }
}
