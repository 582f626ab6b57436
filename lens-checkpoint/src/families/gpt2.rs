//! GPT-2, GPT-BigCode (StarCoder) and GPT-Neo.

use super::{
    Family, TensorNames,
    parts::{EPSILON, Ends, Sizes, decoder},
};
use crate::{
    config::{Config, ConfigError},
    limits,
    spec::{Activation, DecoderSpec, LayerSpec, LinearSpec, Mask, MlpSpec},
};

pub(super) const GPT2: Family = Family {
    model_types: &["gpt2"],
    models: "GPT-2, DistilGPT2, DialoGPT",
    particulars: "learned positions; weights stored transposed; query, key and value in one matrix; tied",
    resolve: |config, names, family| {
        resolve(config, names, family, |sizes, at, i| {
            let qkv = LinearSpec::transposed(&at("attn.c_attn"), 3 * sizes.d_model, sizes.d_model);
            let [q, k, v] = sizes.blocks(&qkv, sizes.n_heads);
            let o = LinearSpec::transposed(&at("attn.c_proj"), sizes.d_model, sizes.d_model);
            let mut attn = sizes.attention([q, k, v, o]);
            if config.flag("scale_attn_weights")? == Some(false) {
                attn.scale = 1.0;
            }
            if config.flag("scale_attn_by_inverse_layer_idx")?.unwrap_or(false) {
                attn.scale /= (i + 1) as f64;
            }
            let d_mlp = config.size("n_inner")?.unwrap_or(4 * sizes.d_model);
            let up = LinearSpec::transposed(&at("mlp.c_fc"), d_mlp, sizes.d_model);
            let down = LinearSpec::transposed(&at("mlp.c_proj"), sizes.d_model, d_mlp);
            Ok((attn, up, down))
        })
    },
};

pub(super) const GPT_BIGCODE: Family = Family {
    model_types: &["gpt_bigcode"],
    models: "StarCoder, SantaCoder",
    particulars: "GPT-2 with one key-value head for all queries, or all heads interleaved",
    resolve: |config, names, family| {
        let multi_query = config.flag("multi_query")?.unwrap_or(true);
        resolve(config, names, family, |sizes, at, _| {
            let d = sizes.d_model;
            let rows = if multi_query { d + 2 * sizes.d_head } else { 3 * d };
            let qkv = LinearSpec::new(&at("attn.c_attn"), rows, d, true);
            let [q, k, v] =
                if multi_query { sizes.blocks(&qkv, 1) } else { sizes.interleaved(&qkv, sizes.n_heads) };
            let mut attn = sizes.attention([q, k, v, LinearSpec::new(&at("attn.c_proj"), d, d, true)]);
            if multi_query {
                attn.n_kv_heads = 1;
            }
            if config.flag("scale_attn_weights")? == Some(false) {
                attn.scale = 1.0;
            }
            let d_mlp = config.size("n_inner")?.unwrap_or(4 * d);
            let up = LinearSpec::new(&at("mlp.c_fc"), d_mlp, d, true);
            Ok((attn, up, LinearSpec::new(&at("mlp.c_proj"), d, d_mlp, true)))
        })
    },
};

pub(super) const GPT_NEO: Family = Family {
    model_types: &["gpt_neo"],
    models: "GPT-Neo",
    particulars: "scores are not scaled; every other layer has a window",
    resolve: |config, names, family| {
        let window = config.size_or("window_size", 256)?;
        let kinds = attention_kinds(config)?;
        resolve(config, names, family, |sizes, at, i| {
            if kinds.len() != sizes.n_layers {
                let what = format!("attention_types names {} of {} layers", kinds.len(), sizes.n_layers);
                return Err(ConfigError::Inconsistent { what });
            }
            let d = sizes.d_model;
            let linear =
                |part: &str, bias| LinearSpec::new(&at(&format!("attn.attention.{part}")), d, d, bias);
            let qkvo = [
                linear("q_proj", false),
                linear("k_proj", false),
                linear("v_proj", false),
                linear("out_proj", true),
            ];
            let mut attn = sizes.attention(qkvo);
            attn.scale = 1.0;
            attn.mask = match kinds[i].as_str() {
                "global" => Mask::Causal,
                "local" => Mask::Sliding { window },
                other => {
                    return Err(ConfigError::Unsupported {
                        key: "attention_types".to_owned(),
                        value: other.to_owned(),
                        supported: "global, local",
                    });
                }
            };
            let d_mlp = config.size("intermediate_size")?.unwrap_or(4 * d);
            let up = LinearSpec::new(&at("mlp.c_fc"), d_mlp, d, true);
            Ok((attn, up, LinearSpec::new(&at("mlp.c_proj"), d, d_mlp, true)))
        })
    },
};

