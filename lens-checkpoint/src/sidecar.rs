//! The small files beside a checkpoint's weights, none of which it needs.

use std::{path::PathBuf, sync::Arc};

use serde_json::Value;

use crate::{
    limits,
    source::{CheckpointFiles, files::read_at_most},
    tokenizer::{Settings, SideFiles, TokenizerError},
};

/// A file on disk, or one that is part of the program.
#[derive(Debug, Clone)]
pub(crate) enum Sidecar {
    File(PathBuf),
    Embedded(&'static [u8]),
    /// Made of what another file says.
    Made(Arc<[u8]>),
}

/// Where a tokenizer comes from.
#[derive(Debug, Clone)]
pub(crate) enum TokenizerFile {
    /// tokenizer.json.
    Json(Sidecar),
    /// The vocabulary in a GGUF file of weights.
    Gguf,
    /// vocab.json and merges.txt.
    Vocabulary { vocab: PathBuf, merges: PathBuf },
    /// tokenizer.model.
    SentencePiece(PathBuf),
    /// tekken.json.
    Tekken(PathBuf),
}

impl TokenizerFile {
    /// The one that is read of those that there are, as in transformers: tokenizer.json before all others.
    fn of_files(files: &CheckpointFiles) -> Option<Self> {
        let json = files.tokenizer.clone().map(|path| Self::Json(Sidecar::File(path)));
        let tekken = || files.tekken.clone().map(Self::Tekken);
        let pieces = || files.tokenizer_model.clone().map(Self::SentencePiece);
        let vocabulary = || {
            let (vocab, merges) = files.vocab.clone().zip(files.merges.clone())?;
            Some(Self::Vocabulary { vocab, merges })
        };
        json.or_else(vocabulary).or_else(pieces).or_else(tekken)
    }
}

impl Sidecar {
    /// All of it, but not more than `limit` bytes.
    pub(crate) fn read(&self, limit: u64) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Embedded(bytes) => Ok(bytes.to_vec()),
            Self::Made(bytes) => Ok(bytes.to_vec()),
            Self::File(path) => read_at_most(path, limit),
        }
    }
}

/// Those of the files that a checkpoint has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sidecars {
    pub(crate) tokenizer: Option<TokenizerFile>,
    pub(crate) tokenizer_config: Option<Sidecar>,
    pub(crate) special_tokens_map: Option<Sidecar>,
    pub(crate) added_tokens: Option<Sidecar>,
    pub(crate) generation_config: Option<Sidecar>,
    /// chat_template.jinja.
    pub(crate) chat_template: Option<Sidecar>,
    pub(crate) chat_template_json: Option<Sidecar>,
}

impl Sidecars {
    pub(crate) fn of_files(files: &CheckpointFiles) -> Self {
        let file = |path: &Option<PathBuf>| path.clone().map(Sidecar::File);
        Self {
            tokenizer: TokenizerFile::of_files(files),
            tokenizer_config: file(&files.tokenizer_config),
            special_tokens_map: file(&files.special_tokens_map),
            added_tokens: file(&files.added_tokens),
            generation_config: file(&files.generation_config),
            chat_template: file(&files.chat_template),
            chat_template_json: file(&files.chat_template_json),
        }
    }

    /// What the files beside tokenizer.json say about it, for a model with this config.
    pub(crate) fn tokenizer_settings(&self, config: &Value) -> Result<Settings, TokenizerError> {
        let read = |file: &Option<Sidecar>, name: &'static str| {
            let broken = |reason: String| TokenizerError::SideFile { file: name, reason };
            let Some(file) = file else { return Ok(Value::Null) };
            let json = file
                .read(limits::config::LARGEST_TOKENIZER_CONFIG)
                .map_err(|error| broken(error.to_string()))?;
            match serde_json::from_slice(&json).map_err(|error| broken(error.to_string()))? {
                Value::Object(object) => Ok(Value::Object(object)),
                _ => Err(broken("it is not a JSON object".to_owned())),
            }
        };
        Settings::of(&SideFiles {
            tokenizer_config: read(&self.tokenizer_config, "tokenizer_config.json")?,
            special_tokens_map: read(&self.special_tokens_map, "special_tokens_map.json")?,
            added_tokens: read(&self.added_tokens, "added_tokens.json")?,
            config: config.clone(),
            lacks_tokenizer_json: !matches!(
                self.tokenizer,
                None | Some(TokenizerFile::Json(_) | TokenizerFile::Gguf)
            ),
        })
    }
}
