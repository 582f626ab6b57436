//! GPT-J, and CodeGen, which stores its queries, values and keys in one matrix.

use std::sync::Arc;

use super::{
    Family, TensorNames,
    parts::{EPSILON, Ends, Sizes, decoder},
};
use crate::{
    config::{Config, ConfigError},
    spec::{
        Activation, Cut, DecoderSpec, LayerSpec, LinearSpec, MlpSpec, Pairing, Param, Position, Rope,
        RopeScaling, Wiring,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["gptj"],
    models: "GPT-J 6B",
    particulars: "parallel under one norm, interleaved RoPE on rotary_dim dimensions, an unembedding bias",
    resolve: |config, names, family| {
        resolve(config, names, family, |at, d| {
            Ok(["q_proj", "k_proj", "v_proj"].map(|part| LinearSpec::new(&at(part), d, d, false)))
        })
    },
};

pub(super) const CODEGEN: Family = Family {
    model_types: &["codegen"],
    models: "CodeGen 1",
    particulars: "GPT-J with queries, values and keys in one matrix of four blocks",
    resolve: |config, names, family| resolve(config, names, family, in_four_blocks),
};

/// The rows of one matrix are those of four processors, one after the other: of each its queries, values and keys.
fn in_four_blocks(at: &dyn Fn(&str) -> String, d: usize) -> Result<[LinearSpec; 3], ConfigError> {
    const BLOCKS: usize = 4;
    if !d.is_multiple_of(BLOCKS) {
        let what =
            format!("the width {d} is not a multiple of the {BLOCKS} blocks that qkv_proj is stored in");
        return Err(ConfigError::Inconsistent { what });
    }
    let fused = LinearSpec::new(&at("qkv_proj"), 3 * d, d, false);
    let slot = |n: usize| fused.part(&Cut::Heads { groups: BLOCKS, slots: 3, take: n..n + 1 });
    Ok([slot(0), slot(2), slot(1)])
}

/// `qkv` makes queries, keys and values from a way to name tensors and the width.
fn resolve(
    config: &Config<'_>,
    names: &TensorNames,
    family: &str,
    qkv: impl Fn(&dyn Fn(&str) -> String, usize) -> Result<[LinearSpec; 3], ConfigError>,
) -> Result<DecoderSpec, ConfigError> {
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
            let [q, k, v] = qkv(&|part| at(&format!("attn.{part}")), d)?;
            let mut attn = sizes.attention([q, k, v, LinearSpec::new(&at("attn.out_proj"), d, d, false)]);
            attn.position = Position::Rotary(Arc::clone(&rope));
            Ok(LayerSpec {
                attn_norm: Some(sizes.norm(&at("ln_1"))),
                mixer: attn.into(),
                attn_post_norm: None,
                wiring: Wiring::Parallel { mlp_norm: None },
                mlp: MlpSpec::plain(
                    activation,
                    LinearSpec::new(&at("mlp.fc_in"), d_mlp, d, true),
                    LinearSpec::new(&at("mlp.fc_out"), d, d_mlp, true),
                ),
                mlp_post_norm: None,
                multiplier: None,
                mlp_multiplier: None,
                end: None,
            })
        })
        .collect::<Result<_, ConfigError>>()?;
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