/// GPT-Neo's `attention_types`, `[[[kinds], repeats], …]`, written out; the newer `attention_layers` is that list.
fn attention_kinds(config: &Config<'_>) -> Result<Vec<String>, ConfigError> {
    let strings = |value: &serde_json::Value| -> Option<Vec<String>> {
        value.as_array()?.iter().map(|kind| kind.as_str().map(str::to_owned)).collect()
    };
    let wrong = || ConfigError::Inconsistent {
        what: "attention_types should be a list of [[kinds], repeats]".to_owned(),
    };
    config.refuse_null("attention_types", "a list of [[kinds], repeats]")?;
    if let Some(types) = config.get("attention_types") {
        // The same list written out.
        config.pass_over(&["attention_layers"]);
        let mut kinds = Vec::new();
        for entry in types.as_array().ok_or_else(wrong)? {
            let group = entry.get(0).and_then(strings).ok_or_else(wrong)?;
            let repeats = entry.get(1).and_then(serde_json::Value::as_u64).ok_or_else(wrong)?;
            // More layers than a model can have are refused anyway, and need not be written out.
            let room = (limits::config::MOST_LAYERS + 1).saturating_sub(kinds.len());
            kinds.extend((0..repeats.min(room as u64)).flat_map(|_| &group).take(room).cloned());
        }
        return Ok(kinds);
    }
    config
        .get("attention_layers")
        .and_then(strings)
        .ok_or_else(|| ConfigError::Missing { key: config.name("attention_types") })
}

/// GPT-2's decoder. `layer` makes the attention of a layer and the two maps of its MLP from a way to name tensors.
fn resolve(
    config: &Config<'_>,
    names: &TensorNames,
    family: &str,
    layer: impl Fn(
        &Sizes,
        &dyn Fn(&str) -> String,
        usize,
    ) -> Result<(crate::spec::AttentionSpec, LinearSpec, LinearSpec), ConfigError>,
) -> Result<DecoderSpec, ConfigError> {
    let sizes = Sizes::read(config, EPSILON)?;
    let prefix = names.prefix(&["transformer.", ""], "wte.weight");
    let activation = config.activation("activation_function", Activation::GeluTanh)?;
    let layers = (0..sizes.n_layers)
        .map(|i| {
            let at = |part: &str| format!("{prefix}h.{i}.{part}");
            let (attn, up, down) = layer(&sizes, &at, i)?;
            let mlp = MlpSpec::plain(activation, up, down);
            Ok(LayerSpec::pre_norm(sizes.norm(&at("ln_1")), attn, sizes.norm(&at("ln_2")), mlp))
        })
        .collect::<Result<_, ConfigError>>()?;
    let n_positions = config.size_of(&["n_positions", "max_position_embeddings"])?;
    let ends = Ends {
        embed: format!("{prefix}wte.weight"),
        norm: format!("{prefix}ln_f"),
        unembed: &["lm_head.weight"],
        tied_by_default: true,
        context: Some(n_positions),
    };
    let mut spec = decoder(config, names, family, &sizes, &ends, layers)?;
    spec.embed.positions = Some(sizes.learned(format!("{prefix}wpe.weight"), n_positions));
    Ok(spec)
}
