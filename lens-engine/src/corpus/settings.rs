//! What the numbers of a corpus depend on.

use std::collections::BTreeMap;

use lens_cli::args::CorpusRunArgs;
use lens_core::{ComponentSelection, Plan};
use lens_models::{Checkpoint, LoadOptions, device::DeviceMap};
use serde_json::{Value, json};

use crate::evaluate::show;

/// What the numbers depend on besides the texts, by name.
pub(super) fn of(
    args: &CorpusRunArgs,
    checkpoint: &Checkpoint,
    loading: &LoadOptions,
    plan: &Plan,
    context: usize,
) -> BTreeMap<String, Value> {
    let outline = checkpoint.outline();
    let dtype = loading.dtype.unwrap_or_else(|| outline.main_dtype());
    let settings = [
        ("model_sha256", json!(checkpoint.fingerprint())),
        ("dtype", json!(dtype.to_string())),
        ("device", json!(device(&loading.map))),
        ("context", json!(context)),
        ("lenses", json!(show::lenses(&plan.lenses))),
        ("layers", json!(plan.layers.to_string())),
        ("components", json!(components(&plan.components))),
        ("documents_at_most", json!(args.documents)),
        ("languages", json!(args.languages)),
        ("rows", json!(args.rows)),
    ];
    settings.map(|(name, value)| (name.to_owned(), value)).into()
}

/// What the results call the model.
pub(super) fn about(name: &str, checkpoint: &Checkpoint) -> BTreeMap<String, Value> {
    let outline = checkpoint.outline();
    let about =
        [("model", json!(name)), ("revision", json!(outline.revision)), ("notes", json!(outline.notes))];
    about.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Where the model runs, as far as that was said: what `auto` finds on a machine may differ from what it finds on another.
fn device(map: &DeviceMap) -> String {
    match map {
        DeviceMap::Best => "auto".to_owned(),
        DeviceMap::One(place) => place.to_string(),
        other => format!("{other:?}"),
    }
}

fn components(components: &ComponentSelection) -> Vec<String> {
    if components.is_all() {
        return vec!["all".to_owned()];
    }
    let heads = components.all_heads().then(|| "heads".to_owned());
    components.as_slice().iter().map(ToString::to_string).chain(heads).collect()
}
