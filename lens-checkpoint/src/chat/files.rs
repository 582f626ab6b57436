//! Where a checkpoint keeps its chat template and the tokens that the template names.

use serde_json::{Map, Value};

use super::ChatError;
use crate::{
    limits,
    sidecar::{Sidecar, Sidecars},
    tokenizer::TokenizerError,
};

const JINJA: &str = "chat_template.jinja";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const TEMPLATE_JSON: &str = "chat_template.json";

/// The template, if there is one: chat_template.jinja before tokenizer_config.json, as in transformers, and last
/// chat_template.json, where processors of multimodal models had it.
pub(super) fn template(files: &Sidecars) -> Result<Option<String>, ChatError> {
    if let Some(file) = &files.chat_template {
        let bytes = read(file, JINJA)?;
        let invalid = |_| broken(JINJA, "it is not valid UTF-8");
        return String::from_utf8(bytes).map(Some).map_err(invalid);
    }
    for (file, name) in
        [(&files.tokenizer_config, TOKENIZER_CONFIG), (&files.chat_template_json, TEMPLATE_JSON)]
    {
        if let Some(template) = object(file.as_ref(), name)?.remove("chat_template").filter(|t| !t.is_null())
        {
            return default_of(template, name).map(Some);
        }
    }
    Ok(None)
}

/// The template, or the default one of a list.
fn default_of(template: Value, file: &'static str) -> Result<String, ChatError> {
    let list = match template {
        Value::String(template) => return Ok(template),
        Value::Array(list) => list,
        _ => return Err(broken(file, "\"chat_template\" should be a string, or a list of named ones")),
    };
    let mut names = Vec::new();
    for entry in &list {
        let text = |key| entry.get(key).and_then(Value::as_str);
        match (text("name"), text("template")) {
            (Some("default"), Some(template)) => return Ok(template.to_owned()),
            (Some(name), Some(_)) => names.push(name.to_owned()),
            _ => {
                return Err(broken(file, "an entry of \"chat_template\" has no \"name\" or no \"template\""));
            }
        }
    }
    Err(ChatError::NoDefault { file, names })
}

/// `bos_token` and its like, by name.
pub(super) fn tokens(files: &Sidecars, config: &Value) -> Result<Vec<(String, String)>, ChatError> {
    let settings = files.tokenizer_settings(config).map_err(|error| match error {
        TokenizerError::SideFile { file, reason } => ChatError::BrokenFile { file, reason },
        other => broken(TOKENIZER_CONFIG, &other.to_string()),
    })?;
    Ok(settings.variables())
}

fn object(file: Option<&Sidecar>, name: &'static str) -> Result<Map<String, Value>, ChatError> {
    let Some(file) = file else { return Ok(Map::new()) };
    match serde_json::from_slice(&read(file, name)?) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(broken(name, "it is not a JSON object")),
        Err(error) => Err(broken(name, &error.to_string())),
    }
}

fn read(file: &Sidecar, name: &'static str) -> Result<Vec<u8>, ChatError> {
    file.read(limits::config::LARGEST_TOKENIZER_CONFIG).map_err(|error| broken(name, &error.to_string()))
}

fn broken(file: &'static str, reason: &str) -> ChatError {
    ChatError::BrokenFile { file, reason: reason.to_owned() }
}
