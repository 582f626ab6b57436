//! MiniMax Text 01: lightning attention in most layers.

use super::{
    Family, TensorNames,
    experts::of_softmax,
    kinds,
    routed::{self, Stored},
    shape::{Defaults, Epsilon, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::{Cut, DecoderSpec, Ignored, LightningSpec, LinearSpec, MixerSpec, MlpSpec, NormSpec, Wiring},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["minimax"],
    models: "MiniMax Text 01",
    particulars: "lightning attention in most layers, attention in the others; branches are added to the normed stream, each \
                  sum with factors of its own; Mixtral's experts",
    resolve,
};

/// The epsilon of the norm in lightning attention, which no key changes.
const EPS: f64 = 1e-6;

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    let defaults = Defaults { theta: Some(1e6), eps: Epsilon::rms(1e-5), ..Defaults::default() };
    let mut shape = Shape::read_with(config, names, family, &defaults)?;
    (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (false, false, false);
    shape.masks = config.one_window(shape.n_layers, config.size("sliding_window")?);
    // How the reference cuts a prompt.
    config.pass_over(&["block_size"]);
    let linear = linear(config, shape.n_layers)?;
    let factor = |key| config.positive_or(key, 1.0);
    let of_mlp = [factor("mlp_alpha_factor")?, factor("mlp_beta_factor")?];
    let of_full = [factor("full_attn_alpha_factor")?, factor("full_attn_beta_factor")?];
    let of_linear = [factor("linear_attn_alpha_factor")?, factor("linear_attn_beta_factor")?];
    let mut spec = shape.decoder(config, names)?;
    for (i, layer) in spec.layers.iter_mut().enumerate() {
        let [alpha, beta] = if linear[i] { of_linear } else { of_full };
        layer.wiring = Wiring::NormedResidual {
            mlp_norm: shape.layer_norm(i, "post_attention_layernorm"),
            stream: [alpha, of_mlp[0]],
        };
        layer.multiplier = (beta != 1.0).then_some(beta);
        layer.mlp_multiplier = (of_mlp[1] != beta).then_some(of_mlp[1] / beta);
        if linear[i] {
            layer.mixer = MixerSpec::Lightning(Box::new(lightning(&shape, i)));
        }
        let block = routed::sparse_block(names, &shape, i);
        let stored = |n| Stored { parts: routed::MIXTRAL, ..Stored::new(&shape, &block, n, shape.d_mlp) };
        layer.mlp = MlpSpec::Experts(Box::new(of_softmax(config, names, &shape, stored, true)?));
    }
    // Tables of decays, which follow from the number of a layer and of a head.
    let suffixes = &[
        "rotary_emb.inv_freq",
        "self_attn.slope_rate",
        "self_attn.query_decay",
        "self_attn.key_decay",
        "self_attn.diagonal_decay",
    ];
    spec.ignored = Ignored { suffixes, ..spec.ignored };
    Ok(spec)
}

/// Which layers have lightning attention: those that `layer_types` calls linear, or else every other one.
fn linear(config: &Config<'_>, n_layers: usize) -> Result<Vec<bool>, ConfigError> {
    let known = [("full_attention", false), ("attention", false), ("linear_attention", true)];
    let said = kinds::of_layers(config, "layer_types", n_layers, &known, "full_attention, linear_attention")?;
    Ok(said.unwrap_or_else(|| (0..n_layers).map(|i| !i.is_multiple_of(2)).collect()))
}

fn lightning(shape: &Shape, i: usize) -> LightningSpec {
    let &Shape { n_heads, d_head, d_model, n_layers, .. } = shape;
    let width = n_heads * d_head;
    let linear = |part: &str, d_out, d_in| {
        LinearSpec::new(&shape.name(i, &format!("self_attn.{part}")), d_out, d_in, false)
    };
    let qkv = linear("qkv_proj", 3 * width, d_model);
    let [q, k, v] = [0..1, 1..2, 2..3].map(|take| qkv.part(&Cut::Heads { groups: n_heads, slots: 3, take }));
    // ALiBi's slopes, smaller from layer to layer.
    let slope = (-8.0 / n_heads as f64).exp2();
    let share = 1.0 - i as f64 / ((n_layers - 1) as f64 + 1e-5) + 1e-5;
    LightningSpec {
        n_heads,
        d_head,
        activation: shape.activation,
        rates: (1..=n_heads).map(|head| slope.powi(head as i32) * share).collect(),
        q,
        k,
        v,
        norm: NormSpec::rms(&shape.name(i, "self_attn.norm"), width, EPS),
        gate: linear("output_gate", width, d_model),
        o: linear("out_proj", d_model, width),
    }
}
