//! What the files beside a tokenizer.json say about it, read as transformers (4.57) reads them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use super::{TokenizerError, class::Class};

/// The file that the others fill in or are overruled by.
pub(crate) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const SPECIAL_TOKENS_MAP: &str = "special_tokens_map.json";
const ADDED_TOKENS: &str = "added_tokens.json";
const ADDED_TOKENS_DECODER: &str = "added_tokens_decoder";
const ADDITIONAL: &str = "additional_special_tokens";
const EXTRA: &str = "extra_special_tokens";

/// The keys of special tokens, in the order in which they are added.
const SPECIAL: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The contents of the files beside tokenizer.json; null where there is none.
#[derive(Debug, Clone, Default)]
pub(crate) struct SideFiles {
    /// tokenizer_config.json.
    pub(crate) tokenizer_config: Value,
    /// special_tokens_map.json.
    pub(crate) special_tokens_map: Value,
    /// added_tokens.json.
    pub(crate) added_tokens: Value,
    /// config.json, for the model's type and the class of its tokenizer.
    pub(crate) config: Value,
    /// Whether tokenizer.json is made of other files, by the class of the tokenizer.
    pub(crate) lacks_tokenizer_json: bool,
}

/// A token as a file writes it: its text, or with flags.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Written {
    Text(String),
    Flagged(AddedToken),
}

impl Written {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Flagged(token) => &token.content,
        }
    }
}

/// A special token with a name.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// Its key in the files.
    pub(super) key: String,
    pub(super) token: Written,
    /// Whether a file names it, and not the class alone.
    pub(super) stated: bool,
}

/// What they say.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(super) class: Class,
    /// The name of a class whose habits are not known here.
    pub(super) unknown_class: Option<String>,
    /// Special tokens by name, in order: first those that every tokenizer may have, then the model's own.
    pub(super) named: Vec<Named>,
    /// Those without a name.
    pub(super) additional: Vec<Written>,
    /// Added tokens by the id that the file gives them.
    pub(super) listed: BTreeMap<u32, AddedToken>,
    /// The file that lists them.
    pub(super) listed_in: &'static str,
    pub(super) add_bos: Option<bool>,
    pub(super) add_eos: Option<bool>,
    pub(super) prefix_space: Option<bool>,
    /// Whether Llama's class treats spaces as it did at first.
    pub(crate) legacy: Option<bool>,
    pub(super) split_special: bool,
    pub(super) lower_case: bool,
    pub(super) strip_accents: Option<bool>,
    pub(super) chinese_chars: bool,
}

impl Settings {
    /// Reads the files.
    ///
    /// # Errors
    /// When one of them is not what it should be.
    pub(crate) fn of(files: &SideFiles) -> Result<Self, TokenizerError> {
        let config = object(&files.tokenizer_config, TOKENIZER_CONFIG)?;
        let mut keys = Keys::new(config.clone());
        let lists = config.contains_key(ADDED_TOKENS_DECODER);
        if !lists {
            keys.overrule(object(&files.special_tokens_map, SPECIAL_TOKENS_MAP)?)?;
        }
        let (class, unknown_class) =
            Class::choose(&files.tokenizer_config, &files.config, files.lacks_tokenizer_json);
        let mut named = keys.named(&class)?;
        let additional = keys.additional(&class)?;
        let (listed, listed_in) = if lists {
            (listed(&config[ADDED_TOKENS_DECODER])?, TOKENIZER_CONFIG)
        } else {
            let special: Vec<&str> =
                named.iter().map(|named| &named.token).chain(&additional).map(Written::text).collect();
            (legacy(object(&files.added_tokens, ADDED_TOKENS)?, &special)?, ADDED_TOKENS)
        };
        named.extend(keys.extra()?);
        let flag = |key: &'static str| flag(&keys.config, key);
        Ok(Self {
            class,
            unknown_class,
            named,
            additional,
            listed,
            listed_in,
            add_bos: flag("add_bos_token")?,
            add_eos: flag("add_eos_token")?,
            prefix_space: flag("add_prefix_space")?,
            legacy: flag("legacy")?,
            split_special: flag("split_special_tokens")?.unwrap_or(false),
            lower_case: flag("do_lower_case")?.unwrap_or(true),
            strip_accents: flag("strip_accents")?,
            chinese_chars: flag("tokenize_chinese_chars")?.unwrap_or(true),
        })
    }

