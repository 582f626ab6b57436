//! adapter_config.json of a LoRA adapter. PEFT's `LoraConfig` says what the keys mean.

use std::{cell::RefCell, collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{
    AdapterError, inert,
    pattern::{Modules, Pattern, ends_with},
};
use crate::config::{cut, parse};
use crate::limits;

/// What a config says.
#[derive(Debug, Clone)]
pub(super) struct LoraConfig {
    pub(super) rank: usize,
    pub(super) alpha: f64,
    /// Whether the scale is alpha over the square root of the rank.
    pub(super) rank_stabilised: bool,
    /// Whether rows have magnitudes of their own.
    pub(super) dora: bool,
    ranks: Vec<(Pattern, usize)>,
    alphas: Vec<(Pattern, f64)>,
    pub(super) targets: Option<Modules>,
    excluded: Option<Modules>,
    saved: Vec<Pattern>,
    layers: Option<Vec<usize>>,
    layers_patterns: Vec<Pattern>,
    pub(super) parameters: Vec<String>,
    /// Rows of embeddings that are trained, by the names of the modules; the empty name is that of the embedding.
    tokens: Vec<(String, Vec<usize>)>,
    /// Whether what is done to the embedding is done to an unembedding that is tied to it.
    pub(super) keeps_tie: bool,
    /// The model that it was made for.
    pub(super) base: Option<String>,
    /// What was left out, as sentences.
    pub(super) notes: Vec<String>,
}

/// The entries of an object in the order of the file: the first pattern that matches counts.
#[derive(Debug, Default)]
struct Ordered(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Ordered;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object, or null")
            }

            fn visit_unit<E>(self) -> Result<Ordered, E> {
                Ok(Ordered::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_any(Entries)
    }
}

/// The two keys whose order matters.
#[derive(Debug, Deserialize)]
struct Patterns {
    #[serde(default)]
    rank_pattern: Ordered,
    #[serde(default)]
    alpha_pattern: Ordered,
}

/// The keys, and which of them were looked at.
struct Keys<'k> {
    keys: &'k Map<String, Value>,
    read: RefCell<BTreeSet<&'k str>>,
}

impl<'k> Keys<'k> {
    fn get(&self, key: &'k str) -> Option<&'k Value> {
        self.read.borrow_mut().insert(key);
        self.keys.get(key).filter(|value| !value.is_null())
    }

    fn wrong(&self, key: &str, expected: &str) -> String {
        let got = self.keys.get(key).map(ToString::to_string).unwrap_or_default();
        format!("\"{key}\" should be {expected}, but is {}", cut(&got))
    }

    fn flag(&self, key: &'k str) -> Result<bool, String> {
        match self.get(key) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| self.wrong(key, "true or false")),
        }
    }

    fn text(&self, key: &'k str) -> Result<Option<&'k str>, String> {
        let text = |value: &'k Value| value.as_str().ok_or_else(|| self.wrong(key, "a text"));
        self.get(key).map(text).transpose()
    }

    fn names(&self, key: &'k str) -> Result<Vec<String>, String> {
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        if let Some(one) = value.as_str() {
            return Ok(vec![one.to_owned()]);
        }
        let names = value
            .as_array()
            .and_then(|list| list.iter().map(|name| name.as_str().map(str::to_owned)).collect());
        names.ok_or_else(|| self.wrong(key, "a list of names"))
    }

    /// A list of names, or a pattern.
    fn modules(&self, key: &'k str) -> Result<Option<Modules>, String> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("all-linear") => {
                Ok(Some(Modules::AllLinear))
            }
            Some(Value::String(text)) => Pattern::whole(text).map(|pattern| Some(Modules::Matching(pattern))),
            Some(_) => self.names(key).map(|names| Some(Modules::Named(names))),
        }
    }
}

fn rank(value: &Value) -> Option<usize> {
    let rank = usize::try_from(value.as_u64()?).ok()?;
    (1..=limits::adapters::LARGEST_RANK).contains(&rank).then_some(rank)
}

fn alpha(value: &Value) -> Option<f64> {
    value.as_f64().filter(|alpha| alpha.is_finite())
}

fn indices(value: &Value) -> Option<Vec<usize>> {
    let index = |value: &Value| usize::try_from(value.as_u64()?).ok();
    match value {
        Value::Array(list) => list.iter().map(index).collect(),
        one => index(one).map(|one| vec![one]),
    }
}

