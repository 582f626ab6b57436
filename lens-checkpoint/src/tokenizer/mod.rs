//! The tokenizer of a checkpoint, and the texts of its tokens.
//!
//! The files beside tokenizer.json change it as they do in transformers 4.57 (`adopt`): tokens that only they have are
//! added, some classes begin texts with a token of their own, and what training left in the file is dropped.
//! [`Tokenizer::notes`] says what was done.

mod adopt;
mod bounds;
mod class;
mod error;
mod isolated;
pub(crate) mod made;
mod names;
mod parts;
mod settings;
mod spelling;
mod target;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
    path::Path,
    sync::OnceLock,
};

use bounds::Bounds;
pub use error::TokenizerError;
pub use isolated::THREAD;
use isolated::isolated;
use lens_core::{TokenId, TokenText, TokenTexts};
pub use names::Namesakes;
use parts::Parts;
pub(crate) use settings::{Settings, SideFiles};
use spelling::Spelling;
pub use target::TargetError;

use crate::limits;
use crate::source::files::read_at_most;

/// A tokenizer.json, ready to use.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    spelling: Spelling,
    bounds: Bounds,
    /// Added tokens as they were written.
    added: BTreeMap<u32, String>,
    eos: Option<TokenId>,
    bos: Option<TokenId>,
    notes: Vec<String>,
    by_bytes: OnceLock<HashMap<Vec<u8>, Vec<TokenId>>>,
}

impl Tokenizer {
    /// Loads a tokenizer.json by itself, without the files beside it.
    ///
    /// # Errors
    /// When the file cannot be read or is not a tokenizer.
    pub fn from_file(path: &Path) -> Result<Self, TokenizerError> {
        let unreadable = |source| TokenizerError::Read { path: path.to_owned(), source };
        Self::from_json(&read_at_most(path, limits::tokenizer::LARGEST_FILE).map_err(unreadable)?)
    }

    /// Loads the contents of a tokenizer.json.
    ///
    /// # Errors
    /// When it is not a tokenizer.
    pub fn from_json(json: &[u8]) -> Result<Self, TokenizerError> {
        Self::load(json, None)
    }

    /// Loads the contents of a tokenizer.json, and changes it as the files beside it say.
    pub(crate) fn load(json: &[u8], settings: Option<&Settings>) -> Result<Self, TokenizerError> {
        let broken = |reason: String| TokenizerError::Broken { reason };
        if json.starts_with(b"version https://git-lfs") {
            return Err(broken("it is a git-lfs pointer, run `git lfs pull`".to_owned()));
        }
        let load = || {
            let mut inner = tokenizers::Tokenizer::from_bytes(json).map_err(|error| error.to_string())?;
            let mut notes: Vec<String> = adopt::drop_training(&mut inner)?.into_iter().collect();
            if let Some(settings) = settings {
                notes.extend(adopt::adopt(&mut inner, settings)?);
            }
            let parts = Parts::of(&inner)?;
            Ok((Bounds::of(&parts)?, Spelling::of(&parts), inner, notes))
        };
        let (bounds, spelling, inner, notes) = isolated(load).and_then(|loaded| loaded).map_err(broken)?;
        let added: BTreeMap<u32, String> =
            inner.get_added_tokens_decoder().into_iter().map(|(id, token)| (id, token.content)).collect();
        let id = |text: Option<&str>| text.and_then(|text| inner.token_to_id(text)).map(TokenId);
        Ok(Self {
            eos: id(settings.and_then(Settings::stated_eos)),
            bos: id(settings.and_then(|settings| settings.special("bos_token"))),
            spelling,
            bounds,
            added,
            inner,
            notes,
            by_bytes: OnceLock::new(),
        })
    }

    /// The tokenizer with more to say about it, before what there is.
    pub(crate) fn with_notes(mut self, notes: Vec<String>) -> Self {
        self.notes.splice(..0, notes);
        self
    }

    /// What the files beside tokenizer.json changed, and what of tokenizer.json was left out, as sentences.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The token that the files beside tokenizer.json name as the end of a text.
    pub fn eos(&self) -> Option<TokenId> {
        self.eos
    }

    /// The token that those files, or the tokenizer's class, name as the beginning of a text, whether encoding puts it
    /// there or not.
    pub fn bos(&self) -> Option<TokenId> {
        self.bos
    }

    /// The tokens of `text`, with the special tokens that the tokenizer's own post-processing adds, or without them.
    ///
    /// # Errors
    /// When the tokenizer fails on this text, or would make too much of it.
    pub fn encode(&self, text: &str, special_tokens: bool) -> Result<Vec<TokenId>, TokenizerError> {
        self.bounds.check(&self.inner, text)?;
        let encoding = isolated(|| self.inner.encode_fast(text, special_tokens))
            .map_err(|reason| TokenizerError::Encode { reason })?
            .map_err(|error| TokenizerError::Encode { reason: error.to_string() })?;
        Ok(encoding.get_ids().iter().copied().map(TokenId).collect())
    }

    /// The tokens that [`encode`](Self::encode) returns, each with the range of bytes of `text` that it stands for.
    /// Several tokens that share a character have all of its bytes, and a token that stands for nothing in the text has
    /// none.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode).
    pub fn encode_with_ranges(
        &self,
        text: &str,
        special_tokens: bool,
    ) -> Result<Vec<(TokenId, Range<usize>)>, TokenizerError> {
        self.bounds.check(&self.inner, text)?;
        let encoding = isolated(|| self.inner.encode(text, special_tokens))
            .map_err(|reason| TokenizerError::Encode { reason })?
            .map_err(|error| TokenizerError::Encode { reason: error.to_string() })?;
        let ranges = encoding.get_offsets().iter().map(|(start, end)| *start..*end);
        Ok(encoding.get_ids().iter().copied().map(TokenId).zip(ranges).collect())
    }

    /// Whether encoding a text puts the token `bos` in front.
    ///
    /// # Errors
    /// When the tokenizer fails.
    pub fn adds(&self, bos: TokenId) -> Result<bool, TokenizerError> {
        Ok(self.encode("a", true)?.first() == Some(&bos))
    }

    /// The bytes that a token stands for, or `None` for an id without a token.
    pub fn bytes(&self, id: TokenId) -> Option<Vec<u8>> {
        if let Some(token) = self.added.get(&id.0) {
            // Added tokens are found in the text as it is, before bytes become characters. SentencePiece's sign for
            // a space means one in them, too: Gemma's runs of spaces are added tokens.
            return Some(match self.spelling {
                Spelling::ByteLevel(_) => token.clone().into_bytes(),
                _ => self.spelling.bytes(token),
            });
        }
        self.inner.id_to_token(id.0).map(|token| self.spelling.bytes(&token))
    }

    /// How many ids have a token.
    pub fn len(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Whether no id has a token.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids that have a token, in ascending order.
    fn ids(&self) -> BTreeSet<TokenId> {
        self.inner.get_vocab(true).into_values().chain(self.added.keys().copied()).map(TokenId).collect()
    }

    /// Whether a token stands for a byte that the vocabulary has no better token for.
    fn is_fallback(&self, id: TokenId) -> bool {
        self.inner.id_to_token(id.0).is_some_and(|token| self.spelling.is_fallback(&token))
    }
}

impl TokenTexts for Tokenizer {
    fn text(&self, id: TokenId) -> TokenText {
        self.bytes(id).map_or_else(|| TokenText::unnamed(id), |bytes| TokenText::from_bytes(&bytes))
    }
}
