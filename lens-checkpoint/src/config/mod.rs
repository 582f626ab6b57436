//! config.json, read strictly: a key has the type it should have, or an error names it.

mod inert;
mod json;
mod ledger;
mod reads;
mod rope;

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::limits;
use crate::spec::{Activation, Mask};

use reads::Place;

pub use json::parse;
pub use ledger::Unread;
pub use reads::Reads;
pub use rope::RopeQuery;

/// A config.json, or a section of it. Where a method returns a `Result` and says nothing else, it fails when the value
/// at the key has another type or range ([`ConfigError::Wrong`]), or a key that must be there is not
/// ([`ConfigError::Missing`]). `None` means that the key is absent, or null where the method does not give null a
/// meaning.
#[derive(Debug, Clone, Copy)]
pub struct Config<'a> {
    keys: &'a Map<String, Value>,
    reads: Option<&'a Reads>,
    place: Place,
}

impl<'a> Config<'a> {
    /// Reads `value`, which must be an object.
    ///
    /// # Errors
    /// When it is not.
    pub fn new(value: &'a Value) -> Result<Self, ConfigError> {
        let whole = |keys| Self { keys, reads: None, place: Place::default() };
        value.as_object().map(whole).ok_or(ConfigError::NotAnObject)
    }

    /// This config, noting in `reads` every key that is looked at.
    pub fn recording(self, reads: &'a Reads) -> Self {
        Self { reads: Some(reads), ..self }
    }

    /// `keys` in place of those of this config, or of its section `section`: what is read of them counts as read there.
    pub fn standing_for(self, section: Option<&'static str>, keys: &'a Map<String, Value>) -> Self {
        self.standing_at(section.as_slice(), keys)
    }

