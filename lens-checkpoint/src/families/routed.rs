//! Parts that families with experts share: how many there are, how they lie on disk, and DeepSeek's ways of choosing.

use serde_json::Value;

use super::{
    TensorNames, kinds,
    shape::{Shape, plausible},
};
use crate::{
    config::{Config, ConfigError},
    limits,
    spec::{
        Activation, Cut, DecoderSpec, ExpertSpec, ExpertsSpec, GatedSpec, Gating, GroupScore, Groups,
        LinearSpec, MlpSpec, Param, RoutingSpec, Scores, SharedExpert,
    },
};

/// The names of the number of experts.
pub(super) const EXPERTS: &[&str] = &["num_local_experts", "num_experts"];

/// The names of the number of experts in families whose configs descend from DeepSeek's.
pub(super) const ROUTED_EXPERTS: &[&str] = &["n_routed_experts", "num_local_experts", "num_experts"];

/// The names of the number of experts that see a token.
const PER_TOKEN: &[&str] = &["num_experts_per_tok", "experts_per_token"];

/// How many experts a layer has, within reason, and how many of them see a token.
pub(super) fn counts(
    config: &Config<'_>,
    n_layers: usize,
    names: &'static [&'static str],
) -> Result<(usize, usize), ConfigError> {
    let n = plausible_experts(config.size_of(names)?, n_layers)?;
    let per_token = config.size_of(PER_TOKEN)?;
    few_enough(per_token, n)?;
    Ok((n, per_token))
}

/// A number of experts in each layer, within reason.
pub(super) fn plausible_experts(n: usize, n_layers: usize) -> Result<usize, ConfigError> {
    plausible(n, limits::config::MOST_EXPERTS / n_layers, "experts in a layer")
}

/// Refuses to choose more experts than there are.
pub(super) fn few_enough(per_token: usize, n: usize) -> Result<(), ConfigError> {
    if per_token <= n {
        return Ok(());
    }
    let what = format!("num_experts_per_tok is {per_token}, but there are {n} experts");
    Err(ConfigError::Inconsistent { what })
}

/// The names of gate, up and down projection where experts are stored singly.
pub(super) const LLAMA: [&str; 3] = ["gate_proj", "up_proj", "down_proj"];

/// The same in Mixtral and what descends from it.
pub(super) const MIXTRAL: [&str; 3] = ["w1", "w3", "w2"];

/// The experts of one layer, as they lie on disk.
pub(super) struct Stored<'a> {
    /// What their names begin with, without `.experts`.
    pub(super) block: &'a str,
    pub(super) n: usize,
    pub(super) d_model: usize,
    pub(super) d_mlp: usize,
    /// The names of gate, up and down projection where experts are stored singly.
    pub(super) parts: [&'static str; 3],
    pub(super) activation: Activation,
}

impl<'a> Stored<'a> {
    /// Experts of a shape's width and nonlinearity.
    pub(super) fn new(shape: &Shape, block: &'a str, n: usize, d_mlp: usize) -> Self {
        Self { block, n, d_model: shape.d_model, d_mlp, parts: LLAMA, activation: shape.activation }
    }

    /// Every expert: stored singly (`experts.0.gate_proj.weight`), or as two stacks (`experts.gate_up_proj`, the gate
    /// first, and `experts.down_proj`), whose matrices some files have turned: `[experts, in, out]`.
    pub(super) fn experts(&self, names: &TensorNames) -> Vec<ExpertSpec> {
        if !names.has(&format!("{}.experts.gate_up_proj", self.block)) {
            return (0..self.n).map(|e| self.single(e).into()).collect();
        }
        let turned = self.is_turned(names);
        (0..self.n).map(|e| self.stacked(e, turned).into()).collect()
    }

    /// Whether the stacks on disk have the shapes of turned ones, and not those of the usual ones. One of the two tells
    /// even where the other is square.
    fn is_turned(&self, names: &TensorNames) -> bool {
        let stacks =
            [("gate_up_proj", [2 * self.d_mlp, self.d_model]), ("down_proj", [self.d_model, self.d_mlp])];
        stacks.into_iter().any(|(part, [rows, columns])| {
            let stored = names.shape(&format!("{}.experts.{part}", self.block));
            rows != columns && stored == Some(&[self.n, columns, rows])
        })
    }

