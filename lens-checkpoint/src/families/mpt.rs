//! MPT.

use super::{
    Family, TensorNames,
    alibi::mpt_slopes,
    parts::{EPSILON, Ends, Sizes, decoder},
};
use crate::{
    config::{Config, ConfigError},
    spec::{
        Activation, Alibi, AlibiPrecision, DecoderSpec, LayerSpec, LinearSpec, MlpSpec, NormSpec, Position,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["mpt"],
    models: "MPT 7B, 30B",
    particulars: "ALiBi, no biases at all, queries, keys and values in one matrix and clipped; tied",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    let sizes = Sizes::read(config, EPSILON)?;
    let prefix = names.prefix(&["transformer.", ""], "wte.weight");
    let attention = config.object("attn_config")?;
    let attention_name = |key: &str| format!("attn_config.{key}");
    let of =
        |key: &'static str| attention.map(|section| section.positive(key)).transpose().map(Option::flatten);
    let is_on = |key: &'static str, default| -> Result<bool, ConfigError> {
        Ok(attention.map(|section| section.flag(key)).transpose()?.flatten().unwrap_or(default))
    };
    // transformers' own implementation always uses ALiBi and never norms queries; a model that wants otherwise
    // would be computed wrongly there, and is refused here.
    for (key, wanted) in [("alibi", true), ("qk_ln", false), ("prefix_lm", false)] {
        if is_on(key, wanted)? != wanted {
            let supported = if wanted { "true" } else { "false" };
            return Err(ConfigError::Unsupported {
                key: attention_name(key),
                value: (!wanted).to_string(),
                supported,
            });
        }
    }
    // It ignores these two as well.
    const STEEPEST: f64 = 8.0;
    if let Some(other) = of("alibi_bias_max")?.filter(|max| *max != STEEPEST) {
        let value = other.to_string();
        return Err(ConfigError::Unsupported {
            key: attention_name("alibi_bias_max"),
            value,
            supported: "8",
        });
    }
    if let Some(scale) = config.get("logit_scale") {
        let value = scale.to_string();
        return Err(ConfigError::Unsupported { key: config.name("logit_scale"), value, supported: "null" });
    }
    let slopes = mpt_slopes(sizes.n_heads, STEEPEST);
    let (scale, clip) = (of("softmax_scale")?, of("clip_qkv")?);
    let d = sizes.d_model;
    let norm = |name: &str| NormSpec::layer(name, d, sizes.eps, false);
    let layers = (0..sizes.n_layers)
        .map(|i| {
            let at = |part: &str| format!("{prefix}blocks.{i}.{part}");
            let qkv = LinearSpec::new(&at("attn.Wqkv"), 3 * d, d, false);
            let [q, k, v] = sizes.blocks(&qkv, sizes.n_heads);
            let mut attn = sizes.attention([q, k, v, LinearSpec::new(&at("attn.out_proj"), d, d, false)]);
            attn.position =
                Position::Alibi(Alibi { slopes: slopes.clone(), precision: AlibiPrecision::Single });
            attn.scale = scale.unwrap_or(attn.scale);
            attn.clip = clip;
            let mlp = MlpSpec::plain(
                Activation::Gelu,
                LinearSpec::new(&at("ffn.up_proj"), 4 * d, d, false),
                LinearSpec::new(&at("ffn.down_proj"), d, 4 * d, false),
            );
            LayerSpec::pre_norm(norm(&at("norm_1")), attn, norm(&at("norm_2")), mlp)
        })
        .collect();
    let ends = Ends {
        embed: format!("{prefix}wte.weight"),
        norm: format!("{prefix}norm_f"),
        unembed: &["lm_head.weight"],
        tied_by_default: true,
        context: config.size("max_seq_len")?,
    };
    let mut spec = decoder(config, names, family, &sizes, &ends, layers)?;
    spec.readout.norm = Some(norm(&ends.norm));
    Ok(spec)
}