    /// The same for the section that `path` leads to.
    pub fn standing_at(self, path: &[&'static str], keys: &'a Map<String, Value>) -> Self {
        let mut place = self.place;
        for section in path {
            if let Some(reads) = self.reads {
                reads.section(place.name(section));
            }
            place = place.section(section);
        }
        Self { keys, place, ..self }
    }

    /// The section that `path` leads to, if there is one.
    pub fn section_at(&self, path: &[&'static str]) -> Result<Option<Config<'a>>, ConfigError> {
        let mut section = Some(*self);
        for key in path {
            section = match section {
                Some(section) => section.object(key)?,
                None => None,
            };
        }
        Ok(section)
    }

    /// Every key and its value.
    pub fn keys(&self) -> &'a Map<String, Value> {
        self.keys
    }

    /// The keys that were not looked at since [`recording`](Self::recording) began, with their whole names.
    pub fn unread(&self) -> Vec<(String, &'a Value)> {
        self.reads.map_or_else(Vec::new, |reads| reads.unread(self.keys))
    }

    /// Notes what the reader should know of how a key was taken, as a sentence.
    pub fn remark(&self, note: &str) {
        if let Some(reads) = self.reads {
            reads.remark(note);
        }
    }

    /// The sentences that were noted since [`recording`](Self::recording) began.
    pub fn remarks(&self) -> Vec<String> {
        self.reads.map_or_else(Vec::new, Reads::remarks)
    }

    /// Counts `keys` as read: as this config stands, they mean nothing.
    pub fn pass_over(&self, keys: &[&str]) {
        keys.iter().for_each(|key| self.note(key));
    }

    /// The whole name of `key`, such as `rope_scaling.factor`.
    pub fn name(&self, key: &str) -> String {
        self.place.name(key)
    }

    /// The value of `key`, where null is none. What a null means is for the kind of value to say: of a flag it is
    /// false, as in Python; of a number with a default it is an error, because the reference computes with it and
    /// fails; of one that may be lacking it is the lack.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.note(key);
        self.keys.get(key).filter(|value| !value.is_null())
    }

    /// Counts `key` as read where its value is one of `texts`, which mean nothing new here.
    pub fn pass_over_texts(&self, key: &str, texts: &[&str]) {
        if self.keys.get(key).and_then(Value::as_str).is_some_and(|text| texts.contains(&text)) {
            self.note(key);
        }
    }

    /// Counts `key` as read where its value is `number`, which was found elsewhere.
    pub fn pass_over_number(&self, key: &str, number: f64) {
        if self.keys.get(key).and_then(Value::as_f64) == Some(number) {
            self.note(key);
        }
    }

    /// Counts `key` as read where it is a list as long as `texts` whose i-th element is one of `texts[i]`.
    pub fn pass_over_list(&self, key: &str, texts: &[&[&str]]) {
        let same = |list: &[Value]| {
            list.len() == texts.len()
                && list
                    .iter()
                    .zip(texts)
                    .all(|(value, texts)| value.as_str().is_some_and(|text| texts.contains(&text)))
        };
        if self.keys.get(key).and_then(Value::as_array).is_some_and(|list| same(list)) {
            self.note(key);
        }
    }

    fn note(&self, key: &str) {
        if let Some(reads) = self.reads {
            reads.key(self.name(key));
        }
    }

    fn missing(&self, key: &str) -> ConfigError {
        ConfigError::Missing { key: self.name(key) }
    }

    fn wrong(&self, key: &str, expected: &'static str, got: &Value) -> ConfigError {
        ConfigError::Wrong { key: self.name(key), expected, got: got.to_string() }
    }

    /// Whether `key` is there at all, even as null: in a few families null switches off what silence leaves on.
    pub fn has(&self, key: &str) -> bool {
        self.note(key);
        self.keys.contains_key(key)
    }

    /// The object at `key`, if there is one; an empty one counts as absent.
    pub fn object(&self, key: &'static str) -> Result<Option<Config<'a>>, ConfigError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(keys)) => {
                if let Some(reads) = self.reads {
                    reads.section(self.name(key));
                }
                let section = Config { keys, reads: self.reads, place: self.place.section(key) };
                Ok(Some(section).filter(|section| !section.keys.is_empty()))
            }
            Some(other) => Err(self.wrong(key, "an object", other)),
        }
    }

    /// A positive integer.
    pub fn size(&self, key: &'static str) -> Result<Option<usize>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match whole(value) {
            Some(n) if (1..=limits::config::LARGEST_SIZE).contains(&n) => Ok(Some(n as usize)),
            _ => Err(self.wrong(key, "a positive integer up to 2^30", value)),
        }
    }

    /// A positive integer at the first of `keys` that is there: families spell one thing differently.
    pub fn size_of(&self, keys: &[&'static str]) -> Result<usize, ConfigError> {
        let mut found = None;
        for key in keys {
            // A second name of the same number says nothing new; one of another number is left unread.
            if found.is_none() {
                found = self.size(key)?;
            } else if found == self.keys.get(*key).and_then(whole).map(|n| n as usize) {
                self.note(key);
            }
        }
        found.ok_or_else(|| self.missing(keys[0]))
    }

    /// A positive integer that must be there.
    pub fn required_size(&self, key: &'static str) -> Result<usize, ConfigError> {
        self.size(key)?.ok_or_else(|| self.missing(key))
    }

    /// A positive integer; null is none, and silence is `default`.
    pub fn size_unless_null(&self, key: &'static str, default: usize) -> Result<Option<usize>, ConfigError> {
        if self.has(key) { self.size(key) } else { Ok(Some(default)) }
    }

    /// A positive integer; silence is `default`, and null is an error.
    pub fn size_or(&self, key: &'static str, default: usize) -> Result<usize, ConfigError> {
        self.refuse_null(key, "a positive integer up to 2^30")?;
        Ok(self.size(key)?.unwrap_or(default))
    }

    /// A number above zero; silence is `default`, and null is an error.
    pub fn positive_or(&self, key: &'static str, default: f64) -> Result<f64, ConfigError> {
        self.refuse_null(key, "a number above zero")?;
        Ok(self.positive(key)?.unwrap_or(default))
    }

    /// A size that is made of others: `x` without its fraction, from 1 to the largest size that a config may name.
    ///
    /// # Errors
    /// When it is none; `what` says what was computed.
    pub fn made_size(&self, x: f64, what: &str) -> Result<usize, ConfigError> {
        let most = limits::config::LARGEST_SIZE;
        let is_size = (1.0..=most as f64).contains(&x.trunc());
        is_size.then_some(x as usize).ok_or_else(|| ConfigError::Inconsistent {
            what: format!("{what} comes to {x}, which is no size: 1 to {most} is"),
        })
    }

    /// What a norm adds to a mean square: a number above zero, and not above one, which would drown what it is added to;
    /// silence is `default`, and null is an error.
    pub fn epsilon_or(&self, key: &'static str, default: f64) -> Result<f64, ConfigError> {
        self.refuse_null(key, "a number above zero")?;
        Ok(self.epsilon(key)?.unwrap_or(default))
    }

    /// The same, where silence and null are none.
    pub fn epsilon(&self, key: &'static str) -> Result<Option<f64>, ConfigError> {
        match self.positive(key)? {
            Some(x) if x > 1.0 => Err(self.wrong(key, "a number above zero and up to 1", &Value::from(x))),
            epsilon => Ok(epsilon),
        }
    }

    /// Refuses a null at a key whose absence means a default: what a null there should mean is not known.
    ///
    /// # Errors
    /// When there is a null at `key`, which should be `expected`.
    pub fn refuse_null(&self, key: &str, expected: &'static str) -> Result<(), ConfigError> {
        match self.keys.get(key) {
            Some(null @ Value::Null) => Err(self.wrong(key, expected, null)),
            _ => Ok(()),
        }
    }

    /// An integer from 0.
    pub fn count(&self, key: &'static str) -> Result<Option<usize>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match whole(value) {
            Some(n) if n <= limits::config::LARGEST_SIZE => Ok(Some(n as usize)),
            _ => Err(self.wrong(key, "an integer from 0", value)),
        }
    }

    /// A finite number.
    pub fn number(&self, key: &'static str) -> Result<Option<f64>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value
            .as_f64()
            .filter(|x| x.is_finite())
            .map(Some)
            .ok_or_else(|| self.wrong(key, "a finite number", value))
    }

    /// A finite number that must be there.
    pub fn required_number(&self, key: &'static str) -> Result<f64, ConfigError> {
        self.number(key)?.ok_or_else(|| self.missing(key))
    }

    /// Refuses a mechanism that is switched on and not supported; off or absent, it is fine.
    ///
    /// # Errors
    /// When it is on.
    pub fn refuse_flag(&self, key: &'static str) -> Result<(), ConfigError> {
        match self.flag(key)? {
            Some(true) => Err(ConfigError::Unsupported {
                key: self.name(key),
                value: "true".to_owned(),
                supported: "false",
            }),
            _ => Ok(()),
        }
    }

    /// A finite number above zero.
    pub fn positive(&self, key: &'static str) -> Result<Option<f64>, ConfigError> {
        match self.number(key)? {
            Some(x) if x <= 0.0 => Err(self.wrong(key, "a number above zero", &Value::from(x))),
            number => Ok(number),
        }
    }

    /// true or false; null is false, also where silence is true.
    pub fn flag(&self, key: &'static str) -> Result<Option<bool>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(self.has(key).then_some(false)) };
        value.as_bool().map(Some).ok_or_else(|| self.wrong(key, "true or false", value))
    }

    /// A string.
    pub fn text(&self, key: &'static str) -> Result<Option<&'a str>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.wrong(key, "a string", value))
    }

    /// Token ids at `key`: one, or a list.
    pub fn token_ids(&self, key: &'static str) -> Result<Vec<u32>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        let id = |value: &Value| whole(value).and_then(|n| u32::try_from(n).ok());
        let ids = match value {
            Value::Array(ids) => ids.iter().map(id).collect(),
            one => id(one).map(|id| vec![id]),
        };
        ids.ok_or_else(|| self.wrong(key, "a token id or a list of them", value))
    }

    /// A list of numbers.
    pub fn numbers(&self, key: &'static str) -> Result<Option<Vec<f64>>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let numbers = value.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
        numbers.map(Some).ok_or_else(|| self.wrong(key, "a list of numbers", value))
    }

    /// A list of texts.
    pub fn texts(&self, key: &'static str) -> Result<Option<Vec<&'a str>>, ConfigError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let texts = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
        texts.map(Some).ok_or_else(|| self.wrong(key, "a list of strings", value))
    }

    /// One window for all layers, or none.
    pub fn one_window(&self, n_layers: usize, window: Option<usize>) -> Vec<Mask> {
        vec![window.map_or(Mask::Causal, |window| Mask::Sliding { window }); n_layers]
    }

    /// What every layer of `n_layers` sees. `layer_types` decides where the config has it; else the layers for
    /// which `slides` is true have the window, in tokens, if there is one.
    ///
    /// # Errors
    /// When `layer_types` is no list of `n_layers` known kinds, or names a sliding layer and there is no window.
    pub fn masks(
        &self,
        n_layers: usize,
        window: Option<usize>,
        slides: impl Fn(usize) -> bool,
    ) -> Result<Vec<Mask>, ConfigError> {
        let Some(value) = self.get("layer_types") else {
            let mask =
                |i| window.filter(|_| slides(i)).map_or(Mask::Causal, |window| Mask::Sliding { window });
            return Ok((0..n_layers).map(mask).collect());
        };
        let kinds = value.as_array().ok_or_else(|| self.wrong("layer_types", "a list of strings", value))?;
        if kinds.len() != n_layers {
            let what = format!("layer_types has {} entries for {n_layers} layers", kinds.len());
            return Err(ConfigError::Inconsistent { what });
        }
        kinds
            .iter()
            .map(|kind| match (kind.as_str(), window) {
                (Some("full_attention" | "attention"), _) => Ok(Mask::Causal),
                (Some("sliding_attention"), Some(window)) => Ok(Mask::Sliding { window }),
                (Some("sliding_attention"), None) => Err(self.missing("sliding_window")),
                _ => Err(ConfigError::Unsupported {
                    key: self.name("layer_types"),
                    value: kind.as_str().map_or_else(|| kind.to_string(), str::to_owned),
                    supported: "full_attention, sliding_attention",
                }),
            })
            .collect()
    }

    /// The same with chunks of the sequence in the place of windows.
    ///
    /// # Errors
    /// When `layer_types` is no list of `n_layers` known kinds, or names a chunked layer and there is no chunk.
    pub fn chunked_masks(
        &self,
        n_layers: usize,
        chunk: Option<usize>,
        is_chunked: impl Fn(usize) -> bool,
    ) -> Result<Vec<Mask>, ConfigError> {
        let mask = |chunked: bool| match chunk.filter(|_| chunked) {
            Some(chunk) => Mask::Chunked { chunk },
            None => Mask::Causal,
        };
        let Some(kinds) = self.texts("layer_types")? else {
            return Ok((0..n_layers).map(|i| mask(is_chunked(i))).collect());
        };
        if kinds.len() != n_layers {
            let what = format!("layer_types has {} entries for {n_layers} layers", kinds.len());
            return Err(ConfigError::Inconsistent { what });
        }
        kinds
            .into_iter()
            .map(|kind| match kind {
                "full_attention" => Ok(Mask::Causal),
                "chunked_attention" if chunk.is_some() => Ok(mask(true)),
                "chunked_attention" => Err(self.missing("attention_chunk_size")),
                other => Err(ConfigError::Unsupported {
                    key: self.name("layer_types"),
                    value: other.to_owned(),
                    supported: "full_attention, chunked_attention",
                }),
            })
            .collect()
    }

    /// The nonlinearity at `key`, or `default` if the key is absent.
    ///
    /// # Errors
    /// When the value is null, no string, or names no known nonlinearity.
    pub fn activation(&self, key: &'static str, default: Activation) -> Result<Activation, ConfigError> {
        self.refuse_null(key, "the name of a nonlinearity")?;
        let Some(name) = self.text(key)? else { return Ok(default) };
        match name {
            "silu" | "swish" => Ok(Activation::Silu),
            "gelu" => Ok(Activation::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Activation::GeluTanh),
            "quick_gelu" => Ok(Activation::QuickGelu),
            "relu" => Ok(Activation::Relu),
            "relu2" => Ok(Activation::ReluSquared),
            _ => Err(ConfigError::Unsupported {
                key: self.name(key),
                value: name.to_owned(),
                supported: "silu, swish, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, quick_gelu, relu, relu2",
            }),
        }
    }

    /// The type that the weights are stored in, as both generations of transformers say it.
    pub fn dtype(&self) -> Option<&'a str> {
        self.get("dtype").or_else(|| self.get("torch_dtype")).and_then(Value::as_str)
    }
}

