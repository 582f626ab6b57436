//! Keys as a family expects them: under their usual names, and those that silence stands for.

use serde_json::{Map, Value};

use crate::config::Config;

/// The keys of a config under their usual names, where its class has `(its own, usual)` others. Its own win where both
/// are there.
pub(super) fn renamed(config: &Config<'_>, names: &[(&str, &str)]) -> Map<String, Value> {
    let mut keys = config.keys().clone();
    for (own, usual) in names {
        if let Some(value) = config.keys().get(*own) {
            keys.insert((*usual).to_owned(), value.clone());
            config.pass_over(&[own]);
        }
    }
    keys
}

/// The keys of a config, with the rotation that its class has where the config describes none.
pub(super) fn with_rotation(config: &Config<'_>, default: Value) -> Map<String, Value> {
    let mut keys = config.keys().clone();
    let said = |key: &str| keys.get(key).is_some_and(|value| !value.is_null());
    if !said("rope_parameters") && !said("rope_scaling") {
        keys.insert("rope_parameters".to_owned(), default);
    }
    keys
}
