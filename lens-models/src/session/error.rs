//! What can be wrong with a request, and what can go wrong with a run.

use lens_core::{EditError, LensError, SinkError, attribution::AttributionError};

use crate::{
    chat::ChatError,
    checkpoint::CheckpointError,
    decoder::ModelError,
    source::SourceError,
    tokenizer::{TargetError, TokenizerError},
};

/// A session that cannot be opened, or a request that cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The checkpoint was not found.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The tokenizer cannot be used, or fails.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// There is no chat template, or it fails.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// It is unclear which tokens end a text.
    #[error("it is unclear which tokens end a text: {reason}")]
    EndOfText {
        /// Why.
        reason: String,
    },
    /// The model cannot be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// An intervention does not fit.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The lens failed.
    #[error(transparent)]
    Lens(#[from] LensError),
    /// A logit cannot be taken apart.
    #[error(transparent)]
    Attribution(#[from] AttributionError),
    /// An output cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Another failure of a run.
    #[error(transparent)]
    Other(lens_core::SessionError),
    /// Loading the model failed earlier in this session.
    #[error("the model could not be loaded before: open the session again")]
    NotLoaded,
    /// A text was given, and the checkpoint has no tokenizer.
    #[error("{id} has no tokenizer.json, so texts have no tokens: give token ids instead")]
    NoTokenizer {
        /// The model.
        id: String,
    },
    /// A text without any token.
    #[error("the prompt {text:?} has no tokens: there is no position to read")]
    NoTokens {
        /// The text.
        text: String,
    },
    /// A target that is not one token.
    #[error(transparent)]
    Target(TargetError),
}

impl From<TargetError> for SessionError {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Tokenizer(error) => Self::Tokenizer(error),
            other => Self::Target(other),
        }
    }
}

impl From<lens_core::SessionError> for SessionError {
    fn from(error: lens_core::SessionError) -> Self {
        match error {
            lens_core::SessionError::Lens(error) => Self::Lens(error),
            lens_core::SessionError::Edit(error) => Self::Edit(error),
            lens_core::SessionError::Attribution(error) => Self::Attribution(error),
            lens_core::SessionError::Sink(error) => Self::Sink(error),
            other => Self::Other(other),
        }
    }
}