/// A whole number, also when it was written as `8.0`.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        value
            .as_f64()
            .filter(|x| x.fract() == 0.0 && (0.0..=limits::config::LARGEST_SIZE as f64).contains(x))
            .map(|x| x as u64)
    })
}

/// `value` as a message shows it: not all of a long one.
pub(crate) fn cut(value: &str) -> Cow<'_, str> {
    const SHOWN: usize = 60;
    match value.char_indices().nth(SHOWN) {
        None => value.into(),
        Some((end, _)) => format!("{}…", &value[..end]).into(),
    }
}

/// `sentence`, set off from the clause before it.
fn after(clause: &str, sentence: &str) -> String {
    match (sentence.is_empty(), clause.ends_with('?')) {
        (true, _) => String::new(),
        (false, true) => format!(" {sentence}"),
        (false, false) => format!(". {sentence}"),
    }
}

/// A config that cannot be understood, or must not be approximated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not a JSON object.
    #[error("config.json is not a JSON object")]
    NotAnObject,
    /// A key that must be there.
    #[error("config.json has no \"{key}\"")]
    Missing {
        /// The key, with the sections that it is in.
        key: String,
    },
    /// A value of the wrong type or range.
    #[error("config.json: \"{key}\" should be {expected}, but is {}", cut(got))]
    Wrong {
        /// The key, with the sections that it is in.
        key: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        got: String,
    },
    /// A mechanism that this library does not have.
    #[error("config.json: unsupported {key} \"{}\" (supported: {supported})", cut(value))]
    Unsupported {
        /// The key, with the sections that it is in.
        key: String,
        /// Its value.
        value: String,
        /// What would work.
        supported: &'static str,
    },
    /// Keys that contradict each other.
    #[error("config.json: {what}")]
    Inconsistent {
        /// What does not fit.
        what: String,
    },
    /// Keys that say something which the family does not read.
    #[error(
        "config.json says what {family} does not read: {keys}. A model that computes something else is refused \
         rather than approximated. If it changes nothing, remove it from config.json, or have it ignored"
    )]
    Unread {
        /// The family that the config was read as.
        family: String,
        /// The keys and their values.
        keys: String,
    },
    /// Quantised weights.
    #[error(
        "the checkpoint is quantised ({}), and config.json does not say how its weights are to be made again: restore its \
         quantization_config, use the original checkpoint, or dequantise this one with transformers and save it as \
         bf16 safetensors",
        cut(method)
    )]
    Quantised {
        /// `quant_method` of the config.
        method: String,
    },
    /// A family that this library does not know.
    #[error(
        "unsupported model_type \"{model_type}\" (supported: {supported}){hint}{}",
        after(hint, likeness)
    )]
    UnknownFamily {
        /// The `model_type`.
        model_type: String,
        /// What would work.
        supported: String,
        /// A known name that is near, as a clause, or nothing.
        hint: String,
        /// What family the tensors look like, as a sentence; empty if the tensors are unknown.
        likeness: String,
        /// The family that the model may be read as, if only its name is another.
        alike: Option<&'static str>,
    },
    /// A multimodal model around a text model that this library does not know.
    #[error(
        "unsupported model_type \"{model_type}\": it is a multimodal model around \"{}\", which no family here computes \
         (supported: {supported}){hint}",
        cut(text)
    )]
    UnknownTextPart {
        /// The `model_type`.
        model_type: String,
        /// That of the text model.
        text: String,
        /// What would work.
        supported: String,
        /// A known name that is near that of the text model, as a clause, or nothing.
        hint: String,
    },
    /// A multimodal model whose text part is not a decoder of its family.
    #[error("{model_type} cannot be read as its text model alone: {why}")]
    OtherwiseUsed {
        /// The `model_type`.
        model_type: String,
        /// What is different.
        why: &'static str,
    },
    /// A decoder that has no residual stream as a lens means it.
    #[error("{model_type} cannot be read through a lens: {why}")]
    NoStream {
        /// The `model_type`.
        model_type: String,
        /// What it has instead.
        why: &'static str,
    },
    /// A decoder that needs what this library does not have.
    #[error("unsupported model_type \"{model_type}\": {why}, which is not implemented")]
    NotImplemented {
        /// The `model_type`.
        model_type: String,
        /// What it needs.
        why: &'static str,
    },
    /// A family was asked for that this library does not know.
    #[error("no family is called \"{}\" (supported: {supported}){hint}", cut(family))]
    NoSuchFamily {
        /// The name.
        family: String,
        /// What would work.
        supported: String,
        /// A known name that is near, as a clause, or nothing.
        hint: String,
    },
    /// No unembedding on disk, and the config does not tie it.
    #[error(
        "the checkpoint has no unembedding: {name} is missing and config.json says tie_word_embeddings = false. \
         If the model is tied, set that to true; otherwise the checkpoint is incomplete, or that of a model that \
         rates texts and predicts no tokens"
    )]
    NoUnembedding {
        /// Name of the missing tensor.
        name: &'static str,
    },
}
