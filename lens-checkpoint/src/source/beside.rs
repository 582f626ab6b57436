//! The files of an adapter, which model its config names, and adapters that lie beside a model.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{error::SourceError, files::read_whole};
use crate::config::{cut, parse};
use crate::limits;

/// The files of an adapter, all on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdapterFiles {
    /// The folder that they are in.
    pub root: PathBuf,
    /// The hub id with the folder in it, or the folder as it was given.
    pub id: String,
    /// The commit, where it is known.
    pub revision: Option<String>,
    /// adapter_config.json.
    pub config: PathBuf,
    /// adapter_model.safetensors, or adapter_model.bin.
    pub weights: PathBuf,
    /// What was assumed to find them, as sentences for a person.
    pub notes: Vec<String>,
    /// Whether it lies beside the model and was not asked for by name.
    pub is_beside: bool,
}

/// The model that an adapter's config names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    /// A hub id, or a folder.
    pub(super) name: Option<String>,
    pub(super) revision: Option<String>,
}

impl Base {
    pub(super) fn read(config: &Path, place: &str) -> Result<Self, SourceError> {
        let broken = |reason: String| SourceError::NoBase { place: place.to_owned(), reason };
        let value = parse(&read_whole(config, limits::config::LARGEST_BESIDE)?)
            .map_err(|error| broken(format!("is not JSON ({error})")))?;
        let text = |key: &str| match value.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(other) => Err(broken(format!("has {key} = {}", cut(&other.to_string())))),
        };
        Ok(Self { name: text("base_model_name_or_path")?, revision: text("revision")? })
    }

    /// Whether it is the model of that folder or hub id, or no other.
    pub(super) fn is_of(&self, root: &Path, id: &str) -> bool {
        let Some(name) = &self.name else { return true };
        let same = |a: &Path, b: &Path| {
            a.canonicalize().ok().zip(b.canonicalize().ok()).is_some_and(|(a, b)| a == b)
        };
        name == id || same(Path::new(name), root)
    }
}

/// What there is of an adapter beside a model.
pub(super) enum Beside {
    None,
    /// One for the model.
    Own(AdapterFiles),
    /// One for another model.
    Other(Base),
}

impl Beside {
    /// The adapter that is to be merged, and what is to be said.
    pub(super) fn into_parts(self) -> (Vec<AdapterFiles>, Vec<String>) {
        match self {
            Self::None => (Vec::new(), Vec::new()),
            Self::Own(files) => {
                let note = "an adapter lies beside the model, and is merged as transformers does".to_owned();
                (vec![files], vec![note])
            }
            Self::Other(base) => {
                let base = base.name.unwrap_or_default();
                let note = format!(
                    "an adapter lies beside the model and is not merged: its adapter_config.json names another model, \
                     {base}, and the weights here may have it in them already. To merge it all the same, name it as an \
                     adapter"
                );
                (Vec::new(), vec![note])
            }
        }
    }
}

/// The adapters of a model once others were asked for by name, and the notes.
pub(super) fn with_given(
    found: Vec<AdapterFiles>,
    mut notes: Vec<String>,
    given: Vec<AdapterFiles>,
) -> (Vec<AdapterFiles>, Vec<String>) {
    if given.is_empty() {
        return (found, notes);
    }
    let (beside, mut adapters): (Vec<_>, Vec<_>) = found.into_iter().partition(|adapter| adapter.is_beside);
    if !beside.is_empty() {
        notes.retain(|note| !note.starts_with("an adapter lies beside the model"));
        notes.push(
            "an adapter lies beside the model and is not merged: another was asked for by name".to_owned(),
        );
    }
    notes.extend(given.iter().flat_map(|adapter| adapter.notes.iter().cloned()));
    adapters.extend(given);
    (adapters, notes)
}
