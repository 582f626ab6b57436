//! JSON whose objects keep the order of their keys: templates write tools out as they were given.

use std::fmt;

use minijinja::Value;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// A value for a template.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond [`i64::MAX`].
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object, in the order of its keys.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// What is written on a command line or in a file: a value where it reads as JSON, and otherwise a text.
    #[must_use]
    pub fn or_text(written: &str) -> Self {
        serde_json::from_str(written).unwrap_or_else(|_| Self::Text(written.to_owned()))
    }

    /// The value as a template sees it.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Null => Value::from(()),
            Self::Bool(value) => Value::from(*value),
            Self::Int(value) => Value::from(*value),
            Self::Unsigned(value) => Value::from(*value),
            Self::Float(value) => Value::from(*value),
            Self::Text(text) => Value::from(text.as_str()),
            Self::List(items) => items.iter().map(Self::value).collect(),
            Self::Object(pairs) => {
                Value::from_pairs(pairs.iter().map(|(key, item)| (key.as_str(), item.value())))
            }
        }
    }

    /// About how many bytes it is written in: what a template may take for it follows from that.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len() + 2,
            Self::List(items) => 2 + items.iter().map(Self::size).sum::<usize>(),
            Self::Object(pairs) => {
                2 + pairs.iter().map(|(key, item)| key.len() + 4 + item.size()).sum::<usize>()
            }
            _ => 8,
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::Unsigned(value), Json::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut object: Vec<(String, Json)> = Vec::new();
        while let Some((key, value)) = entries.next_entry::<String, Json>()? {
            // Of a key that is given twice the last value counts, in the first place, as in Python.
            match object.iter_mut().find(|(known, _)| *known == key) {
                Some(known) => known.1 = value,
                None => object.push((key, value)),
            }
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_as_json_is_typed_and_the_rest_is_text() {
        let text = |text: &str| Json::Text(text.to_owned());
        for (written, expected) in [
            ("false", Json::Bool(false)),
            ("null", Json::Null),
            ("-3", Json::Int(-3)),
            ("18446744073709551615", Json::Unsigned(u64::MAX)),
            ("0.5", Json::Float(0.5)),
            ("\"5\"", text("5")),
            ("False", text("False")),
            ("2024-01-01", text("2024-01-01")),
            ("", text("")),
            ("[1, \"a\"]", Json::List(vec![Json::Int(1), text("a")])),
        ] {
            assert_eq!(Json::or_text(written), expected, "{written}");
        }
        let object = Json::or_text(r#"{"z": 1, "a": {"y": 2, "b": 3}, "z": 4}"#);
        assert_eq!(object.value().to_string(), "{'z': 4, 'a': {'y': 2, 'b': 3}}", "the order is kept");
    }
}
