//! Mixtures of experts in Llama's block: Mixtral, Qwen 2 MoE and Qwen 3 MoE.

use super::{
    Family, TensorNames,
    qwen::{head_norms, switched_window},
    shape::{Defaults, Epsilon, Shape, plausible},
};
use crate::{
    config::{Config, ConfigError},
    spec::{Cut, DecoderSpec, ExpertsSpec, GatedSpec, Gating, LinearSpec, MlpSpec, Param, Weighting},
};

pub(super) const MIXTRAL: Family = Family {
    model_types: &["mixtral"],
    models: "Mixtral 8x7B, 8x22B",
    particulars: "experts in every layer, weights of the chosen ones sum to one; both layouts on disk",
    resolve: |config, names, family| {
        let defaults = Defaults { theta: Some(1e6), eps: Epsilon::rms(1e-5), ..Defaults::default() };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (false, false, false);
        shape.masks = config.one_window(shape.n_layers, config.size("sliding_window")?);
        let mut spec = shape.decoder(config, names)?;
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            let block = ["block_sparse_moe", "mlp"].map(|block| shape.name(i, block));
            let block =
                block.iter().find(|block| names.has(&format!("{block}.gate.weight"))).unwrap_or(&block[0]);
            layer.mlp = experts(
                config,
                names,
                &shape,
                block,
                &Layout { d_mlp: shape.d_mlp, names: ["w1", "w3", "w2"] },
                true,
            )?;
        }
        Ok(spec)
    },
};

pub(super) const QWEN2_MOE: Family = Family {
    model_types: &["qwen2_moe"],
    models: "Qwen1.5-MoE, Qwen2-57B-A14B",
    particulars: "experts beside a gated shared one; dense layers among sparse ones; both layouts on disk",
    resolve: |config, names, family| {
        let mut shape = Shape::read(config, names, family)?;
        shape.qkv_bias = config.flag("qkv_bias")?.unwrap_or(true);
        (shape.o_bias, shape.mlp_bias) = (false, false);
        slide_everywhere(config, &mut shape)?;
        let mut spec = shape.decoder(config, names)?;
        let shared = config.required_size("shared_expert_intermediate_size")?;
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            let Some(mut mlp) = qwen_experts(config, names, &shape, i)? else { continue };
            let block = shape.name(i, "mlp");
            mlp.shared = Some((
                shape.gated(&format!("{block}.shared_expert"), shared),
                LinearSpec::new(&format!("{block}.shared_expert_gate"), 1, shape.d_model, false),
            ));
            layer.mlp = MlpSpec::Experts(mlp);
        }
        pass_over_experts_of_none(config, &spec);
        Ok(spec)
    },
};

pub(super) const QWEN3_MOE: Family = Family {
    model_types: &["qwen3_moe"],
    models: "Qwen3-30B-A3B, Qwen3-235B-A22B",
    particulars: "Qwen 3 with experts; dense layers among sparse ones; both layouts on disk",
    resolve: |config, names, family| {
        let mut shape = Shape::read(config, names, family)?;
        slide_everywhere(config, &mut shape)?;
        let mut spec = shape.decoder(config, names)?;
        head_norms(&shape, &mut spec);
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            if let Some(mlp) = qwen_experts(config, names, &shape, i)? {
                layer.mlp = MlpSpec::Experts(mlp);
            }
        }
        pass_over_experts_of_none(config, &spec);
        Ok(spec)
    },
};

/// A window for all layers, if it is switched on. Files that mean something else have `layer_types`; in transformers 4,
/// which writes none, `max_window_layers` says nothing about models with experts.
fn slide_everywhere(config: &Config<'_>, shape: &mut Shape) -> Result<(), ConfigError> {
    let window = switched_window(config)?;
    shape.masks = config.masks(shape.n_layers, window, |_| true)?;
    Ok(())
}

/// Where `mlp_only_layers` or `decoder_sparse_step` leave all layers dense, what the config says of experts means
/// nothing.
fn pass_over_experts_of_none(config: &Config<'_>, spec: &DecoderSpec) {
    if !spec.layers.iter().any(|layer| matches!(layer.mlp, MlpSpec::Experts(_))) {
        config.pass_over(&["num_experts", "num_experts_per_tok", "moe_intermediate_size", "norm_topk_prob"]);
    }
}