impl LoraConfig {
    /// Reads the config of the adapter `adapter`. Keys that are not known and say something are left out, with a note, if
    /// `ignore_extra`.
    ///
    /// # Errors
    /// When it is broken, of another method, or says what is not merged here.
    pub(super) fn read(adapter: &str, json: &[u8], ignore_extra: bool) -> Result<Self, AdapterError> {
        let broken = |reason: String| AdapterError::Config { adapter: adapter.to_owned(), reason };
        let value = parse(json).map_err(|error| broken(format!("it is not JSON: {error}")))?;
        let keys = value.as_object().ok_or_else(|| broken("it is not a JSON object".to_owned()))?;
        let keys = Keys { keys, read: RefCell::default() };
        let peft_type = keys.text("peft_type").map_err(broken)?.unwrap_or("LORA");
        if !peft_type.eq_ignore_ascii_case("LORA") {
            return Err(AdapterError::Method {
                adapter: adapter.to_owned(),
                peft_type: cut(peft_type).into_owned(),
                instead: inert::other_method(&peft_type.to_ascii_uppercase()),
            });
        }
        refuse_variants(adapter, &keys)?;
        let mut config = Self::of(&keys, json).map_err(broken)?;
        let read = keys.read.borrow();
        let unread: Vec<String> = keys
            .keys
            .iter()
            .filter(|(key, value)| !read.contains(key.as_str()) && !inert::is_inert(key, value))
            .map(|(key, value)| format!("{key} = {}", cut(&value.to_string())))
            .collect();
        if unread.is_empty() {
            return Ok(config);
        }
        let keys = unread.join(", ");
        if !ignore_extra {
            return Err(AdapterError::Unread { adapter: adapter.to_owned(), keys });
        }
        config.notes.push(format!(
            "adapter_config.json of {adapter} says what is not read here: {keys}. It is ignored, as was asked for; the \
             results are right only if it changes nothing"
        ));
        Ok(config)
    }

    fn of(keys: &Keys<'_>, json: &[u8]) -> Result<Self, String> {
        let patterns: Patterns = serde_json::from_slice(json)
            .map_err(|error| format!("rank_pattern or alpha_pattern is not understood: {error}"))?;
        for key in ["rank_pattern", "alpha_pattern"] {
            keys.get(key);
        }
        let number = |name: &str, value: &Value| {
            rank(value)
                .ok_or_else(|| format!("the rank {} of {:?} is not a number from 1 on", value, cut(name)))
        };
        let ranks = patterns.rank_pattern.0.iter();
        let ranks = ranks.map(|(name, value)| Ok((Pattern::ending(name)?, number(name, value)?)));
        let strength = |name: &str, value: &Value| {
            alpha(value).ok_or_else(|| format!("the alpha {} of {:?} is not a number", value, cut(name)))
        };
        let alphas = patterns.alpha_pattern.0.iter();
        let alphas = alphas.map(|(name, value)| Ok((Pattern::ending(name)?, strength(name, value)?)));
        let own_rank = match keys.get("r") {
            None => 8,
            Some(value) => rank(value).ok_or_else(|| keys.wrong("r", "a rank from 1 on"))?,
        };
        let own_alpha = match keys.get("lora_alpha") {
            None => 8.0,
            Some(value) => alpha(value).ok_or_else(|| keys.wrong("lora_alpha", "a number"))?,
        };
        let layers = match keys.get("layers_to_transform") {
            None => None,
            Some(value) => Some(
                indices(value)
                    .ok_or_else(|| keys.wrong("layers_to_transform", "an index or a list of them"))?,
            )
            .filter(|layers| !layers.is_empty()),
        };
        let idx = r"\.(?P<idx>\d+)\.";
        let layers_patterns = keys.names("layers_pattern")?;
        let layers_patterns = match layers_patterns.as_slice() {
            [] => vec![Pattern::beginning(&format!(r".*?\.[^.]*{idx}"))?],
            names => names
                .iter()
                .map(|name| Pattern::beginning(&format!(r"(?:.*?\.)?{name}{idx}")))
                .collect::<Result<_, _>>()?,
        };
        let saved = keys.names("modules_to_save")?;
        let saved = saved.iter().map(|name| Pattern::whole(&format!(r"(?:.*\.)?{name}(?:\..*)?")));
        // Whether there are biases is seen in the file, and where the base is comes from whoever found it.
        keys.flag("lora_bias")?;
        keys.text("revision")?;
        Ok(Self {
            rank: own_rank,
            alpha: own_alpha,
            rank_stabilised: keys.flag("use_rslora")?,
            dora: keys.flag("use_dora")?,
            ranks: ranks.collect::<Result<_, String>>()?,
            alphas: alphas.collect::<Result<_, String>>()?,
            targets: keys.modules("target_modules")?,
            excluded: keys.modules("exclude_modules")?,
            saved: saved.collect::<Result<_, _>>()?,
            layers,
            layers_patterns,
            parameters: keys.names("target_parameters")?,
            tokens: tokens(keys)?,
            keeps_tie: keys.flag("ensure_weight_tying")?,
            base: keys.text("base_model_name_or_path")?.filter(|name| !name.is_empty()).map(str::to_owned),
            notes: Vec::new(),
        })
    }

