//! DiffLlama: differential attention in Llama's block.

use super::{
    Family,
    shape::{Defaults, Epsilon, Shape},
};
use crate::{
    config::ConfigError,
    spec::{DifferentialSpec, NormSpec, Param},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["diffllama"],
    models: "DiffLlama 375M",
    particulars: "differential attention: half of the heads are subtracted from the others and normed, so that z has half as \
                  many heads of twice the width",
    resolve: |config, names, family| {
        let defaults = Defaults { eps: Epsilon::rms(1e-5), ..Defaults::default() };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.mlp_bias = false;
        for (n, what) in [(shape.n_heads, "attention heads"), (shape.n_kv_heads, "key-value heads")] {
            if n % 2 != 0 {
                let what = format!("{n} {what} are not two halves");
                return Err(ConfigError::Inconsistent { what });
            }
        }
        // How lambdas were drawn.
        config.pass_over(&["lambda_std_dev"]);
        let mut spec = shape.decoder(config, names)?;
        for (i, attn) in spec.attentions_mut() {
            let lambda =
                |part: &str| Param::whole(shape.name(i, &format!("self_attn.lambda_{part}")), [shape.d_head]);
            attn.differential = Some(DifferentialSpec {
                lambdas: [[lambda("q1"), lambda("k1")], [lambda("q2"), lambda("k2")]],
                initial: 0.8 - 0.6 * (-0.3 * i as f64).exp(),
                norm: NormSpec::bare_rms(shape.eps),
            });
        }
        Ok(spec)
    },
};