/// The experts of layer `i`, or `None` where the layer is dense.
fn qwen_experts(
    config: &Config<'_>,
    names: &TensorNames,
    shape: &Shape,
    i: usize,
) -> Result<Option<Box<ExpertsSpec>>, ConfigError> {
    let dense = config.numbers("mlp_only_layers")?.unwrap_or_default();
    let step = config.size_or("decoder_sparse_step", 1)?;
    if dense.contains(&(i as f64)) || !(i + 1).is_multiple_of(step) {
        return Ok(None);
    }
    let d_mlp = config.required_size("moe_intermediate_size")?;
    let layout = Layout { d_mlp, names: ["gate_proj", "up_proj", "down_proj"] };
    let renormalise = config.flag("norm_topk_prob")?.unwrap_or(false);
    match experts(config, names, shape, &shape.name(i, "mlp"), &layout, renormalise)? {
        MlpSpec::Experts(experts) => Ok(Some(experts)),
        MlpSpec::Gated(_) | MlpSpec::Plain { .. } | MlpSpec::Xielu(_) => Ok(None),
    }
}

/// More experts, over all layers, than any model has.
const MOST_EXPERTS: usize = 1 << 16;

/// How many experts a layer has, within reason, and how many of them see a token.
pub(super) fn counts(config: &Config<'_>, n_layers: usize) -> Result<(usize, usize), ConfigError> {
    let n = config.size_of(&["num_local_experts", "num_experts"])?;
    let n = plausible(n, MOST_EXPERTS / n_layers, "experts in a layer")?;
    let per_token = config.size_of(&["num_experts_per_tok", "experts_per_token"])?;
    if per_token > n {
        let what = format!("num_experts_per_tok is {per_token}, but there are {n} experts");
        return Err(ConfigError::Inconsistent { what });
    }
    Ok((n, per_token))
}

/// Width of an expert, and the names of its gate, up and down projections where experts are stored singly.
struct Layout {
    d_mlp: usize,
    names: [&'static str; 3],
}

/// Experts under `block`, stored singly (`experts.0.w1.weight`) or stacked (`experts.gate_up_proj`).
fn experts(
    config: &Config<'_>,
    names: &TensorNames,
    shape: &Shape,
    block: &str,
    layout: &Layout,
    renormalise: bool,
) -> Result<MlpSpec, ConfigError> {
    let (d_model, d_mlp) = (shape.d_model, layout.d_mlp);
    let (n, per_token) = counts(config, shape.n_layers)?;
    let stacked = names.has(&format!("{block}.experts.gate_up_proj"));
    let gating = Gating::Plain(shape.activation);
    let expert = |e: usize| {
        if stacked {
            let stack = |part: &str, shape: [usize; 3]| LinearSpec {
                weight: Param::whole(format!("{block}.experts.{part}"), shape).cut(Cut::Index(e)),
                bias: None,
            };
            let gate_up = stack("gate_up_proj", [n, 2 * d_mlp, d_model]);
            return GatedSpec {
                gating,
                gate: gate_up.part(&Cut::Rows(0..d_mlp)),
                up: gate_up.part(&Cut::Rows(d_mlp..2 * d_mlp)),
                down: stack("down_proj", [n, d_model, d_mlp]),
            };
        }
        let [gate, up, down] = layout.names.map(|name| format!("{block}.experts.{e}.{name}"));
        GatedSpec {
            gating,
            gate: LinearSpec::new(&gate, d_mlp, d_model, false),
            up: LinearSpec::new(&up, d_mlp, d_model, false),
            down: LinearSpec::new(&down, d_model, d_mlp, false),
        }
    };
    Ok(MlpSpec::Experts(Box::new(ExpertsSpec {
        router: LinearSpec::new(&format!("{block}.gate"), n, d_model, false),
        per_token,
        weighting: Weighting::SoftmaxThenTop { renormalise },
        experts: (0..n).map(expert).collect(),
        shared: None,
    })))
}
