//! Rotary embeddings: what metadata and factors of a GGUF file say, as `rope_scaling` of a config.

use serde_json::{Map, Value as Json, json};

use super::keys::Keys;
use crate::gguf::{BlockType, Shards, meant};
use crate::limits;

/// What divides the frequencies of Llama 3.1 to 3.3, as config.json says it.
const LLAMA3: [f64; 3] = [1.0, 4.0, 8192.0];

/// The stretching of positions; `None` where there is none. `theta` and `dims` are the base and the number of dimensions
/// that rotate.
pub(super) fn scaling(
    keys: &Keys<'_, '_>,
    shards: &Shards<'_>,
    theta: f64,
    dims: usize,
    notes: &mut Vec<String>,
) -> Result<Option<Json>, String> {
    // A file that names no kind means the linear one, whose factor is one where it has none.
    let kind = keys.text("rope.scaling.type")?.unwrap_or("linear");
    let original = keys.size("rope.scaling.original_context_length")?.filter(|n| *n > 0);
    let factor = keys.number("rope.scaling.factor")?;
    let attention = keys.number("rope.scaling.attn_factor")?;
    let (fast, slow) =
        (keys.number("rope.scaling.yarn_beta_fast")?, keys.number("rope.scaling.yarn_beta_slow")?);
    let linear = keys.number("rope.scale_linear")?;
    let mut section = Map::new();
    let mut set = |key: &str, value: Option<Json>| value.map(|value| section.insert(key.to_owned(), value));
    if let Some(long) = factors(shards, "rope_factors_long.weight", dims)? {
        let short = factors(shards, "rope_factors_short.weight", dims)?
            .ok_or("it has rope_factors_long.weight and no rope_factors_short.weight")?;
        set("rope_type", Some(json!("longrope")));
        set("long_factor", Some(json!(long)));
        set("short_factor", Some(json!(short)));
        set("original_max_position_embeddings", original.map(|n| json!(n)));
        let context = keys.size("context_length")?.unwrap_or(0);
        set("attention_factor", temperature(attention, context, original).map(|x| json!(x)));
        return Ok(Some(Json::Object(section)));
    }
    if let Some(factors) = factors(shards, "rope_freqs.weight", dims)? {
        if kind != "none" && (kind != "linear" || factor.or(linear).is_some_and(|x| x != 1.0)) {
            return Err(format!("it has rope_freqs.weight, and its rope.scaling.type is {kind:?}"));
        }
        return Ok(Some(divided(&factors, theta, dims, notes)));
    }
    match kind {
        "none" | "linear" if attention.is_some_and(|x| x != 1.0) => {
            return Err("it has a rope.scaling.attn_factor without YaRN or LongRoPE, which is not read here"
                .to_owned());
        }
        "none" => return Ok(None),
        "linear" => match factor.or(linear).filter(|factor| *factor != 0.0 && *factor != 1.0) {
            None => return Ok(None),
            Some(factor) => {
                set("rope_type", Some(json!("linear")));
                set("factor", Some(json!(factor)));
            }
        },
        "yarn" => {
            let factor = factor.ok_or("its rope.scaling.type is yarn, and it has no rope.scaling.factor")?;
            set("rope_type", Some(json!("yarn")));
            set("factor", Some(json!(factor)));
            set("original_max_position_embeddings", original.map(|n| json!(n)));
            set("beta_fast", fast.map(|x| json!(x)));
            set("beta_slow", slow.map(|x| json!(x)));
            // What the file says comes on top of YaRN's own temperature.
            let own = if factor > 1.0 { 0.1 * factor.ln() + 1.0 } else { 1.0 };
            set("attention_factor", attention.filter(|x| *x != 1.0).map(|x| json!(x * own)));
        }
        other => {
            return Err(format!(
                "its rope.scaling.type is {:?} (read are none, linear, yarn, and the factors of Llama 3 and Phi 3)",
                crate::config::cut(other)
            ));
        }
    }
    Ok(Some(Json::Object(section)))
}

/// What scores are multiplied by, unless it is what LongRoPE's formula says, which is left to the reader of the config:
/// the file has it in single precision.
fn temperature(said: Option<f64>, context: usize, original: Option<usize>) -> Option<f64> {
    let said = said.unwrap_or(1.0);
    let Some(original) = original else { return Some(said) };
    let stretch = context as f64 / original as f64;
    let own = if stretch <= 1.0 { 1.0 } else { (1.0 + stretch.ln() / (original as f64).ln()).sqrt() };
    ((said - own).abs() > 1e-6).then_some(said)
}

/// Factors by which frequencies are divided: Llama 3's where they are those within rounding, else as they are.
fn divided(factors: &[f64], theta: f64, dims: usize, notes: &mut Vec<String>) -> Json {
    let [low, high, original] = LLAMA3;
    let most = factors.iter().copied().fold(1.0, f64::max);
    let same = |(i, found): (usize, &f64)| {
        // The converter computes them in single precision, whose rounding the division may multiply.
        (llama3(theta.powf(-(2.0 * i as f64) / dims as f64), most) - found).abs() <= found * 1e-5
    };
    if most > 1.0 && factors.iter().enumerate().all(same) {
        return json!({
            "rope_type": "llama3",
            "factor": most,
            "low_freq_factor": low,
            "high_freq_factor": high,
            "original_max_position_embeddings": original,
        });
    }
    notes.push(
        "the file divides the frequencies of its rotary embedding by factors of its own (rope_freqs.weight), which are \
         taken as they are"
            .to_owned(),
    );
    json!({
        "rope_type": "longrope",
        "long_factor": factors,
        "short_factor": factors,
        "attention_factor": 1.0,
    })
}

/// By what Llama 3 divides a frequency, as llama.cpp's converter writes it.
fn llama3(frequency: f64, factor: f64) -> f64 {
    let [low, high, original] = LLAMA3;
    let length = 2.0 * std::f64::consts::PI / frequency;
    if length < original / high {
        1.0
    } else if length > original / low {
        factor
    } else {
        let smooth = (original / length - low) / (high - low);
        1.0 / ((1.0 - smooth) / factor + smooth)
    }
}

/// The numbers of a small tensor of factors.
fn factors(shards: &Shards<'_>, name: &str, dims: usize) -> Result<Option<Vec<f64>>, String> {
    let Some((shard, tensor)) = shards.find(name) else { return Ok(None) };
    let n: usize = tensor.shape.iter().product();
    if tensor.kind != BlockType::F32 || n > limits::gguf::MOST_FACTORS || n != dims / 2 {
        return Err(format!(
            "the tensor {name} should be {} numbers of type F32, and is {:?} of type {}",
            dims / 2,
            tensor.shape,
            tensor.kind
        ));
    }
    let bytes = shards.bytes(shard).get(tensor.range.clone());
    let bytes =
        bytes.ok_or_else(|| format!("the tensor {name} is needed to know the model, and is not at hand"))?;
    let mut values = Vec::new();
    tensor.kind.append(bytes, &mut values);
    if values.iter().any(|x| !(x.is_finite() && *x > 0.0)) {
        return Err(format!("the tensor {name} has a factor that is not a number above zero"));
    }
    Ok(Some(values.into_iter().map(meant).collect()))
}
