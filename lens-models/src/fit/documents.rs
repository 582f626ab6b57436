//! Documents as one stream of tokens.

use std::collections::BTreeSet;

use lens_core::TokenId;

use crate::session::{SessionError, Speech};

/// Turns documents into tokens, so that each begins as the model has learned that texts begin.
///
/// A tokenizer that puts a token in front of every text does so here; before a document of any other, the token that
/// ends texts says that another one begins.
pub struct Documents<'a> {
    speech: &'a Speech,
    between: Option<TokenId>,
    /// Tokens that stand for no text.
    marks: BTreeSet<TokenId>,
}

impl<'a> Documents<'a> {
    /// For the texts of a model.
    ///
    /// # Errors
    /// When the model has no tokenizer, or its configs name an end of texts that is no token.
    pub fn new(speech: &'a Speech) -> Result<Self, SessionError> {
        let tokenizer = speech.tokenizer()?;
        let plain: BTreeSet<TokenId> = tokenizer.encode("a", false)?.into_iter().collect();
        let added = tokenizer.encode("a", true)?.into_iter().filter(|token| !plain.contains(token));
        let mut marks: BTreeSet<TokenId> = added.collect();
        let between = match marks.is_empty() {
            true => speech.end_of_text()?.first().copied(),
            false => None,
        };
        marks.extend(between);
        marks.extend(speech.end_of_text()?);
        Ok(Self { speech, between, marks })
    }

    /// The tokens of one document.
    ///
    /// # Errors
    /// When the tokenizer fails on it.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, SessionError> {
        let tokens = self.speech.tokenizer()?.encode(text, true)?;
        Ok(self.between.into_iter().chain(tokens).collect())
    }

    /// How many bytes of a text a token stands for: none for one that begins or ends documents.
    pub fn bytes(&self, token: TokenId) -> Option<usize> {
        if self.marks.contains(&token) {
            return Some(0);
        }
        self.speech.tokenizer().ok()?.bytes(token).map(|bytes| bytes.len())
    }

    /// What tells documents apart, where that is worth a word.
    pub fn note(&self) -> Option<String> {
        self.marks.is_empty().then(|| {
            "the tokenizer begins texts with no token and names none that ends them: documents follow each other \
             without a mark"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo;

    #[test]
    fn documents_begin_with_the_mark_of_the_tokenizer_which_is_no_text() {
        let checkpoint = demo::checkpoint().unwrap();
        let speech = Speech::of(&checkpoint).unwrap();
        let documents = Documents::new(&speech).unwrap();
        let tokens = documents.encode("The capital of France is").unwrap();
        assert_eq!(tokens[0], speech.tokenizer().unwrap().target("<|bos|>").unwrap().id);
        assert_eq!(tokens.iter().filter(|token| **token == tokens[0]).count(), 1);
        let bytes: usize = tokens.iter().map(|token| documents.bytes(*token).unwrap()).sum();
        assert_eq!(bytes, "The capital of France is".len());
        assert_eq!(documents.note(), None);
    }
}
