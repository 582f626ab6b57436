//! A model's texts: what turns them into tokens and back.

mod notes;

use lens_core::{Conversation, Message, Named, PromptTokens, Target, Texts, TokenId, TokenTexts};

use super::error::SessionError;
use crate::{
    chat::{ChatError, ChatTemplate, Extras},
    checkpoint::Checkpoint,
    tokenizer::Tokenizer,
};

/// A model's texts: its tokenizer, where it has one, and the tokens that end a text.
pub struct Speech {
    id: String,
    tokenizer: Option<Tokenizer>,
    /// Only chats need it: its faults are theirs.
    chat: Result<ChatTemplate, ChatError>,
    /// Only continuations need it.
    end_of_text: Result<Vec<TokenId>, String>,
    /// The tokenizer's own end of a text, where the configs do not name it.
    own_end: Option<TokenId>,
    /// The tokens that the config begins sequences with.
    bos: Vec<u32>,
}

impl Speech {
    /// The texts of a checkpoint, from its tokenizer and the files beside it.
    ///
    /// # Errors
    /// When tokenizer.json is broken.
    pub fn of(checkpoint: &Checkpoint) -> Result<Self, SessionError> {
        let outline = checkpoint.outline();
        let tokenizer = checkpoint.tokenizer()?;
        let mut end_of_text = checkpoint.end_of_text().map_err(|error| error.to_string());
        let eos = tokenizer.as_ref().and_then(Tokenizer::eos);
        let own_end = eos.filter(|eos| end_of_text.as_ref().is_ok_and(|ends| !ends.contains(eos)));
        if let Ok(ends) = &mut end_of_text {
            ends.extend(own_end);
        }
        let (id, bos) = (outline.id.clone(), outline.bos_token_ids());
        Ok(Self { id, tokenizer, chat: checkpoint.chat_template(), end_of_text, own_end, bos })
    }

    /// These texts, with more than messages in every conversation.
    ///
    /// # Errors
    /// When they cannot be for a chat template; where there is no template at all, the first conversation says so.
    pub fn with_chat(mut self, extras: Extras) -> Result<Self, SessionError> {
        if let Ok(template) = self.chat {
            self.chat = Ok(template.with(extras)?);
        }
        Ok(self)
    }

    /// What a reader of a conversation has to know of the chat template, as sentences.
    fn notes_on_chat(&self) -> Vec<String> {
        self.chat.as_ref().map(ChatTemplate::notes).unwrap_or_default()
    }

    /// The tokenizer.
    ///
    /// # Errors
    /// When the checkpoint has none.
    pub fn tokenizer(&self) -> Result<&Tokenizer, SessionError> {
        self.tokenizer.as_ref().ok_or_else(|| SessionError::NoTokenizer { id: self.id.clone() })
    }

    /// The texts of tokens; without a tokenizer, their ids.
    pub fn texts(&self) -> &dyn TokenTexts {
        self.tokenizer.as_ref().map_or(&(), |tokenizer| tokenizer)
    }

    /// What the files say about texts that a reader of the results has to know, as sentences.
    pub fn notes(&self) -> &[String] {
        self.tokenizer.as_ref().map_or(&[], Tokenizer::notes)
    }

    /// The tokens that end a text: those that the configs name, and the tokenizer's own.
    ///
    /// # Errors
    /// When the configs name something that is not a token id.
    pub fn end_of_text(&self) -> Result<&[TokenId], SessionError> {
        self.end_of_text.as_deref().map_err(|reason| SessionError::EndOfText { reason: reason.clone() })
    }

    /// The end of a text that only the tokenizer's files name.
    pub fn own_end(&self) -> Option<TokenId> {
        self.own_end
    }

    /// A conversation in the form that the model was trained to answer: its text, its tokens, and which of them each
    /// role says.
    ///
    /// # Errors
    /// When the model has no chat template or tokenizer, or the template fails on the messages.
    pub fn converse(&self, messages: &[Message]) -> Result<Conversation, SessionError> {
        let rendered = self.chat.as_ref().map_err(Clone::clone)?.render(messages, true)?;
        let (tokens, roles) = rendered.encode(self.tokenizer()?)?;
        if tokens.is_empty() {
            return Err(SessionError::NoTokens { text: rendered.text });
        }
        Ok(Conversation { text: rendered.text, tokens, roles })
    }

    /// The tokens of a text, with the special tokens that the tokenizer adds.
    ///
    /// # Errors
    /// When there is no tokenizer, it fails, or the text has no tokens.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, SessionError> {
        let tokens = self.tokenizer()?.encode(text, true)?;
        if tokens.is_empty() {
            return Err(SessionError::NoTokens { text: text.to_owned() });
        }
        Ok(tokens)
    }

    /// The token of a target: an id as it is, or a text that is exactly what one token says. A text that no token says,
    /// and that the tokenizer makes one token of by adding white space, is that token.
    ///
    /// # Errors
    /// When the text is not one token; the message names those that it is.
    pub fn target(&self, target: &Target) -> Result<Named, SessionError> {
        match target {
            Target::Id(id) => Ok(Named { id: *id, note: None }),
            Target::Text(text) => Ok(self.tokenizer()?.target(text)?),
        }
    }

    /// The tokens that the config begins sequences with, by their ids.
    pub(super) fn bos(&self) -> &[u32] {
        &self.bos
    }
}

impl Texts for Speech {
    type Error = SessionError;

    fn names(&self) -> &dyn TokenTexts {
        self.texts()
    }

    fn encode(&self, text: &str) -> Result<Vec<TokenId>, SessionError> {
        self.encode(text)
    }

    fn converse(&self, messages: &[Message]) -> Result<Conversation, SessionError> {
        self.converse(messages)
    }

    fn target(&self, target: &Target) -> Result<Named, SessionError> {
        self.target(target)
    }

    fn end_of_text(&self) -> Result<Vec<TokenId>, SessionError> {
        Ok(self.end_of_text()?.to_vec())
    }

    fn knows_bytes(&self) -> Result<(), SessionError> {
        self.tokenizer().map(|_| ())
    }

    fn bytes(&self, token: TokenId) -> Option<Vec<u8>> {
        self.tokenizer.as_ref()?.bytes(token)
    }

    fn notes(&self, prompt: &PromptTokens<'_>) -> Vec<String> {
        notes::of_prompt(prompt, self)
    }

    fn notes_on_prompt(&self, prompt: &PromptTokens<'_>) -> Vec<String> {
        notes::on_prompt(prompt, self).into_iter().collect()
    }
}
