//! StableLM.

use super::{
    Family,
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::spec::{NormSpec, Param, QkNorm, QkScope, TensorSpec, Wiring};

pub(super) const FAMILY: Family = Family {
    model_types: &["stablelm"],
    models: "StableLM 3B, 2-1.6B, 2-12B",
    particulars: "layer norms; a quarter of each head rotates; the 12B is parallel with a norm per query and key head",
    resolve: |config, names, family| {
        let defaults = Defaults {
            eps: Epsilon::Key("layer_norm_eps", 1e-5),
            rotation: Rotation::EvenShare(0.25),
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.norm = |name, d, eps| NormSpec::layer(name, d, eps, true);
        shape.qkv_bias = config.flag("use_qkv_bias")?.unwrap_or(false);
        (shape.o_bias, shape.mlp_bias) = (false, false);
        let mut spec = shape.decoder(config, names)?;
        let parallel = config.flag("use_parallel_residual")?.unwrap_or(false);
        let head_norms = config.flag("qk_layernorm")?.unwrap_or(false);
        if parallel {
            spec.layers.iter_mut().for_each(|layer| layer.wiring = Wiring::Parallel { mlp_norm: None });
        }
        for (i, attn) in spec.attentions_mut() {
            let stack = |part: &str, n: usize| {
                let name = |head| format!("{}.norms.{head}.weight", shape.name(i, part));
                let weights = (0..n).map(|head| TensorSpec::new(name(head), [shape.d_head])).collect();
                NormSpec { weight: Some(Param::stack(weights)), ..NormSpec::bare_layer(shape.eps) }
            };
            attn.qk_norm = head_norms.then(|| QkNorm {
                q: stack("self_attn.q_layernorm", shape.n_heads),
                k: stack("self_attn.k_layernorm", shape.n_kv_heads),
                scope: QkScope::Head,
            });
        }
        Ok(spec)
    },
};