    fn stacked(&self, e: usize, turned: bool) -> GatedSpec {
        let &Self { n, d_model, d_mlp, .. } = self;
        let stack = |part: &str, [n, rows, columns]: [usize; 3]| {
            let name = format!("{}.experts.{part}", self.block);
            let weight = match turned {
                true => Param::whole(name, [n, columns, rows]).cut(Cut::Index(e)).cut(Cut::Transpose),
                false => Param::whole(name, [n, rows, columns]).cut(Cut::Index(e)),
            };
            LinearSpec { weight, bias: None }
        };
        let gate_up = stack("gate_up_proj", [n, 2 * d_mlp, d_model]);
        let [gate, up] = [0..d_mlp, d_mlp..2 * d_mlp].map(|rows| gate_up.part(&Cut::Rows(rows)));
        GatedSpec::new(Gating::Plain(self.activation), [gate, up, stack("down_proj", [n, d_model, d_mlp])])
    }

    fn single(&self, e: usize) -> GatedSpec {
        let &Self { d_model, d_mlp, .. } = self;
        let [gate, up, down] = self.parts.map(|part| format!("{}.experts.{e}.{part}", self.block));
        let inward = [gate, up].map(|name| LinearSpec::new(&name, d_mlp, d_model, false));
        let [gate, up] = inward;
        let down = LinearSpec::new(&down, d_model, d_mlp, false);
        GatedSpec::new(Gating::Plain(self.activation), [gate, up, down])
    }
}

/// What the class of a family with DeepSeek's routing has for keys that a config leaves out.
#[derive(Clone, Copy)]
pub(super) struct Silence {
    /// Groups, and how many of them are chosen from; `None` where silence is none.
    pub(super) groups: Option<[usize; 2]>,
    pub(super) renormalise: bool,
    pub(super) factor: f64,
    /// How many experts see every token.
    pub(super) shared: Option<usize>,
}

/// DeepSeek's mixture of experts, as the config describes it for all layers that have it.
pub(super) struct DeepSeek {
    pub(super) n: usize,
    pub(super) per_token: usize,
    /// Width of an expert.
    pub(super) d_mlp: usize,
    /// Width of the shared expert, if there is one.
    pub(super) d_shared: Option<usize>,
    groups: Option<Groups>,
    scores: Scores,
    /// Whether a correction is added to the scores for the choice.
    corrected: bool,
    renormalise: bool,
    factor: f64,
}

impl DeepSeek {
    /// DeepSeek-V3's: sigmoids with a correction, the best groups by their two best experts, weights that sum to the
    /// factor.
    pub(super) fn v3(config: &Config<'_>, shape: &Shape, silence: &Silence) -> Result<Self, ConfigError> {
        Self::v3_of(config, shape.n_layers, silence)
    }

    /// The same for a model of so many layers.
    pub(super) fn v3_of(
        config: &Config<'_>,
        n_layers: usize,
        silence: &Silence,
    ) -> Result<Self, ConfigError> {
        let mut experts = Self::read(config, n_layers, silence)?;
        experts.groups = experts.read_groups(config, silence, GroupScore::BestTwo)?;
        experts.renormalise = config.flag("norm_topk_prob")?.unwrap_or(silence.renormalise);
        config.pass_over_texts("scoring_func", &["sigmoid", "noaux_tc"]);
        config.pass_over_texts("topk_method", &["noaux_tc"]);
        Ok(experts)
    }

    /// DeepSeek-V2's: a softmax over all experts, times the factor; groups by their best expert, if `topk_method` says
    /// so. `norm_topk_prob` is read by nobody there.
    #[allow(dead_code, reason = "families with latent attention use it")]
    pub(super) fn v2(config: &Config<'_>, shape: &Shape, silence: &Silence) -> Result<Self, ConfigError> {
        let mut experts = Self::read(config, shape.n_layers, silence)?;
        (experts.scores, experts.corrected) = (Scores::Softmax, false);
        match config.text("topk_method")?.unwrap_or("greedy") {
            "greedy" => config.pass_over(&["n_group", "topk_group"]),
            "group_limited_greedy" => {
                experts.groups = experts.read_groups(config, silence, GroupScore::Best)?;
            }
            other => {
                return Err(ConfigError::Unsupported {
                    key: config.name("topk_method"),
                    value: other.to_owned(),
                    supported: "greedy, group_limited_greedy",
                });
            }
        }
        config.pass_over(&["norm_topk_prob"]);
        config.pass_over_texts("scoring_func", &["softmax"]);
        Ok(experts)
    }

