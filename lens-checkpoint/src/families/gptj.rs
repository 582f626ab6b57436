//! GPT-J.

use std::sync::Arc;

use super::{
    Family, TensorNames,
    parts::{EPSILON, Ends, Sizes, decoder},
};
use crate::{
    config::{Config, ConfigError},
    spec::{
        Activation, DecoderSpec, LayerSpec, LinearSpec, MlpSpec, Pairing, Param, Position, Rope, RopeScaling,
        Wiring,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["gptj"],
    models: "GPT-J 6B",
    particulars: "parallel under one norm, interleaved RoPE on rotary_dim dimensions, an unembedding bias",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    let sizes = Sizes::read(config, EPSILON)?;
    let prefix = names.prefix(&["transformer.", ""], "wte.weight");
    let dims = config.size_or("rotary_dim", 64)?;
    if !dims.is_multiple_of(2) || dims > sizes.d_head {
        let what = format!(
            "rotary_dim is {dims} (64 where it is absent), but must be even and at most the head width {}; all else fails in \
             transformers as well",
            sizes.d_head
        );
        return Err(ConfigError::Inconsistent { what });
    }
    let rope =
        Arc::new(Rope { theta: 1e4, dims, pairing: Pairing::Interleaved, scaling: RopeScaling::Default });
    let activation = config.activation("activation_function", Activation::GeluTanh)?;
    let d = sizes.d_model;
    let d_mlp = config.size("n_inner")?.unwrap_or(4 * d);
    let layers = (0..sizes.n_layers)
        .map(|i| {
            let at = |part: &str| format!("{prefix}h.{i}.{part}");
            let linear = |part: &str| LinearSpec::new(&at(&format!("attn.{part}")), d, d, false);
            let mut attn =
                sizes.attention([linear("q_proj"), linear("k_proj"), linear("v_proj"), linear("out_proj")]);
            attn.position = Position::Rotary(Arc::clone(&rope));
            LayerSpec {
                attn_norm: Some(sizes.norm(&at("ln_1"))),
                mixer: attn.into(),
                attn_post_norm: None,
                wiring: Wiring::Parallel { mlp_norm: None },
                mlp: MlpSpec::Plain {
                    activation,
                    up: LinearSpec::new(&at("mlp.fc_in"), d_mlp, d, true),
                    down: LinearSpec::new(&at("mlp.fc_out"), d, d_mlp, true),
                },
                mlp_post_norm: None,
                multiplier: None,
                mlp_multiplier: None,
            }
        })
        .collect();
    let ends = Ends {
        embed: format!("{prefix}wte.weight"),
        norm: format!("{prefix}ln_f"),
        unembed: &["lm_head.weight"],
        tied_by_default: false,
        context: config.size("n_positions")?,
    };
    let mut spec = decoder(config, names, family, &sizes, &ends, layers)?;
    spec.readout.bias = Some(Param::whole("lm_head.bias", [sizes.n_vocab]));
    Ok(spec)
}
