//! What turns texts into tokens and back.

use super::{SessionError, Target};
use crate::{message::Message, text::TokenTexts, token::TokenId, trace::RoleTrace};

/// What turns texts into tokens and back: a tokenizer, a chat template, and what else the model's files say about
/// texts.
///
/// `()` is for models without a tokenizer: prompts and targets are token ids, and no token or text ends a continuation.
pub trait Texts {
    /// The error for a text that cannot be used or a run that fails.
    type Error: From<SessionError> + std::fmt::Display;

    /// The texts of tokens.
    fn names(&self) -> &dyn TokenTexts;

    /// The tokens of a text, at least one, with the special tokens that a prompt begins with.
    ///
    /// # Errors
    /// When the text has no tokens, or there is no tokenizer.
    fn encode(&self, text: &str) -> Result<Vec<TokenId>, Self::Error>;

    /// The text and tokens of a conversation, in the form that the model was trained to answer.
    ///
    /// # Errors
    /// When the model has no chat template, or it fails on the messages.
    fn converse(&self, messages: &[Message]) -> Result<Conversation, Self::Error>;

    /// The token of a target.
    ///
    /// # Errors
    /// When its text is not exactly one token.
    fn target(&self, target: &Target) -> Result<Named, Self::Error>;

    /// The tokens that end a text; empty where none is known.
    ///
    /// # Errors
    /// When it is unclear which tokens end a text.
    fn end_of_text(&self) -> Result<Vec<TokenId>, Self::Error>;

    /// Makes sure that [`Texts::bytes`] knows what tokens say, so that a continuation can end at a text.
    ///
    /// # Errors
    /// When the bytes of tokens are not known.
    fn knows_bytes(&self) -> Result<(), Self::Error>;

    /// The exact bytes of a token; `None` where they are not known.
    fn bytes(&self, token: TokenId) -> Option<Vec<u8>>;

    /// What is unusual about this prompt alone, as sentences: of many prompts, each says its own.
    fn notes_on_prompt(&self, prompt: &PromptTokens<'_>) -> Vec<String> {
        let _ = prompt;
        Vec::new()
    }

    /// What a reader of the results has to know about the tokens of a prompt, as sentences.
    fn notes(&self, prompt: &PromptTokens<'_>) -> Vec<String> {
        let _ = prompt;
        Vec::new()
    }
}

/// The tokens of a prompt, and how they came to be.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PromptTokens<'a> {
    /// What the model reads.
    pub tokens: &'a [TokenId],
    /// What the tokens were made from; `None` for tokens that were given as they are.
    pub origin: Option<Origin>,
    /// Whether the model is to write a continuation.
    pub generates: bool,
}

impl<'a> PromptTokens<'a> {
    pub(super) fn new(tokens: &'a [TokenId], origin: Option<Origin>, generates: bool) -> Self {
        Self { tokens, origin, generates }
    }
}

/// What the tokens of a prompt were made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A text, to which the tokenizer adds its special tokens.
    Text,
    /// A conversation, in which the chat template writes the special tokens and the tokenizer adds none.
    Chat,
}

/// The token that a target names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The token.
    pub id: TokenId,
    /// What is unusual about how it was named, as a sentence.
    pub note: Option<String>,
}

/// A conversation in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// The text that the model reads.
    pub text: String,
    /// Its tokens, at least one.
    pub tokens: Vec<TokenId>,
    /// Which of the tokens each role says.
    pub roles: Vec<RoleTrace>,
}

impl Texts for () {
    type Error = SessionError;

    fn names(&self) -> &dyn TokenTexts {
        self
    }

    fn encode(&self, _: &str) -> Result<Vec<TokenId>, SessionError> {
        Err(SessionError::NoTexts)
    }

    fn converse(&self, _: &[Message]) -> Result<Conversation, SessionError> {
        Err(SessionError::NoTexts)
    }

    fn target(&self, target: &Target) -> Result<Named, SessionError> {
        match target {
            Target::Id(id) => Ok(Named { id: *id, note: None }),
            Target::Text(_) => Err(SessionError::NoTexts),
        }
    }

    fn end_of_text(&self) -> Result<Vec<TokenId>, SessionError> {
        Ok(Vec::new())
    }

    fn knows_bytes(&self) -> Result<(), SessionError> {
        Err(SessionError::NoTexts)
    }

    fn bytes(&self, _: TokenId) -> Option<Vec<u8>> {
        None
    }
}
