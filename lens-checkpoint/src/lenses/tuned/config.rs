//! `config.json` of a tuned lens.

use std::path::Path;

use serde_json::{Map, Value};

use super::{super::error::LensFileError, KIND, state::State};
use crate::{checkpoint::CheckpointError, limits, source::files::read_at_most};

/// What a config says.
pub(super) struct Config {
    pub(super) d_model: usize,
    pub(super) n_layers: u16,
    pub(super) n_vocab: Option<usize>,
    pub(super) base_model: Option<String>,
    pub(super) base_revision: Option<String>,
    pub(super) unembed_hash: Option<String>,
    /// Whether translators have a bias.
    bias: bool,
    /// Whether there is a translator for the embedding; `None` where the generation has one always.
    include_input: Option<bool>,
    pub(super) notes: Vec<String>,
}

impl Config {
    pub(super) fn read(path: &Path) -> Result<Self, LensFileError> {
        let failed = |source| CheckpointError::Read { path: path.to_owned(), source };
        let bytes = read_at_most(path, limits::lenses::LARGEST_TUNED_CONFIG).map_err(failed)?;
        let parsed = serde_json::from_slice(&bytes).map_err(|error| error.to_string());
        parsed
            .and_then(|config| Self::of(&config))
            .map_err(|reason| LensFileError::broken(path, KIND, reason))
    }

    fn of(config: &Map<String, Value>) -> Result<Self, String> {
        let keys = Keys { config };
        let old = config.contains_key("num_layers") && !config.contains_key("num_hidden_layers");
        if let Some(kind) = keys.text("lens_type")?.filter(|kind| kind != "linear_tuned_lens") {
            return Err(format!("its lens_type is {kind:?}, and only \"linear_tuned_lens\" is known"));
        }
        // What older versions could do and the formula of a tuned lens does not have.
        if keys.number("extra_layers")?.is_some_and(|layers| layers > 0) {
            return Err(
                "extra_layers is not 0: its states go through more layers of the model first, which \
                        this lens does not do"
                    .to_owned(),
            );
        }
        if keys.flag("reuse_unembedding")? == Some(false) {
            return Err(
                "reuse_unembedding is false: it decodes with an unembedding of its own, and this lens \
                        always decodes with the model's"
                    .to_owned(),
            );
        }
        let n_layers = keys.required(if old { "num_layers" } else { "num_hidden_layers" })?;
        let model = config.get("model_config").and_then(|model| model.get("_name_or_path")?.as_str());
        Ok(Self {
            d_model: keys.required("d_model")?,
            n_layers: u16::try_from(n_layers).map_err(|_| format!("it says {n_layers} layers"))?,
            n_vocab: keys.number("vocab_size")?,
            base_model: keys.text("base_model_name_or_path")?.or(model.map(str::to_owned)),
            base_revision: keys.text("base_model_revision")?,
            unembed_hash: keys.text("unembed_hash")?,
            bias: keys.flag("bias")?.unwrap_or(true),
            include_input: if old { Some(keys.flag("include_input")?.unwrap_or(true)) } else { None },
            notes: keys.unknown(),
        })
    }

    /// Compares what the config says with the translators that are there.
    pub(super) fn check(&self, state: &State<'_>) -> Result<(), String> {
        if self.include_input.is_some() != state.whole_module {
            return Err(format!(
                "it is the config of {} version than params.pt is of",
                if state.whole_module { "a later" } else { "an earlier" }
            ));
        }
        let first = u16::from(self.include_input == Some(false));
        let wanted = first..self.n_layers;
        if !state.translators.keys().copied().eq(wanted.clone()) {
            return Err(format!(
                "it says translators for the inputs of blocks {} to {}, and params.pt has {:?}",
                wanted.start,
                i32::from(wanted.end) - 1,
                state.translators.keys().collect::<Vec<_>>()
            ));
        }
        match state.translators.iter().find(|(_, parts)| parts.bias.is_some() != self.bias) {
            None => Ok(()),
            Some((layer, _)) => Err(format!(
                "it says bias = {}, and translator {layer} has {}",
                self.bias,
                if self.bias { "none" } else { "one" }
            )),
        }
    }
}

/// Typed access to the keys of a config.
struct Keys<'a> {
    config: &'a Map<String, Value>,
}

impl Keys<'_> {
    /// A value, unless it is missing or null.
    fn get(&self, key: &str) -> Option<&Value> {
        self.config.get(key).filter(|value| !value.is_null())
    }

    fn text(&self, key: &str) -> Result<Option<String>, String> {
        let of = |value: &Value| {
            value.as_str().map(str::to_owned).ok_or(format!("its {key} is {value}, not a text"))
        };
        self.get(key).map(of).transpose()
    }

    fn flag(&self, key: &str) -> Result<Option<bool>, String> {
        let of =
            |value: &Value| value.as_bool().ok_or(format!("its {key} is {value}, neither true nor false"));
        self.get(key).map(of).transpose()
    }

    fn number(&self, key: &str) -> Result<Option<usize>, String> {
        let of = |value: &Value| {
            let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
            number.ok_or(format!("its {key} is {value}, not a whole number"))
        };
        self.get(key).map(of).transpose()
    }

    fn required(&self, key: &str) -> Result<usize, String> {
        self.number(key)?.ok_or(format!("it lacks {key}"))
    }

    /// A note on keys that the package would ignore as well.
    fn unknown(&self) -> Vec<String> {
        const KNOWN: [&str; 13] = [
            "base_model_name_or_path",
            "base_model_revision",
            "bias",
            "d_model",
            "extra_layers",
            "include_input",
            "lens_type",
            "model_config",
            "num_hidden_layers",
            "num_layers",
            "reuse_unembedding",
            "unembed_hash",
            "vocab_size",
        ];
        let names: Vec<&str> =
            self.config.keys().map(String::as_str).filter(|key| !KNOWN.contains(key)).collect();
        match names.is_empty() {
            true => Vec::new(),
            false => {
                vec![format!("the tuned lens's config.json says {}, which is ignored", names.join(", "))]
            }
        }
    }
}