    /// The class that reads the files where there is no tokenizer.json: the one that they name, or else the model's.
    pub(crate) fn class_name(&self, model_type: &str) -> String {
        match &self.unknown_class {
            Some(name) => name.strip_suffix("Fast").unwrap_or(name).to_owned(),
            None if self.class.is_generic() => Class::of_model(model_type).name.to_owned(),
            None => self.class.name.to_owned(),
        }
    }

    /// Whether a space is put before texts, unless tokenizer_config.json says otherwise.
    pub(crate) fn puts_space(&self, default: bool) -> bool {
        self.prefix_space.unwrap_or(default)
    }

    /// The token that tokenizer_config.json asks to be put before texts.
    pub(crate) fn bos_to_add(&self) -> Option<&str> {
        self.add_bos.filter(|adds| *adds).and_then(|_| self.special("bos_token"))
    }

    /// A special token by the name of its key.
    pub(super) fn special(&self, name: &str) -> Option<&str> {
        self.find(name).map(|named| named.token.text())
    }

    /// The text of the end token, if a file names it.
    pub(super) fn stated_eos(&self) -> Option<&str> {
        self.find("eos_token").filter(|named| named.stated).map(|named| named.token.text())
    }

    fn find(&self, name: &str) -> Option<&Named> {
        self.named.iter().find(|named| named.key == name)
    }

    /// The special tokens that a chat template may name, by their names.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        self.named.iter().map(|named| (named.key.clone(), named.token.text().to_owned())).collect()
    }
}

/// tokenizer_config.json with what overrules it.
struct Keys {
    config: Map<String, Value>,
    /// The file that a key is from, where it is another.
    overruled: Map<String, Value>,
}

impl Keys {
    fn new(config: Map<String, Value>) -> Self {
        Self { config, overruled: Map::new() }
    }

    /// special_tokens_map.json has the word where tokenizer_config.json lists no added tokens.
    fn overrule(&mut self, map: Map<String, Value>) -> Result<(), TokenizerError> {
        for (key, mut value) in map {
            if let Value::Object(token) = &mut value {
                token.insert("special".to_owned(), Value::Bool(true));
            }
            if key == ADDITIONAL {
                let mut all = list(&self.config, TOKENIZER_CONFIG)?;
                let more = value.as_array().ok_or_else(|| wrong(SPECIAL_TOKENS_MAP, ADDITIONAL, "a list"))?;
                for token in more {
                    let mut token = token.clone();
                    if let Value::Object(token) = &mut token {
                        token.insert("special".to_owned(), Value::Bool(true));
                    }
                    if !all.contains(&token) {
                        all.push(token);
                    }
                }
                value = Value::Array(all);
            }
            self.overruled.insert(key, value);
        }
        Ok(())
    }

    /// A special token.
    fn token(&self, key: &'static str) -> Result<Option<Written>, TokenizerError> {
        let (value, file) = self.value(key);
        value.filter(|value| !value.is_null()).map(|value| written(value, file, key)).transpose()
    }

    fn value(&self, key: &str) -> (Option<&Value>, &'static str) {
        match self.overruled.get(key) {
            Some(value) => (Some(value), SPECIAL_TOKENS_MAP),
            None => (self.config.get(key), TOKENIZER_CONFIG),
        }
    }

    /// The special tokens that every tokenizer may have. A class has its own for keys that are absent, none for those
    /// that are null.
    fn named(&self, class: &Class) -> Result<Vec<Named>, TokenizerError> {
        let mut named = Vec::new();
        for key in SPECIAL {
            let default = class.defaults.iter().find(|(name, _)| *name == key);
            let (token, stated) = match self.value(key).0 {
                None => (default.map(|(_, text)| Written::Text((*text).to_owned())), false),
                Some(_) => (self.token(key)?, true),
            };
            let token = token.filter(|token| !token.text().is_empty());
            named.extend(token.map(|token| Named { key: key.to_owned(), token, stated }));
        }
        Ok(named)
    }

    fn additional(&self, class: &Class) -> Result<Vec<Written>, TokenizerError> {
        let (file, from) = match self.overruled.contains_key(ADDITIONAL) {
            true => (&self.overruled, SPECIAL_TOKENS_MAP),
            false => (&self.config, TOKENIZER_CONFIG),
        };
        let mut all: Vec<Written> = list(file, from)?
            .iter()
            .map(|token| written(token, from, ADDITIONAL))
            .collect::<Result<_, _>>()?;
        // transformers 5 writes a list of them here.
        if let Some(Value::Array(extra)) = self.config.get(EXTRA) {
            for token in extra {
                all.push(written(token, TOKENIZER_CONFIG, EXTRA)?);
            }
        }
        if class.name == "CodeLlamaTokenizer" {
            for (key, default) in [
                ("prefix_token", "▁<PRE>"),
                ("middle_token", "▁<MID>"),
                ("suffix_token", "▁<SUF>"),
                ("eot_token", "▁<EOT>"),
            ] {
                match self.config.get(key) {
                    None => all.push(Written::Text(default.to_owned())),
                    Some(Value::Null) => {}
                    Some(token) => all.push(written(token, TOKENIZER_CONFIG, key)?),
                }
            }
        }
        Ok(all)
    }

