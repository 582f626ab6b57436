//! Hunyuan, dense: Llama with norms on queries and keys after they are rotated.

use serde_json::{Map, Value, json};

use super::{
    Family, TensorNames,
    shape::{Defaults, Epsilon, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::{DecoderSpec, QkNorm, QkScope},
};

pub(super) const FAMILY: Family = Family {
    model_types: &["hunyuan_v1_dense"],
    models: "Hunyuan 0.5B to 7B",
    particulars: "RMS norms on query and key heads, after they rotate; a base of the rotation that alpha stretches once for all",
    resolve: |config, names, family| Ok(normed_after_rotation(config, names, family)?.1),
};

/// Llama's blocks with norms on query and key heads after they rotate.
pub(super) fn normed_after_rotation(
    config: &Config<'_>,
    names: &TensorNames,
    family: &str,
) -> Result<(Shape, DecoderSpec), ConfigError> {
    let keys = stretched_once(config)?;
    let config = &config.standing_for(None, &keys);
    let defaults = Defaults { eps: Epsilon::rms(1e-5), ..Defaults::default() };
    let mut shape = Shape::read_with(config, names, family, &defaults)?;
    shape.mlp_bias = false;
    config.pass_over_number("attention_head_dim", shape.d_head as f64);
    // Of a head for classes, and of padding.
    config.pass_over(&["dense_list", "pad_id"]);
    let mut spec = shape.decoder(config, names)?;
    for (i, attn) in spec.attentions_mut() {
        let norm = |part: &str| (shape.norm)(&shape.name(i, part), shape.d_head, shape.eps);
        attn.qk_norm = Some(QkNorm {
            q: norm("self_attn.query_layernorm"),
            k: norm("self_attn.key_layernorm"),
            scope: QkScope::RotatedHead,
        });
    }
    Ok((shape, spec))
}

/// The keys, with the base that a rotation called "dynamic" has where it names an `alpha`: it does not change with the
/// length of the text, other than the rotation that is usually called so.
fn stretched_once(config: &Config<'_>) -> Result<Map<String, Value>, ConfigError> {
    let mut keys = config.keys().clone();
    for section in ["rope_scaling", "rope_parameters"] {
        let Some(rotation) = config.object(section)? else { continue };
        let alpha = rotation.positive("alpha")?;
        let kind = rotation.text("rope_type")?.or(rotation.text("type")?);
        let (Some(alpha), Some("dynamic")) = (alpha, kind) else { continue };
        let named = if rotation.has("rope_theta") { &rotation } else { config };
        let theta = named.rope_base_or("rope_theta", 1e4)?;
        let d_head = match config.size("head_dim")? {
            Some(d_head) => d_head,
            None => config.required_size("hidden_size")? / config.required_size("num_attention_heads")?,
        };
        if d_head <= 2 {
            let what = format!("heads of {d_head} cannot rotate with an alpha");
            return Err(ConfigError::Inconsistent { what });
        }
        // theta alpha^(d / (d - 2)): NTK-aware scaling (bloc97 2023).
        let base = theta * alpha.powf(d_head as f64 / (d_head as f64 - 2.0));
        rotation.pass_over(&["factor", "mscale", "mscale_all_dim", "beta_fast", "beta_slow"]);
        keys.remove("rope_scaling");
        keys.remove("rope_theta");
        keys.insert("rope_parameters".to_owned(), json!({"rope_type": "default", "rope_theta": base}));
        break;
    }
    Ok(keys)
}
