//! Kinds of layers: what lists of names say of each, and rotations that each kind has to itself, in a section of
//! `rope_parameters`.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{
    config::{Config, ConfigError, RopeQuery},
    spec::{Mask, Position},
};

/// What a list of names, one for each layer, says of every layer, where `known` says what a name means and `supported` lists
/// them; nothing where the list is not there.
///
/// # Errors
/// When it has another number of entries than there are layers, or names something else.
pub(super) fn of_layers<T: Copy>(
    config: &Config<'_>,
    key: &'static str,
    n_layers: usize,
    known: &[(&str, T)],
    supported: &'static str,
) -> Result<Option<Vec<T>>, ConfigError> {
    let Some(names) = config.texts(key)? else { return Ok(None) };
    if names.len() != n_layers {
        let what = format!("{key} has {} entries for {n_layers} layers", names.len());
        return Err(ConfigError::Inconsistent { what });
    }
    let meaning = |name: &str| match known.iter().find(|(known, _)| *known == name) {
        Some((_, meaning)) => Ok(*meaning),
        None => Err(ConfigError::Unsupported { key: config.name(key), value: name.to_owned(), supported }),
    };
    names.into_iter().map(meaning).collect::<Result<_, _>>().map(Some)
}

/// A config's keys, with `sections` in the place of `rope_parameters` where there are none.
pub(super) fn with_sections(config: &Config<'_>, sections: Value) -> Map<String, Value> {
    let mut keys = config.keys().clone();
    if keys.get("rope_parameters").is_none_or(Value::is_null) {
        keys.insert("rope_parameters".to_owned(), sections);
    }
    keys
}

/// How each layer rotates: as the section of its kind says, by `query`. Layers of a kind share their rotation; the section
/// of a kind that no layer has means nothing.
pub(super) fn positions(
    config: &Config<'_>,
    masks: &[Mask],
    query: RopeQuery,
) -> Result<Vec<Position>, ConfigError> {
    let of = |kind: &'static str, is_one: fn(&Mask) -> bool| -> Result<Option<Position>, ConfigError> {
        if masks.iter().any(is_one) {
            let query = RopeQuery { layer_type: Some(kind), ..query };
            return Ok(Some(Position::Rotary(Arc::new(config.rope(&query)?))));
        }
        if let Some(kinds) = config.object("rope_parameters")? {
            kinds.pass_over(&[kind]);
        }
        Ok(None)
    };
    let full = of("full_attention", |mask| *mask == Mask::Causal)?;
    let sliding = of("sliding_attention", |mask| *mask != Mask::Causal)?;
    let position = |mask: &Mask| if *mask == Mask::Causal { &full } else { &sliding };
    Ok(masks.iter().map(|mask| position(mask).clone().unwrap_or(Position::None)).collect())
}
