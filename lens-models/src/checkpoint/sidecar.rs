//! The small files beside a checkpoint's weights, none of which it needs.

use std::{fs::File, io::Read, path::PathBuf};

use lens_core::TokenId;
use serde_json::Value;

use super::CheckpointError;
use crate::{
    config::{Config, ConfigError},
    source::CheckpointFiles,
};

/// A generation_config.json has a kilobyte; anything beyond this is a mistake.
const LARGEST_GENERATION_CONFIG: u64 = 1 << 20;

/// tokenizer_config.json may list every added token; a few megabytes at most.
const LARGEST_TOKENIZER_CONFIG: u64 = 64 << 20;

/// A file on disk, or one that is part of the program.
#[derive(Debug, Clone)]
pub(crate) enum Sidecar {
    File(PathBuf),
    Embedded(&'static [u8]),
}

impl Sidecar {
    /// All of it, but not more than `limit` bytes.
    pub(crate) fn read(&self, limit: u64) -> std::io::Result<Vec<u8>> {
        let path = match self {
            Self::Embedded(bytes) => return Ok(bytes.to_vec()),
            Self::File(path) => path,
        };
        let mut bytes = Vec::new();
        File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit { Err(std::io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
    }
}

/// Those of the files that a checkpoint has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sidecars {
    pub(crate) tokenizer: Option<Sidecar>,
    pub(crate) tokenizer_config: Option<Sidecar>,
    pub(crate) special_tokens_map: Option<Sidecar>,
    pub(crate) generation_config: Option<Sidecar>,
    /// chat_template.jinja.
    pub(crate) chat_template: Option<Sidecar>,
    pub(crate) chat_template_json: Option<Sidecar>,
}

impl Sidecars {
    pub(super) fn of_files(files: &CheckpointFiles) -> Self {
        let file = |path: &Option<PathBuf>| path.clone().map(Sidecar::File);
        Self {
            tokenizer: file(&files.tokenizer),
            tokenizer_config: file(&files.tokenizer_config),
            special_tokens_map: file(&files.special_tokens_map),
            generation_config: file(&files.generation_config),
            chat_template: file(&files.chat_template),
            chat_template_json: file(&files.chat_template_json),
        }
    }

    /// Whether texts begin with a special token, as tokenizer_config.json says, if it does.
    pub(super) fn adds_bos(&self) -> Option<bool> {
        let json = self.tokenizer_config.as_ref()?.read(LARGEST_TOKENIZER_CONFIG).ok()?;
        serde_json::from_slice::<Value>(&json).ok()?.get("add_bos_token")?.as_bool()
    }

    /// The tokens that end a text, as generation_config.json says.
    pub(super) fn end_of_text(&self) -> Result<Vec<TokenId>, CheckpointError> {
        let broken = |reason: String| CheckpointError::BrokenFile { file: "generation_config.json", reason };
        let Some(file) = &self.generation_config else { return Ok(Vec::new()) };
        let json = file.read(LARGEST_GENERATION_CONFIG).map_err(|error| broken(error.to_string()))?;
        let value: Value = serde_json::from_slice(&json).map_err(|error| broken(error.to_string()))?;
        let ids = Config::new(&value).and_then(|config| config.token_ids("eos_token_id"));
        let ids = ids.map_err(|error| match error {
            ConfigError::Wrong { key, expected, got } => {
                broken(format!("\"{key}\" should be {expected}, but is {}", crate::config::cut(&got)))
            }
            ConfigError::NotAnObject => broken("it is no JSON object".to_owned()),
            other => other.into(),
        })?;
        Ok(ids.into_iter().map(TokenId).collect())
    }
}
