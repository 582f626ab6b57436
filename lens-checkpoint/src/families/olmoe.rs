//! OLMoE and FlexOlmo: OLMo's norms with experts in every layer.

use super::{
    Family, TensorNames,
    experts::of_softmax,
    olmo::{norms_after_branches, norms_over_heads},
    routed::Stored,
    shape::{Defaults, Epsilon, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::{DecoderSpec, MlpSpec, NormSpec},
};

pub(super) const OLMOE: Family = Family {
    model_types: &["olmoe"],
    models: "OLMoE 1B-7B",
    particulars: "norms on all query and key heads together, then clipping; experts in every layer",
    resolve: |config, names, family| {
        let defaults = Defaults { eps: Epsilon::rms(1e-5), ..Defaults::default() };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.mlp_bias = false;
        let clip = config.positive("clip_qkv")?;
        let mut spec = shape.decoder(config, names)?;
        spec.attentions_mut().for_each(|(_, attn)| attn.clip = clip);
        norms_over_heads(&shape, &mut spec);
        experts(config, names, &shape, &mut spec)?;
        Ok(spec)
    },
};

pub(super) const FLEX_OLMO: Family = Family {
    model_types: &["flex_olmo"],
    models: "FlexOlmo",
    particulars: "OLMo 2's norms; experts in every layer",
    resolve: |config, names, family| {
        let defaults = Defaults { theta: Some(5e5), ..Defaults::default() };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.norm = |name, d, eps| NormSpec::rms(name, d, eps).rounded_last();
        shape.mlp_bias = false;
        let mut spec = shape.decoder(config, names)?;
        norms_after_branches(&shape, &mut spec);
        norms_over_heads(&shape, &mut spec);
        experts(config, names, &shape, &mut spec)?;
        Ok(spec)
    },
};

/// Experts in every layer, chosen by a softmax over all.
fn experts(
    config: &Config<'_>,
    names: &TensorNames,
    shape: &Shape,
    spec: &mut DecoderSpec,
) -> Result<(), ConfigError> {
    let renormalise = config.flag("norm_topk_prob")?.unwrap_or(false);
    for (i, layer) in spec.layers.iter_mut().enumerate() {
        let block = shape.name(i, "mlp");
        let stored = |n| Stored::new(shape, &block, n, shape.d_mlp);
        layer.mlp = MlpSpec::Experts(Box::new(of_softmax(config, names, shape, stored, renormalise)?));
    }
    Ok(())
}
