//! MiMo-V2, by Xiaomi.

use serde_json::{Map, Value, json};

use super::{
    Family, kinds,
    routed::{DeepSeek, Silence, by_kind_or},
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::{
    config::{Config, ConfigError, RopeQuery},
    spec::{LinearSpec, Mask, Param, Position},
};

/// The share of a head that rotates, where nothing is said.
const SHARE: f64 = 0.334;

pub(super) const FAMILY: Family = Family {
    model_types: &["mimo_v2_flash"],
    models: "MiMo-V2-Flash in bf16 (the published fp8 files are quantised)",
    particulars: "values narrower than keys, times a factor; windows with sinks, twice the key-value heads and a rotation of their \
                  own in most layers; DeepSeek-V3's experts without shared ones after one dense layer",
    resolve: |config, names, family| {
        let keys = keys(config)?;
        let config = &config.standing_for(None, &keys);
        let defaults = Defaults {
            n_heads: Some(64),
            n_kv_heads: Some(4),
            d_head: Some(192),
            eps: Epsilon::rms(1e-5),
            rotation: Rotation::Own,
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        (shape.mlp_bias, shape.o_bias) = (false, false);
        let window = config.size_or("sliding_window", 129)?;
        let slides = |i: usize| i > 0 && !(i + 1).is_multiple_of(6);
        shape.masks = config.masks(shape.n_layers, Some(window), slides)?;
        let query = RopeQuery { rounds_up: true, ..RopeQuery::new(shape.d_head, 1e4).partial(SHARE) };
        shape.positions = kinds::positions(config, &shape.masks, query)?;
        let d_value = config.size_or("v_head_dim", 128)?;
        let value_factor = match config.has("attention_value_scale") {
            true => config.number("attention_value_scale")?,
            false => Some(0.707),
        };
        if shape.masks.iter().any(|mask| *mask != Mask::Causal)
            && !shape.n_heads.is_multiple_of(2 * shape.n_kv_heads)
        {
            let what = format!(
                "{} attention heads cannot share the {} key-value heads that layers with a window have",
                shape.n_heads,
                2 * shape.n_kv_heads
            );
            return Err(ConfigError::Inconsistent { what });
        }
        let sparse = by_kind_or(config, shape.n_layers, |i| i > 0)?;
        let silence = Silence { groups: Some([1, 1]), renormalise: true, factor: 1.0, shared: None };
        let experts = DeepSeek::v3(config, &shape, &silence)?;
        pass_over(config, &shape, d_value, &sparse);
        let mut spec = shape.decoder(config, names)?;
        for (i, attn) in spec.attentions_mut() {
            let (d_model, bias) = (shape.d_model, shape.qkv_bias);
            let at = |part: &str| shape.name(i, &format!("self_attn.{part}"));
            if attn.mask != Mask::Causal {
                attn.n_kv_heads = 2 * shape.n_kv_heads;
                let sinks = ["attention_sink_bias", "sinks"].map(at);
                let stored = sinks.iter().find(|name| names.has(name)).unwrap_or(&sinks[0]);
                attn.sinks = Some(Param::whole(stored, [shape.n_heads]));
            }
            attn.k = LinearSpec::new(&at("k_proj"), attn.n_kv_heads * shape.d_head, d_model, bias);
            (attn.d_value, attn.value_factor) = (d_value, value_factor);
            attn.v = LinearSpec::new(&at("v_proj"), attn.n_kv_heads * d_value, d_model, bias);
            attn.o = LinearSpec::new(&at("o_proj"), d_model, shape.n_heads * d_value, false);
        }
        experts.put_into(names, &shape, &sparse, &mut spec);
        // Blocks that predict further tokens.
        spec.ignored.prefixes = &["model.mtp."];
        Ok(spec)
    },
};

/// The config's keys as the class takes them: rotations of its own where there are none, a window that is one wider than
/// `sliding_window_size`, which counts the positions before a token, and no factor where that is null.
fn keys(config: &Config<'_>) -> Result<Map<String, Value>, ConfigError> {
    let kind =
        |theta: f64| json!({"rope_type": "default", "rope_theta": theta, "partial_rotary_factor": SHARE});
    let sections = json!({"full_attention": kind(5e6), "sliding_attention": kind(1e4)});
    let mut keys = kinds::with_sections(config, sections);
    if let Some(before) = config.size("sliding_window_size")? {
        keys.insert("sliding_window".to_owned(), json!(before + 1));
    }
    if keys.get("routed_scaling_factor").is_some_and(Value::is_null) {
        keys.remove("routed_scaling_factor");
    }
    Ok(keys)
}

/// Words of the published files for what the class takes from other keys, or always does.
fn pass_over(config: &Config<'_>, shape: &Shape, d_value: usize, sparse: &[bool]) {
    for (key, value) in [
        ("swa_num_attention_heads", shape.n_heads),
        ("swa_num_key_value_heads", 2 * shape.n_kv_heads),
        ("swa_head_dim", shape.d_head),
        ("swa_v_head_dim", d_value),
    ] {
        config.pass_over_number(key, value as f64);
    }
    config.pass_over_number("layernorm_epsilon", shape.eps);
    let rotation = |slides: bool| {
        let mut layers = shape.masks.iter().zip(&shape.positions);
        match layers.find(|(mask, _)| (**mask != Mask::Causal) == slides) {
            Some((_, Position::Rotary(rope))) => Some(rope),
            _ => None,
        }
    };
    for (key, slides) in [("rope_theta", false), ("swa_rope_theta", true)] {
        if let Some(rope) = rotation(slides) {
            config.pass_over_number(key, rope.theta);
        }
    }
    for (key, flags) in [
        ("hybrid_layer_pattern", shape.masks.iter().map(|mask| *mask != Mask::Causal).collect::<Vec<_>>()),
        ("moe_layer_freq", sparse.to_vec()),
    ] {
        let as_said = Value::from(flags.into_iter().map(u8::from).collect::<Vec<_>>());
        if config.keys().get(key) == Some(&as_said) {
            config.pass_over(&[key]);
        }
    }
    if config.keys().get("add_swa_attention_sink_bias") == Some(&Value::Bool(true)) {
        config.pass_over(&["add_swa_attention_sink_bias"]);
    }
    // How its own code splits the sequence.
    config.pass_over(&["attention_chunk_size", "hybrid_block_size"]);
}
