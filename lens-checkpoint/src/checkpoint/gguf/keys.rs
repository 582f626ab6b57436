//! The metadata of one architecture, with an account of what was read.

use std::{cell::RefCell, collections::BTreeSet};

use serde_json::{Value as Json, json};

use crate::gguf::{Header, Value};

/// Keys of an architecture that change nothing of what is computed.
const INERT: &[&str] = &[
    "attention.causal",
    "embedding_length_out",
    "pooling_type",
    "rope.scaling.finetuned",
    "tensor_data_layout",
    "vocab_size",
];

/// The metadata under an architecture's prefix.
pub(super) struct Keys<'h, 'a> {
    pub(super) header: &'h Header<'a>,
    architecture: &'a str,
    read: RefCell<BTreeSet<String>>,
}

impl<'h, 'a> Keys<'h, 'a> {
    pub(super) fn new(header: &'h Header<'a>, architecture: &'a str) -> Self {
        Self { header, architecture, read: RefCell::default() }
    }

    fn get(&self, key: &str) -> (String, Option<&'h Value<'a>>) {
        let name = format!("{}.{key}", self.architecture);
        let value = self.header.get(&name);
        self.read.borrow_mut().insert(name.clone());
        (name, value)
    }

    /// A size; where it is a list with an element for each layer, the one that they all say.
    pub(super) fn size(&self, key: &str) -> Result<Option<usize>, String> {
        let (name, value) = self.get(key);
        let wrong = || format!("its {name} is {}, not a size", value.map(Value::shown).unwrap_or_default());
        match value {
            None => Ok(None),
            Some(Value::Int(int)) => usize::try_from(*int).map(Some).map_err(|_| wrong()),
            Some(Value::Ints(list)) => match list.as_slice() {
                [first, rest @ ..] if rest.iter().all(|other| other == first) => {
                    usize::try_from(*first).map(Some).map_err(|_| wrong())
                }
                _ => Err(format!("its {name} differs from layer to layer, which is not read here")),
            },
            Some(_) => Err(wrong()),
        }
    }

    /// A flag for each layer, where the key has a list of them.
    pub(super) fn flags(&self, key: &str) -> Result<Option<Vec<bool>>, String> {
        Ok(match self.get(key).1 {
            Some(Value::Bools(flags)) => Some(flags.clone()),
            Some(Value::Ints(flags)) => Some(flags.iter().map(|flag| *flag != 0).collect()),
            _ => None,
        })
    }

    pub(super) fn required(&self, key: &str) -> Result<usize, String> {
        self.size(key)?.ok_or_else(|| format!("its metadata has no {}.{key}", self.architecture))
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, String> {
        match self.get(key) {
            (_, None) => Ok(None),
            (_, Some(Value::Float(x))) if x.is_finite() => Ok(Some(*x)),
            (_, Some(Value::Int(int))) => Ok(Some(*int as f64)),
            (name, Some(other)) => Err(format!("its {name} is {}, not a number", other.shown())),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, String> {
        let (name, _) = self.get(key);
        self.header.text(&name)
    }

    /// What of the architecture nobody read, as keys and values of a config, where they are refused by name.
    pub(super) fn unread(&self) -> Vec<(String, Json)> {
        let read = self.read.borrow();
        let own = |key: &str| key.strip_prefix(self.architecture)?.strip_prefix('.').map(str::to_owned);
        let entries = self.header.entries.iter().filter(|(key, _)| !read.contains(**key));
        entries
            .filter_map(|(key, value)| Some((own(key)?, key, value)))
            .filter(|(own, ..)| !INERT.contains(&own.as_str()))
            .map(|(_, key, value)| ((*key).to_owned(), json(value)))
            .collect()
    }
}

fn json(value: &Value<'_>) -> Json {
    match value {
        Value::Int(int) => i64::try_from(*int).map_or_else(|_| json!(int.to_string()), |int| json!(int)),
        Value::Float(x) => json!(x),
        Value::Bool(flag) => json!(flag),
        other => json!([other.shown()]),
    }
}