    /// The model's own special tokens.
    fn extra(&self) -> Result<Vec<Named>, TokenizerError> {
        match self.config.get(EXTRA) {
            None | Some(Value::Null | Value::Array(_)) => Ok(Vec::new()),
            Some(Value::Object(extra)) => extra
                .iter()
                .map(|(name, token)| {
                    let token = written(token, TOKENIZER_CONFIG, EXTRA)?;
                    Ok(Named { key: name.clone(), token, stated: true })
                })
                .collect(),
            Some(_) => Err(wrong(TOKENIZER_CONFIG, EXTRA, "an object of named tokens")),
        }
    }
}

/// `added_tokens_decoder`: tokens by their ids.
fn listed(decoder: &Value) -> Result<BTreeMap<u32, AddedToken>, TokenizerError> {
    let decoder = match decoder {
        Value::Object(decoder) => decoder,
        _ => return Err(wrong(TOKENIZER_CONFIG, ADDED_TOKENS_DECODER, "an object of tokens by their ids")),
    };
    let mut tokens = BTreeMap::new();
    for (id, token) in decoder {
        let id =
            id.parse().map_err(|_| wrong(TOKENIZER_CONFIG, ADDED_TOKENS_DECODER, "tokens by their ids"))?;
        match written(token, TOKENIZER_CONFIG, ADDED_TOKENS_DECODER)? {
            Written::Flagged(token) => tokens.insert(id, token),
            Written::Text(_) => {
                return Err(wrong(TOKENIZER_CONFIG, ADDED_TOKENS_DECODER, "tokens with their flags"));
            }
        };
    }
    Ok(tokens)
}

/// added_tokens.json: ids by their tokens. Only texts are known; those of special tokens are special.
fn legacy(file: Map<String, Value>, special: &[&str]) -> Result<BTreeMap<u32, AddedToken>, TokenizerError> {
    file.into_iter()
        .map(|(text, id)| {
            let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
            let id = id.ok_or_else(|| wrong(ADDED_TOKENS, &text, "a token id"))?;
            let special = special.contains(&text.as_str());
            Ok((id, AddedToken::from(text, special)))
        })
        .collect()
}

fn list(file: &Map<String, Value>, name: &'static str) -> Result<Vec<Value>, TokenizerError> {
    match file.get(ADDITIONAL) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => Ok(list.clone()),
        Some(_) => Err(wrong(name, ADDITIONAL, "a list")),
    }
}

/// A token: its text, or an object of its text and flags. Without a word on it, all are false but `normalized`,
/// which is true for tokens that are not special.
fn written(value: &Value, file: &'static str, key: &str) -> Result<Written, TokenizerError> {
    let token = || wrong(file, key, "a token: a text, or an object with \"content\"");
    let object = match value {
        Value::String(text) => return Ok(Written::Text(text.clone())),
        Value::Object(object) => object,
        _ => return Err(token()),
    };
    let content = object.get("content").and_then(Value::as_str).ok_or_else(token)?;
    let special = flag(object, "special")?.unwrap_or(false);
    Ok(Written::Flagged(AddedToken {
        single_word: flag(object, "single_word")?.unwrap_or(false),
        lstrip: flag(object, "lstrip")?.unwrap_or(false),
        rstrip: flag(object, "rstrip")?.unwrap_or(false),
        normalized: flag(object, "normalized")?.unwrap_or(!special),
        ..AddedToken::from(content, special)
    }))
}

fn flag(object: &Map<String, Value>, key: &'static str) -> Result<Option<bool>, TokenizerError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(wrong(TOKENIZER_CONFIG, key, "true or false")),
    }
}

fn object(value: &Value, file: &'static str) -> Result<Map<String, Value>, TokenizerError> {
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(object) => Ok(object.clone()),
        _ => Err(TokenizerError::SideFile { file, reason: "it is not a JSON object".to_owned() }),
    }
}

fn wrong(file: &'static str, key: &str, expected: &str) -> TokenizerError {
    TokenizerError::SideFile { file, reason: format!("{key:?} should be {expected}") }
}
