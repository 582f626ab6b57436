//! Jamba: Mamba in most layers, attention in a few, experts in every other one.

use super::{
    Family, TensorNames,
    bamba::{around, final_norm},
    mamba::Channels,
    routed::{EXPERTS, Stored, counts},
    shape::{Defaults, Epsilon, Shape},
    state_space::pass_over_training,
};
use crate::{
    config::{Config, ConfigError},
    spec::{ExpertsSpec, LinearSpec, MlpSpec, Position, RoutingSpec, Scores},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["jamba"],
    models: "Jamba v0.1, 1.5, 1.6, Reasoning 3B",
    particulars: "Mamba mixers with norms on the step, B and C in most layers, attention without positions in a few; \
                  experts in every other layer, whose weights do not sum to one",
    resolve: |config, names, family| {
        let defaults = Defaults {
            n_heads: Some(32),
            n_kv_heads: Some(8),
            n_vocab: Some(65_536),
            eps: Epsilon::rms(1e-6),
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (false, false, false);
        shape.positions = vec![Position::None; shape.n_layers];
        let channels = Channels::of_jamba(config, shape.d_model)?;
        pass_over_training(config);
        let attention = Period::read(config, ["attn_layer_period", "attn_layer_offset"], [8, 4])?;
        let routed = Period::read(config, ["expert_layer_period", "expert_layer_offset"], [2, 1])?;
        let (n, per_token) = counts(config, shape.n_layers, EXPERTS)?;
        // A word of the first files for what the family always does.
        config.pass_over(&["mamba_inner_layernorms"]);
        let mut spec = shape.decoder(config, names)?;
        spec.readout.norm = Some(final_norm(&shape));
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            around(&shape, i, layer);
            if !attention.covers(i) {
                let prefix = shape.name(i, "mamba");
                layer.mixer = channels.mixer(&prefix, Some(channels.norms(&prefix, shape.eps)));
            }
            if n > 1 && routed.covers(i) {
                layer.mlp = experts(names, &shape, i, n, per_token);
            }
        }
        Ok(spec)
    },
};

/// Layers at a distance from each other.
struct Period {
    every: usize,
    from: usize,
}

impl Period {
    fn read(
        config: &Config<'_>,
        [every, from]: [&'static str; 2],
        defaults: [usize; 2],
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            every: config.size_or(every, defaults[0])?,
            from: config.count(from)?.unwrap_or(defaults[1]),
        })
    }

    fn covers(&self, i: usize) -> bool {
        i % self.every == self.from
    }
}

/// The experts of layer `i`, weighted by a softmax over all of them.
fn experts(names: &TensorNames, shape: &Shape, i: usize, n: usize, per_token: usize) -> MlpSpec {
    let block = shape.name(i, "feed_forward");
    let router = LinearSpec::new(&format!("{block}.router"), n, shape.d_model, false);
    MlpSpec::Experts(Box::new(ExpertsSpec {
        routing: RoutingSpec::new(router, per_token, Scores::Softmax),
        experts: Stored::new(shape, &block, n, shape.d_mlp).experts(names),
        latent: None,
        shared: None,
    }))
}
