//! Falcon: three shapes under one name.

use std::sync::Arc;

use super::{
    Family, TensorNames,
    alibi::slopes,
    parts::{EPSILON, Ends, Sizes, decoder},
};
use crate::{
    config::{Config, ConfigError, RopeQuery},
    spec::{
        Activation, Alibi, AlibiPrecision, DecoderSpec, LayerSpec, LinearSpec, MlpSpec, Position, Wiring,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["falcon"],
    models: "Falcon 7B, 11B, 40B, 180B, RW",
    particulars: "7B: parallel, one key-value head; 11B, 40B: grouped heads, one or two norms; RW: sequential, ALiBi",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    let sizes = Sizes::read(config, EPSILON)?;
    let prefix = names.prefix(&["transformer.", ""], "word_embeddings.weight");
    let flag = |key, default| Ok::<bool, ConfigError>(config.flag(key)?.unwrap_or(default));
    let new = flag("new_decoder_architecture", false)?;
    let (multi_query, parallel) = (flag("multi_query", true)?, flag("parallel_attn", true)?);
    let (alibi, bias) = (flag("alibi", false)?, flag("bias", false)?);
    let two_norms = new && config.size("num_ln_in_parallel_attn")?.unwrap_or(2) == 2;
    // Heads lie in groups of (queries, one key, one value).
    let groups = match (new, multi_query) {
        (true, _) => config.size("num_kv_heads")?.unwrap_or(sizes.n_heads),
        (false, true) => 1,
        (false, false) => sizes.n_heads,
    };
    if !sizes.n_heads.is_multiple_of(groups) {
        let what = format!("{} attention heads cannot share {groups} key-value heads", sizes.n_heads);
        return Err(ConfigError::Inconsistent { what });
    }
    let position = if alibi {
        config.pass_over(&["rope_theta", "rope_scaling", "rope_parameters"]);
        Position::Alibi(Alibi { slopes: slopes(sizes.n_heads), precision: AlibiPrecision::Bfloat16 })
    } else {
        Position::Rotary(Arc::new(config.rope(&RopeQuery::new(sizes.d_head, 1e4))?))
    };
    let activation = config.activation("activation", Activation::Gelu)?;
    let d = sizes.d_model;
    let d_mlp = config.size("ffn_hidden_size")?.unwrap_or(4 * d);
    let layers = (0..sizes.n_layers)
        .map(|i| {
            let at = |part: &str| format!("{prefix}h.{i}.{part}");
            let rows = (sizes.n_heads + 2 * groups) * sizes.d_head;
            let qkv = LinearSpec::new(&at("self_attention.query_key_value"), rows, d, bias);
            let [q, k, v] = sizes.interleaved(&qkv, groups);
            let mut attn =
                sizes.attention([q, k, v, LinearSpec::new(&at("self_attention.dense"), d, d, bias)]);
            attn.n_kv_heads = groups;
            attn.position = position.clone();
            let (attn_norm, wiring) = if two_norms && parallel {
                ("ln_attn", Wiring::Parallel { mlp_norm: Some(sizes.norm(&at("ln_mlp"))) })
            } else if parallel {
                ("input_layernorm", Wiring::Parallel { mlp_norm: None })
            } else {
                let mlp_norm = Some(sizes.norm(&at("post_attention_layernorm")));
                ("input_layernorm", Wiring::Sequential { mlp_norm })
            };
            LayerSpec {
                attn_norm: Some(sizes.norm(&at(attn_norm))),
                mixer: attn.into(),
                attn_post_norm: None,
                wiring,
                mlp: MlpSpec::plain(
                    activation,
                    LinearSpec::new(&at("mlp.dense_h_to_4h"), d_mlp, d, bias),
                    LinearSpec::new(&at("mlp.dense_4h_to_h"), d, d_mlp, bias),
                ),
                mlp_post_norm: None,
                multiplier: None,
                mlp_multiplier: None,
                end: None,
            }
        })
        .collect();
    let ends = Ends {
        embed: format!("{prefix}word_embeddings.weight"),
        norm: format!("{prefix}ln_f"),
        unembed: &["lm_head.weight"],
        tied_by_default: true,
        context: config.size("max_position_embeddings")?,
    };
    decoder(config, names, family, &sizes, &ends, layers)
}
