//! config.json, of every family and in both spellings.

use std::sync::OnceLock;

use lens_checkpoint::{
    config,
    families::{self, Reading, TensorNames},
    spec::{AttentionSpec, DecoderSpec, LayerSpec, Mask, MixerSpec, Position, Rope, RopeScaling},
};
use serde_json::{Map, Value, json};

use crate::fixtures;

/// A config as it stands (if it begins with a brace), or the config of a family with some keys changed: the first byte
/// chooses the family, and each two after it choose a key and what becomes of it.
///
/// What is understood has tensors whose sizes can be computed. Where the rotation is spelled as transformers 4 does, the
/// spelling of transformers 5 means the same decoder.
pub fn config_parse(data: &[u8]) {
    let config = if data.first() == Some(&b'{') {
        match config::parse(data) {
            Ok(config) => config,
            Err(_) => return,
        }
    } else {
        match changed(data) {
            Some(config) => config,
            None => return,
        }
    };
    check(&config);
}

fn check(config: &Value) {
    for ignore_extra in [false, true] {
        let reading = Reading { assume: None, ignore_extra };
        let understood = families::understand(config, &TensorNames::default(), &reading);
        match &understood {
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(understood) => {
                for param in understood.spec.tensors() {
                    let count = param.shape.iter().try_fold(4usize, |bytes, n| bytes.checked_mul(*n));
                    assert!(count.is_some(), "{} has the shape {:?}", param.name, param.shape);
                }
            }
        }
        // What is left unread may stand in the one spelling and not in the other.
        let whole = understood.ok().filter(|_| !ignore_extra);
        if let (Some(newer), Some(understood)) = (newer(config), whole) {
            let same = families::understand(&newer, &TensorNames::default(), &reading);
            if let Ok(same) = same
                && !scales_unasked(config, &understood.spec)
                && (leaves_windows_plain(&same.spec) || !leaves_windows_plain(&understood.spec))
            {
                assert_eq!(
                    same.spec, understood.spec,
                    "two spellings mean two decoders: {config} and {newer}"
                );
            }
        }
    }
}

/// Whether a layer with a window rotates as it would without any scaling. Where the older spelling alone leaves one so, it scales
/// the other layers only, and the newer spelling would name both kinds.
fn leaves_windows_plain(spec: &DecoderSpec) -> bool {
    let scaling = |layer: &LayerSpec| match &layer.mixer {
        MixerSpec::Attention(AttentionSpec { position: Position::Rotary(rope), mask, .. }) => {
            Some((matches!(mask, Mask::Sliding { .. }), rope.scaling == RopeScaling::Default))
        }
        _ => None,
    };
    spec.layers.iter().filter_map(scaling).any(|(has_window, plain)| has_window && plain)
}

/// Whether layers are scaled though the config does not speak of it: the family scales where nothing is said, and the newer
/// spelling would say how.
fn scales_unasked(config: &Value, spec: &DecoderSpec) -> bool {
    config.get("rope_scaling").is_none() && rotations(spec).any(|rope| rope.scaling != RopeScaling::Default)
}

/// The rotations of attention.
fn rotations(spec: &DecoderSpec) -> impl Iterator<Item = &Rope> {
    spec.layers.iter().filter_map(|layer| match &layer.mixer {
        MixerSpec::Attention(AttentionSpec { position: Position::Rotary(rope), .. }) => Some(&**rope),
        _ => None,
    })
}

/// The same config as transformers 5 writes it, where that is a matter of names alone: one rotation for all layers.
pub(crate) fn newer(config: &Value) -> Option<Value> {
    let mut keys = config.as_object()?.clone();
    let special = [
        "rope_parameters",
        "rope_local_base_freq",
        "rotary_emb_base",
        "rope_interleaved",
        "global_rope_theta",
    ];
    if special.iter().any(|key| keys.contains_key(*key)) {
        return None;
    }
    let theta = keys.remove("rope_theta").filter(Value::is_number)?;
    let mut rotation = match keys.remove("rope_scaling") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(scaling)) => scaling,
        Some(_) => return None,
    };
    if rotation.contains_key("rope_theta") {
        return None;
    }
    if let Some(kind) = rotation.remove("type")
        && rotation.insert("rope_type".to_owned(), kind.clone()).is_some_and(|other| other != kind)
    {
        return None;
    }
    if !rotation.contains_key("rope_type") {
        rotation.insert("rope_type".to_owned(), json!("default"));
    }
    rotation.insert("rope_theta".to_owned(), theta);
    keys.insert("rope_parameters".to_owned(), Value::Object(rotation));
    if let Some(dtype) = keys.remove("torch_dtype") {
        keys.entry("dtype").or_insert(dtype);
    }
    Some(Value::Object(keys))
}

/// The configs that the project's own tests run, one for each family at least.
pub(crate) fn known() -> &'static [Value] {
    static KNOWN: OnceLock<Vec<Value>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let of =
            |name: &String| config::parse(&fixtures::read(&format!("checkpoints/{name}/config.json"))).ok();
        fixtures::names("checkpoints").iter().filter_map(of).collect()
    })
}

fn changed(data: &[u8]) -> Option<Value> {
    let (which, edits) = data.split_first()?;
    let known = known();
    let mut config = known[usize::from(*which) % known.len()].clone();
    for edit in edits.chunks_exact(2).take(8) {
        let (key, what) = (usize::from(edit[0]), edit[1]);
        let keys = config.as_object_mut()?;
        // Every sixth edit is one of a nested section, where there is one.
        let section = keys.iter_mut().filter_map(|(_, value)| value.as_object_mut()).next();
        let keys = match section {
            Some(section) if key % 6 == 5 && !section.is_empty() => section,
            _ => config.as_object_mut()?,
        };
        let Some(name) = keys.keys().nth(key / 6 * 6 % keys.len().max(1) + key % 6).cloned() else {
            continue;
        };
        change(keys, &name, what);
    }
    Some(config)
}

fn change(keys: &mut Map<String, Value>, name: &str, what: u8) {
    let old = keys.get(name).cloned().unwrap_or_default();
    let new = match what % 24 {
        0 => Value::Null,
        1 => json!(-1),
        2 => json!(0),
        3 => json!(1),
        4 => json!(1u64 << 30),
        5 => json!(u64::MAX),
        6 => json!(1e308),
        7 => json!(1e-308),
        8 => json!(0.5),
        9 => json!("NaN"),
        10 => json!(""),
        11 => json!([]),
        12 => json!({}),
        13 => json!([1, 2, 3]),
        14 => json!(true),
        15 => json!(false),
        16 => json!({"rope_type": "yarn", "factor": 4.0}),
        17 => json!({"type": "linear", "factor": 2.0}),
        18 => json!({"factor": 2.0}),
        19 => old.as_u64().map_or(old.clone(), |n| json!(n.wrapping_add(1))),
        20 => old.as_u64().map_or(old.clone(), |n| json!(n.wrapping_mul(2))),
        21 => json!(3),
        22 => json!([[[[1]]]]),
        _ => {
            keys.remove(name);
            return;
        }
    };
    keys.insert(name.to_owned(), new);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configs_of_the_fixtures_mean_the_same_in_both_spellings() {
        let mut both = 0;
        for config in known() {
            check(config);
            both += usize::from(newer(config).is_some());
        }
        assert!(known().len() > 100 && both > 50, "{both} of {}", known().len());
    }
}
