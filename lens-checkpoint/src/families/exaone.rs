//! EXAONE 3, 3.5 and 4.

use super::{
    Family, TensorNames,
    keys::renamed,
    olmo::norms_after_branches,
    qwen::head_norms,
    shape::{Defaults, Epsilon, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::{DecoderSpec, LinearSpec, Mask, MlpSpec, NormSpec, Position, TensorSpec, Wiring},
};

pub(super) const EXAONE: Family = Family {
    model_types: &["exaone"],
    models: "EXAONE 3 and 3.5, EXAONE Deep",
    particulars: "Llama under GPT-2's names",
    resolve: resolve_exaone,
};

fn resolve_exaone(
    config: &Config<'_>,
    names: &TensorNames,
    family: &str,
) -> Result<DecoderSpec, ConfigError> {
    let keys = renamed(
        config,
        &[
            ("num_layers", "num_hidden_layers"),
            ("layer_norm_epsilon", "rms_norm_eps"),
            ("activation_function", "hidden_act"),
        ],
    );
    let config = &config.standing_for(None, &keys);
    let defaults = Defaults { theta: Some(5e5), eps: Epsilon::rms(1e-5), ..Defaults::default() };
    let mut shape = Shape::read_with(config, names, family, &defaults)?;
    shape.prefix = names.prefix(&["transformer.", ""], "wte.weight").to_owned();
    let prefix = shape.prefix.clone();
    // Its own names have to be there before the unembedding is looked for: a tied one is the embedding.
    let mut spec = shape.decoder(config, names)?;
    let was_tied = spec.is_tied();
    spec.embed.tokens = TensorSpec::new(format!("{prefix}wte.weight"), [shape.n_vocab, shape.d_model]);
    if was_tied {
        spec.readout.unembed = spec.embed.tokens.clone();
    }
    spec.readout.norm = Some(NormSpec::rms(&format!("{prefix}ln_f"), shape.d_model, shape.eps));
    for (i, layer) in spec.layers.iter_mut().enumerate() {
        let at = |part: &str| format!("{prefix}h.{i}.{part}");
        let norm = |part: &str| NormSpec::rms(&at(part), shape.d_model, shape.eps);
        layer.attn_norm = Some(norm("ln_1"));
        layer.wiring = Wiring::Sequential { mlp_norm: Some(norm("ln_2")) };
        let linear = |part: &str, d_out, d_in| LinearSpec::new(&at(part), d_out, d_in, shape.mlp_bias);
        let mut mlp = shape.gated("", shape.d_mlp);
        mlp.gate = linear("mlp.c_fc_0", shape.d_mlp, shape.d_model);
        mlp.up = linear("mlp.c_fc_1", shape.d_mlp, shape.d_model);
        mlp.down = linear("mlp.c_proj", shape.d_model, shape.d_mlp);
        layer.mlp = MlpSpec::Gated(mlp);
    }
    let (q, kv) = (shape.n_heads * shape.d_head, shape.n_kv_heads * shape.d_head);
    for (i, attn) in spec.attentions_mut() {
        let linear = |part: &str, d_out, d_in, bias| {
            LinearSpec::new(&format!("{prefix}h.{i}.attn.attention.{part}"), d_out, d_in, bias)
        };
        attn.q = linear("q_proj", q, shape.d_model, shape.qkv_bias);
        attn.k = linear("k_proj", kv, shape.d_model, shape.qkv_bias);
        attn.v = linear("v_proj", kv, shape.d_model, shape.qkv_bias);
        attn.o = linear("out_proj", shape.d_model, q, shape.o_bias);
    }
    Ok(spec)
}

pub(super) const EXAONE4: Family = Family {
    model_types: &["exaone4"],
    models: "EXAONE 4.0",
    particulars: "no norm before a branch, one after it; norms on query and key heads; where some layers slide, full ones have \
                  no positions",
    resolve: |config, names, family| {
        let defaults = Defaults { eps: Epsilon::rms(1e-5), ..Defaults::default() };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (false, false, false);
        let window = config.size_unless_null("sliding_window", 4096)?;
        shape.masks = masks(config, &shape, window)?;
        if window.is_some() {
            for (position, mask) in shape.positions.iter_mut().zip(&shape.masks) {
                if *mask == Mask::Causal {
                    *position = Position::None;
                }
            }
        }
        let mut spec = shape.decoder(config, names)?;
        norms_after_branches(&shape, &mut spec);
        head_norms(&shape, &mut spec);
        Ok(spec)
    },
};

/// The pattern says of a config without `layer_types` which layers slide: all but every so many.
fn masks(config: &Config<'_>, shape: &Shape, window: Option<usize>) -> Result<Vec<Mask>, ConfigError> {
    const PATTERN: &str = "sliding_window_pattern";
    if config.keys().contains_key("layer_types") {
        config.pass_over(&[PATTERN]);
        return config.masks(shape.n_layers, window, |_| false);
    }
    let Some(window) = window else {
        return Err(ConfigError::Missing { key: config.name("layer_types") });
    };
    let pattern = config.size_or(PATTERN, 4)?;
    config.masks(shape.n_layers, Some(window), |i| !(i + 1).is_multiple_of(pattern))
}
