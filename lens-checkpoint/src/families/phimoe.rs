//! Phi 3.5 MoE.

use std::sync::Arc;

use super::{
    Family,
    routed::{self, EXPERTS, Stored, counts, router},
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::{
        DecoderSpec, ExpertsSpec, MlpSpec, NormSpec, Pairing, Param, Position, RopeScaling, RoutingSpec,
        Scores,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["phimoe"],
    models: "Phi 3.5 MoE",
    particulars: "layer norms; two experts chosen one after the other by SparseMixer; LongRoPE with factors of its own; an \
                  unembedding bias",
    resolve: |config, names, family| {
        let defaults = Defaults {
            theta: Some(1e6),
            eps: Epsilon::rms(1e-5),
            rotation: Rotation::Share(1.0, Pairing::HalfSplit),
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.norm = |name, d, eps| NormSpec::layer(name, d, eps, true);
        shape.mlp_bias = false;
        shape.masks = config.one_window(shape.n_layers, config.size("sliding_window")?);
        let mut spec = shape.decoder(config, names)?;
        own_factors(config, &mut spec)?;
        if config.flag("lm_head_bias")?.unwrap_or(false) {
            spec.readout.bias = Some(Param::whole("lm_head.bias", [shape.n_vocab]));
        }
        let (n, per_token) = counts(config, shape.n_layers, EXPERTS)?;
        if per_token != 2 {
            return Err(ConfigError::Unsupported {
                key: config.name("num_experts_per_tok"),
                value: per_token.to_string(),
                supported: "2: SparseMixer chooses two",
            });
        }
        let jitter = config.positive_or("router_jitter_noise", 0.01)?;
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            let block = routed::sparse_block(names, &shape, i);
            let stored = Stored { parts: routed::MIXTRAL, ..Stored::new(&shape, &block, n, shape.d_mlp) };
            let router = router(names, &block, n, shape.d_model);
            layer.mlp = MlpSpec::Experts(Box::new(ExpertsSpec {
                routing: RoutingSpec::new(router, per_token, Scores::SparseMixer { jitter }),
                experts: stored.experts(names),
                latent: None,
                shared: None,
            }));
        }
        Ok(spec)
    },
};

/// The factors on cosines and sines, which this family's configs name for short and for long texts.
fn own_factors(config: &Config<'_>, spec: &mut DecoderSpec) -> Result<(), ConfigError> {
    let sections = [config.object("rope_scaling")?, config.object("rope_parameters")?];
    let Some(section) = sections.into_iter().flatten().next() else { return Ok(()) };
    let mut remarked = None;
    for (_, attn) in spec.attentions_mut() {
        let Position::Rotary(rope) = &attn.position else { continue };
        let mut rope = rope.as_ref().clone();
        let RopeScaling::LongRope { attention_factors, original, .. } = &mut rope.scaling else { continue };
        for (factor, key) in attention_factors.iter_mut().zip(["short_mscale", "long_mscale"]) {
            *factor =
                section.positive(key)?.ok_or_else(|| ConfigError::Missing { key: section.name(key) })?;
        }
        remarked = Some(*original);
        attn.position = Position::Rotary(Arc::new(rope));
    }
    if let Some(original) = remarked {
        config.remark(&format!(
            "in texts of more than {original} tokens this computes LongRoPE's long divisors, as the model was published and \
             as transformers 4 does; transformers 5 goes on with the short ones"
        ));
    }
    Ok(())
}
