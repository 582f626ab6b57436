//! Command A+ (Cohere 2 with experts).

use super::{
    Family,
    cohere::{parallel, read_with},
    routed::{EXPERTS, Stored, by_kind, counts, router, shared_width, ungated},
    shape::{Defaults, Epsilon, Rotation},
};
use crate::{
    config::{Config, ConfigError},
    spec::{ExpertsSpec, Mask, MlpSpec, NormSpec, Position, RoutingSpec, Scores},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["cohere2_moe"],
    models: "Command A+",
    particulars: "Cohere 2 with experts after dense layers: the largest logits choose, and a softmax over those or sigmoids weigh; \
                  the mean of what they and shared ones add, or the sum",
    resolve: |config, names, family| {
        let rms = config.epsilon("rms_norm_eps")?;
        let defaults = Defaults {
            n_heads: Some(64),
            d_head: Some(128),
            eps: rms.map_or(Epsilon::Key("layer_norm_eps", 1e-5), Epsilon::Fixed),
            rotation: Rotation::Interleaved,
            ..Defaults::default()
        };
        let mut shape = read_with(config, names, family, &defaults)?;
        if rms.is_some() {
            config.pass_over(&["layer_norm_eps"]);
            shape.norm = NormSpec::rms;
        }
        let sparse = by_kind(config, shape.n_layers, 0)?;
        let prefix = config.size_or("prefix_dense_sliding_window_pattern", 1)?;
        shape.masks = masks(config, shape.n_layers, prefix)?;
        for (i, position) in shape.positions.iter_mut().enumerate() {
            let is_first = !sparse[i] && prefix == 1;
            if shape.masks[i] == Mask::Causal && !is_first {
                *position = Position::None;
            }
        }
        let d_dense = config.size("prefix_dense_intermediate_size")?.unwrap_or(shape.d_mlp);
        let d_shared = shared_width(config, shape.d_mlp, Some(0))?;
        let share = share(config)?;
        let weighing = Weighing::read(config)?;
        let (n, per_token) = counts(config, shape.n_layers, EXPERTS)?;
        let mut spec = parallel(config, names, &shape)?;
        spec.readout.post.scale = config.positive_or("logit_scale", 0.0625)? as f32;
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            let block = shape.name(i, "mlp");
            if !sparse[i] {
                layer.mlp = MlpSpec::Gated(shape.gated(&block, d_dense));
                continue;
            }
            let router = router(names, &block, n, shape.d_model);
            layer.mlp = MlpSpec::Experts(Box::new(ExpertsSpec {
                routing: weighing.of(RoutingSpec::new(router, per_token, weighing.scores)),
                experts: Stored::new(&shape, &block, n, shape.d_mlp).experts(names),
                latent: None,
                shared: d_shared.map(|d_mlp| ungated(names, &shape, &block, d_mlp)),
            }));
            layer.mlp_multiplier = share.filter(|_| d_shared.is_some());
        }
        Ok(spec)
    },
};

/// What the layers see: a pattern for the dense ones that come first, and another that begins again after them.
fn masks(config: &Config<'_>, n_layers: usize, prefix: usize) -> Result<Vec<Mask>, ConfigError> {
    let dense = config.count("first_k_dense_replace")?.unwrap_or(0);
    let pattern = config.size_or("sliding_window_pattern", 4)?;
    let window = config.size_or("sliding_window", 4096)?;
    config.masks(n_layers, Some(window), |i| match i.checked_sub(dense) {
        None => !(i + 1).is_multiple_of(prefix),
        Some(after) => !(after + 1).is_multiple_of(pattern),
    })
}

/// The factor on the sum of routed and shared experts, where it is their mean that is added.
fn share(config: &Config<'_>) -> Result<Option<f64>, ConfigError> {
    match config.text("shared_expert_combination_strategy")? {
        None | Some("average") => Ok(Some(0.5)),
        Some("sum") => Ok(None),
        Some(other) => Err(ConfigError::Unsupported {
            key: config.name("shared_expert_combination_strategy"),
            value: other.to_owned(),
            supported: "average, sum",
        }),
    }
}

/// How the chosen experts are weighed.
struct Weighing {
    scores: Scores,
    renormalise: bool,
}

impl Weighing {
    fn read(config: &Config<'_>) -> Result<Self, ConfigError> {
        let renormalise = config.flag("norm_topk_prob")?.unwrap_or(true);
        match config.text("expert_selection_fn")? {
            // Those of a softmax sum to one whatever is said.
            None | Some("softmax") => Ok(Self { scores: Scores::SoftmaxOfChosen, renormalise: false }),
            Some("sigmoid") => Ok(Self { scores: Scores::Sigmoid, renormalise }),
            Some(other) => Err(ConfigError::Unsupported {
                key: config.name("expert_selection_fn"),
                value: other.to_owned(),
                supported: "softmax, sigmoid",
            }),
        }
    }

    fn of(&self, routing: RoutingSpec) -> RoutingSpec {
        if self.renormalise { routing.renormalised(0.0) } else { routing }
    }
}