    fn read(config: &Config<'_>, n_layers: usize, silence: &Silence) -> Result<Self, ConfigError> {
        let (n, per_token) = counts(config, n_layers, ROUTED_EXPERTS)?;
        let d_mlp = config.required_size("moe_intermediate_size")?;
        // Words of the published files for how they were trained, and for what the class always does.
        config.pass_over(&["ep_size", "seq_aux"]);
        config.pass_over_number("moe_layer_freq", 1.0);
        Ok(Self {
            n,
            per_token,
            d_mlp,
            d_shared: shared_width(config, d_mlp, silence.shared)?,
            groups: None,
            scores: Scores::Sigmoid,
            corrected: true,
            renormalise: false,
            factor: config.positive_or("routed_scaling_factor", silence.factor)?,
        })
    }

    fn read_groups(
        &self,
        config: &Config<'_>,
        silence: &Silence,
        by: GroupScore,
    ) -> Result<Option<Groups>, ConfigError> {
        let [n, chosen] = match silence.groups {
            Some([n, chosen]) => [config.size_or("n_group", n)?, config.size_or("topk_group", chosen)?],
            None => [config.required_size("n_group")?, config.required_size("topk_group")?],
        };
        let least = match by {
            GroupScore::Best => 1,
            GroupScore::BestTwo => 2,
        };
        let size = self.n / n;
        let fits = self.n.is_multiple_of(n) && size >= least && chosen <= n;
        if !fits || chosen.saturating_mul(size) < self.per_token {
            let what = format!(
                "{chosen} of {n} groups of {} experts, of which {} see a token: groups must be equal, of {least} or more, \
                 and those that are chosen must have enough experts",
                self.n, self.per_token
            );
            return Err(ConfigError::Inconsistent { what });
        }
        // All groups chosen are no groups.
        Ok((chosen < n).then_some(Groups { n, chosen, by }))
    }

    /// The routing under `block`.
    pub(super) fn routing(&self, names: &TensorNames, block: &str, d_model: usize) -> RoutingSpec {
        let mut routing =
            RoutingSpec::new(router(names, block, self.n, d_model), self.per_token, self.scores).wide();
        if self.corrected {
            routing.correction = Some(correction(names, block, self.n));
        }
        (routing.groups, routing.factor) = (self.groups, self.factor);
        if self.renormalise { routing.renormalised(1e-20) } else { routing }
    }

    /// Puts the experts into the layers that are `sparse`.
    pub(super) fn put_into(
        &self,
        names: &TensorNames,
        shape: &Shape,
        sparse: &[bool],
        spec: &mut DecoderSpec,
    ) {
        let layers = spec.layers.iter_mut().enumerate().zip(sparse);
        for ((i, layer), _) in layers.filter(|(_, sparse)| **sparse) {
            layer.mlp = self.of(names, shape, &shape.name(i, "mlp"));
        }
    }

    /// The experts under `block`.
    pub(super) fn of(&self, names: &TensorNames, shape: &Shape, block: &str) -> MlpSpec {
        MlpSpec::Experts(Box::new(ExpertsSpec {
            routing: self.routing(names, block, shape.d_model),
            experts: Stored::new(shape, block, self.n, self.d_mlp).experts(names),
            latent: None,
            shared: self.d_shared.map(|d_mlp| ungated(names, shape, block, d_mlp)),
        }))
    }
}

/// The names of a router, the usual one first. Families have their own, and transformers 5 renames some when it saves.
const ROUTERS: &[&str] = &["gate", "router.gate", "gate.wg", "router"];

/// The names of what is added to scores for the choice.
const CORRECTIONS: &[&str] = &[
    "gate.e_score_correction_bias",
    "e_score_correction_bias",
    "expert_bias",
    "gate.expert_bias",
    "experts.e_score_correction_bias",
];

/// The names of the expert that sees every token.
const SHARED_EXPERTS: &[&str] = &["shared_experts", "shared_expert", "shared_mlp"];

/// The part of `block` under the one of its names that is on disk, or else under the usual one.
fn part<'p>(names: &TensorNames, block: &str, parts: &[&'p str], end: &str) -> &'p str {
    parts.iter().find(|part| names.has(&format!("{block}.{part}{end}"))).unwrap_or(&parts[0])
}