    /// The rank of a module and the factor of its product: what the first pattern that matches says, or else the whole
    /// adapter.
    ///
    /// # Errors
    /// When a pattern cannot be matched.
    pub(super) fn rank_and_scale(&self, module: &str) -> Result<(usize, f64), String> {
        fn first<T: Copy>(patterns: &[(Pattern, T)], module: &str) -> Result<Option<T>, String> {
            for (pattern, value) in patterns {
                if pattern.is_match(module)? {
                    return Ok(Some(*value));
                }
            }
            Ok(None)
        }
        let rank = first(&self.ranks, module)?.unwrap_or(self.rank);
        let alpha = first(&self.alphas, module)?.unwrap_or(self.alpha);
        let per = if self.rank_stabilised { (rank as f64).sqrt() } else { rank as f64 };
        Ok((rank, alpha / per))
    }

    /// Whether PEFT would put an adapter at a module; `None` where only the model's code could tell.
    ///
    /// # Errors
    /// When a pattern cannot be matched.
    pub(super) fn targets(&self, module: &str) -> Result<Option<bool>, String> {
        if let Some(excluded) = &self.excluded
            && excluded.has(module)? == Some(true)
        {
            return Ok(Some(false));
        }
        for saved in &self.saved {
            if saved.is_match(module)? {
                return Ok(Some(false));
            }
        }
        let Some(targets) = &self.targets else { return Ok(None) };
        let found = targets.has(module)?;
        match (&self.layers, targets) {
            // A module that is named as a whole is meant in every layer.
            (Some(layers), Modules::Named(names))
                if found == Some(true) && !names.iter().any(|name| name == module) =>
            {
                for pattern in &self.layers_patterns {
                    if let Some(layer) = pattern.number(module)? {
                        return Ok(Some(layers.contains(&layer)));
                    }
                }
                Ok(Some(false))
            }
            _ => Ok(found),
        }
    }

    /// Whether a parameter is adapted by name (`target_parameters`).
    pub(super) fn has_parameter(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|name| ends_with(parameter, name))
    }

    /// The rows of an embedding that are trained.
    pub(super) fn tokens(&self, module: &str) -> Option<&[usize]> {
        let named = self.tokens.iter().find(|(name, _)| !name.is_empty() && ends_with(module, name));
        let found = named.or_else(|| self.tokens.iter().find(|(name, _)| name.is_empty()));
        found.map(|(_, rows)| rows.as_slice())
    }
}

fn tokens(keys: &Keys<'_>) -> Result<Vec<(String, Vec<usize>)>, String> {
    const KEY: &str = "trainable_token_indices";
    let wrong = || keys.wrong(KEY, "a list of tokens, or such lists by the names of modules");
    match keys.get(KEY) {
        None => Ok(Vec::new()),
        Some(Value::Object(lists)) => {
            lists.iter().map(|(name, list)| Ok((name.clone(), indices(list).ok_or_else(wrong)?))).collect()
        }
        Some(list) => Ok(vec![(String::new(), indices(list).ok_or_else(wrong)?)]),
    }
}

/// Refuses what is LoRA by name and computes something else.
fn refuse_variants(adapter: &str, keys: &Keys<'_>) -> Result<(), AdapterError> {
    let refuse = |key: &str, value: &Value, instead| AdapterError::Variant {
        adapter: adapter.to_owned(),
        what: format!("{key} = {}", cut(&value.to_string())),
        instead,
    };
    for (key, value) in keys.keys {
        if let Some(instead) = inert::variant(key).filter(|_| !inert::is_off(value)) {
            return Err(refuse(key, value, instead));
        }
    }
    if let Some(start) = keys.get("init_lora_weights").filter(|start| !inert::is_plain_start(start)) {
        return Err(refuse(
            "init_lora_weights",
            start,
            "it changed the model's own weights before the training began; save it as an ordinary LoRA with \
             save_pretrained(..., path_initial_model_for_weight_conversion=...) of peft, or merge it there",
        ));
    }
    Ok(())
}
