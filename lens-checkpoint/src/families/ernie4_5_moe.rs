//! ERNIE 4.5 with experts.

use super::{
    Family, TensorNames,
    routed::{Stored, few_enough, plausible_experts, router, shared_width, ungated},
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::{Cut, Divisor, ExpertsSpec, MlpSpec, Param, RoutingSpec, Scores},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["ernie4_5_moe"],
    models: "ERNIE 4.5 21B-A3B, 300B-A47B",
    particulars: "interleaved RoPE; experts by a softmax with a correction in some layers, beside shared ones; tied",
    resolve: |config, names, family| {
        let defaults = Defaults {
            theta: Some(5e5),
            eps: Epsilon::rms(1e-5),
            rotation: Rotation::Interleaved,
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        let bias = config.flag("use_bias")?.unwrap_or(false);
        (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (bias, bias, bias);
        shape.tied_by_default = true;
        let experts = Experts::read(config, shape.n_layers)?;
        let sparse = sparse_layers(config, shape.n_layers)?;
        // How the training code went about it.
        config.pass_over(&["moe_capacity", "moe_use_aux_free"]);
        config.pass_over_texts("moe_gate", &["topk"]);
        let mut spec = shape.decoder(config, names)?;
        for (i, layer) in spec.layers.iter_mut().enumerate().filter(|(i, _)| sparse[*i]) {
            layer.mlp = experts.of(names, &shape, &shape.name(i, "mlp"));
        }
        Ok(spec)
    },
};

/// What all sparse layers have in common.
struct Experts {
    n: usize,
    per_token: usize,
    d_mlp: usize,
    d_shared: Option<usize>,
    /// What the weights are divided by at least.
    least: f64,
}

impl Experts {
    fn read(config: &Config<'_>, n_layers: usize) -> Result<Self, ConfigError> {
        let n = config.size_of(&["moe_num_experts", "num_experts", "num_local_experts"])?;
        let per_token = config.size_of(&["moe_k", "num_experts_per_tok"])?;
        few_enough(per_token, plausible_experts(n, n_layers)?)?;
        let d_mlp = config.required_size("moe_intermediate_size")?;
        let d_shared = shared_width(config, d_mlp, Some(2))?;
        Ok(Self { n, per_token, d_mlp, d_shared, least: config.positive_or("moe_norm_min", 1e-12)? })
    }

    fn of(&self, names: &TensorNames, shape: &Shape, block: &str) -> MlpSpec {
        let routing =
            RoutingSpec::new(router(names, block, self.n, shape.d_model), self.per_token, Scores::Softmax);
        MlpSpec::Experts(Box::new(ExpertsSpec {
            routing: RoutingSpec {
                correction: Some(correction(names, block, self.n)),
                divisor: Some(Divisor::SumOrAtLeast(self.least)),
                wide_logits: true,
                ..routing
            },
            experts: Stored::new(shape, block, self.n, self.d_mlp).experts(names),
            latent: None,
            shared: self.d_shared.map(|d_mlp| ungated(names, shape, block, d_mlp)),
        }))
    }
}

/// What is added to the scores for the choice, stored as the one row of a matrix.
fn correction(names: &TensorNames, block: &str, n: usize) -> Param {
    let of = |place: &str| format!("{block}.{place}moe_statics.e_score_correction_bias");
    let name = if names.has(&of("gate.")) { of("gate.") } else { of("") };
    Param::whole(name, [1, n]).cut(Cut::Index(0))
}

/// Which layers have experts: every `moe_layer_interval`-th of a range.
fn sparse_layers(config: &Config<'_>, n_layers: usize) -> Result<Vec<bool>, ConfigError> {
    let every = config.size_or("moe_layer_interval", 1)?;
    let first = config.count("moe_layer_start_index")?.unwrap_or(1);
    let last = match config.number("moe_layer_end_index")? {
        None | Some(-1.0) => n_layers - 1,
        Some(_) => config.count("moe_layer_end_index")?.unwrap_or(n_layers - 1),
    };
    Ok((0..n_layers).map(|i| (i + 1).is_multiple_of(every) && (first..=last).contains(&i)).collect())
}
