//! What turns texts into tokens and back.

use super::{SessionError, Target};
use crate::{message::Message, text::TokenTexts, token::TokenId, trace::RoleTrace};

/// What turns texts into tokens and back: a tokenizer, with what the model's files say about texts.
///
/// `()` has no texts: prompts and targets are token ids, and nothing but the length ends a continuation.
pub trait Texts {
    /// What is said of a text that cannot be used, and of a run that fails.
    type Error: From<SessionError> + std::fmt::Display;

    /// What tokens say.
    fn names(&self) -> &dyn TokenTexts;

    /// The tokens of a text, at least one, with the special tokens that a prompt begins with.
    ///
    /// # Errors
    /// When the text has no tokens, or there is no tokenizer.
    fn encode(&self, text: &str) -> Result<Vec<TokenId>, Self::Error>;

    /// A conversation as the model was trained to answer it.
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
    /// When it is unclear which they are.
    fn end_of_text(&self) -> Result<Vec<TokenId>, Self::Error>;

    /// Makes sure that [`Texts::bytes`] knows what tokens say, so that a continuation can end at a text.
    ///
    /// # Errors
    /// When it does not.
    fn knows_bytes(&self) -> Result<(), Self::Error>;

    /// The exact bytes of a token; `None` where they are not known.
    fn bytes(&self, token: TokenId) -> Option<Vec<u8>>;

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
    /// What they were made of; `None` for tokens that were given as they are.
    pub origin: Option<Origin>,
    /// Whether the model is to go on writing.
    pub generates: bool,
}

impl<'a> PromptTokens<'a> {
    pub(super) fn new(tokens: &'a [TokenId], origin: Option<Origin>, generates: bool) -> Self {
        Self { tokens, origin, generates }
    }
}

/// Where the tokens of a prompt are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A text, for which the tokenizer adds what it adds.
    Text,
    /// A conversation, all of which the chat template writes.
    Chat,
}

/// A target's token.
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
    /// Who says which of them.
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