/// The router of `block`, which has no bias.
pub(super) fn router(names: &TensorNames, block: &str, n: usize, d_model: usize) -> LinearSpec {
    let router = part(names, block, ROUTERS, ".weight");
    LinearSpec::new(&format!("{block}.{router}"), n, d_model, false)
}

/// What is added to the scores of `block` for the choice.
pub(super) fn correction(names: &TensorNames, block: &str, n: usize) -> Param {
    Param::whole(format!("{block}.{}", part(names, block, CORRECTIONS, "")), [n])
}

/// The expert of `block` that sees every token, without a gate.
pub(super) fn ungated(names: &TensorNames, shape: &Shape, block: &str, d_mlp: usize) -> SharedExpert {
    let shared = part(names, block, SHARED_EXPERTS, ".gate_proj.weight");
    SharedExpert { mlp: shape.gated(&format!("{block}.{shared}"), d_mlp).into(), gate: None }
}

/// What the names of the experts of layer `i` begin with in Mixtral and what descends from it: on disk
/// `block_sparse_moe`, and `mlp` as transformers 5 holds them in memory.
pub(super) fn sparse_block(names: &TensorNames, shape: &Shape, i: usize) -> String {
    let blocks = ["block_sparse_moe", "mlp"].map(|block| shape.name(i, block));
    let has = |block: &&String| {
        ["gate", "router"].iter().any(|router| names.has(&format!("{block}.{router}.weight")))
    };
    blocks.iter().find(has).unwrap_or(&blocks[0]).clone()
}

/// The names of the number of experts that see every token.
const SHARED: &[&str] = &["n_shared_experts", "num_shared_experts", "moe_num_shared_experts"];

/// The width of the expert that sees every token: as many as the config says, of the usual width, beside each other.
pub(super) fn shared_width(
    config: &Config<'_>,
    d_mlp: usize,
    silence: Option<usize>,
) -> Result<Option<usize>, ConfigError> {
    let key = SHARED.iter().find(|key| config.keys().contains_key(**key));
    let n = match key {
        Some(key) => config.count(key)?,
        None => silence,
    };
    let Some(n) = n.filter(|n| *n > 0) else { return Ok(None) };
    Ok(Some(plausible(n, limits::config::MOST_SHARED, "shared experts")? * d_mlp))
}

/// Which layers have experts: all but the first few.
pub(super) fn after_dense(
    config: &Config<'_>,
    n_layers: usize,
    silence: usize,
) -> Result<Vec<bool>, ConfigError> {
    let dense = config.count("first_k_dense_replace")?.unwrap_or(silence);
    Ok((0..n_layers).map(|i| i >= dense).collect())
}

/// Which layers have experts: those that `mlp_layer_types` calls sparse, or else all but the first few.
pub(super) fn by_kind(
    config: &Config<'_>,
    n_layers: usize,
    silence: usize,
) -> Result<Vec<bool>, ConfigError> {
    if config.keys().get("mlp_layer_types").is_none_or(Value::is_null) {
        return after_dense(config, n_layers, silence);
    }
    config.pass_over(&["first_k_dense_replace"]);
    by_kind_or(config, n_layers, |_| false)
}

/// Which layers have experts: those that `mlp_layer_types` calls sparse, or else those of the class.
pub(super) fn by_kind_or(
    config: &Config<'_>,
    n_layers: usize,
    silence: impl Fn(usize) -> bool,
) -> Result<Vec<bool>, ConfigError> {
    let known = [("sparse", true), ("dense", false)];
    let said = kinds::of_layers(config, "mlp_layer_types", n_layers, &known, "dense, sparse")?;
    Ok(said.unwrap_or_else(|| (0..n_layers).map(silence).collect()))
}

/// Leaves aside the blocks after the last, which predict further tokens in one pass, and says so if there are any.
pub(super) fn without_further_predictions(
    config: &Config<'_>,
    names: &TensorNames,
    shape: &Shape,
    spec: &mut DecoderSpec,
) {
    spec.ignored.blocks_from = Some(shape.n_layers);
    let after = shape.name(shape.n_layers, "");
    if names.iter().any(|name| name.starts_with(&after)) {
        config.remark(&format!(
            "the checkpoint has more blocks than its config says ({after}*): they predict further tokens in one pass and \
             are no part of the decoder"
        ));
    }
}
