//! One prompt as a JSON object.

use lens_core::TokenId;
use serde::Deserialize;

use crate::prompts::{Parsed, PromptInput, listed};

#[derive(Deserialize)]
struct Message {
    role: String,
    content: String,
}

/// What a line of JSON says, read from `column` if one is named.
pub(crate) fn of_json(bytes: &[u8], column: Option<&str>) -> Parsed {
    let broken = |reason: String| (None, reason);
    let mut fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(bytes).map_err(|error| broken(format!("it is not a JSON object: {error}")))?;
    let id = match fields.remove("id") {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::String(id)) => Some(id),
        Some(other) => Some(other.to_string()),
    };
    let wanted: Vec<&str> = match column {
        Some(name) => vec![name],
        None => vec!["text", "prompt", "messages", "token_ids"],
    };
    let said = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
    let name = match wanted.iter().copied().filter(|name| said(name)).collect::<Vec<_>>()[..] {
        [name] | [name @ "text", "prompt"] => name,
        [] => {
            let known: Vec<String> = fields.keys().cloned().collect();
            let reason =
                format!("it has no field {} with a value; it has {}", wanted.join(", "), listed(&known));
            return Err((id, reason));
        }
        ref several => {
            let reason = format!("it has {}: leave one, or name the field to read", several.join(", "));
            return Err((id, reason));
        }
    };
    let value = fields.remove(name).unwrap_or_default();
    match input(name, value) {
        Ok(input) => Ok((id, input)),
        Err(reason) => Err((id, format!("{name:?} {reason}"))),
    }
}

/// A text, a list of messages, or a list of token ids; fields named after one of the lists hold nothing else.
fn input(name: &str, value: serde_json::Value) -> Result<PromptInput, String> {
    use serde_json::Value;
    match value {
        Value::String(text) if !["messages", "token_ids"].contains(&name) => Ok(PromptInput::Text(text)),
        Value::Array(items) if items.is_empty() => Err("is an empty list".to_owned()),
        Value::Array(items) if name != "token_ids" && items[0].is_object() => {
            let messages: Vec<Message> = serde_json::from_value(Value::Array(items))
                .map_err(|error| format!("is not a list of messages with role and content: {error}"))?;
            Ok(PromptInput::Messages(messages.into_iter().map(|m| (m.role, m.content)).collect()))
        }
        Value::Array(items) if name != "messages" => {
            let ids: Vec<u32> = serde_json::from_value(Value::Array(items))
                .map_err(|error| format!("is not a list of token ids: {error}"))?;
            Ok(PromptInput::Tokens(ids.into_iter().map(TokenId).collect()))
        }
        _ => Err(match name {
            "messages" => "is not a list of messages with role and content",
            "token_ids" => "is not a list of token ids",
            _ => "is neither a text nor a list of messages or token ids",
        }
        .to_owned()),
    }
}
