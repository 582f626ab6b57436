//! What a corpus needs to know of the tokens of a model.

use std::{cell::RefCell, collections::HashMap};

use lens_core::{
    TokenId, TokenTexts,
    corpus::{NO_TEXT, Spelling, script_of},
};
use lens_models::fit;

/// The fewest characters whose language is told.
const FEWEST: usize = 20;

/// The name of a text whose language cannot be told.
const UNKNOWN: &str = "und";

/// The tokens of a model, looked up once each.
pub(super) struct Spelled<'a> {
    encoder: &'a fit::Documents<'a>,
    texts: &'a dyn TokenTexts,
    languages: bool,
    known: RefCell<HashMap<TokenId, Known>>,
}

#[derive(Clone, Copy)]
struct Known {
    script: &'static str,
    bytes: Option<usize>,
}

impl<'a> Spelled<'a> {
    pub(super) fn new(encoder: &'a fit::Documents<'a>, texts: &'a dyn TokenTexts, languages: bool) -> Self {
        Self { encoder, texts, languages, known: RefCell::default() }
    }

    fn known(&self, token: TokenId) -> Known {
        let new = || {
            let text = self.texts.text(token);
            let bytes = self.encoder.bytes(token);
            let script = match (&text.bytes, bytes) {
                // Half a character, or a mark such as the one that begins documents.
                (Some(_), _) | (_, Some(0)) => NO_TEXT,
                _ => script_of(&text.text),
            };
            Known { script, bytes }
        };
        *self.known.borrow_mut().entry(token).or_insert_with(new)
    }
}

impl Spelling for Spelled<'_> {
    fn script(&self, token: TokenId) -> &str {
        self.known(token).script
    }

    fn language(&self, tokens: &[TokenId]) -> Option<&str> {
        if !self.languages {
            return None;
        }
        let text: String = tokens
            .iter()
            .filter(|token| self.known(**token).bytes != Some(0))
            .map(|token| self.texts.text(*token))
            .filter(|text| text.bytes.is_none())
            .map(|text| text.text.to_string())
            .collect();
        let told =
            whatlang::detect(&text).filter(|told| told.is_reliable() && text.chars().count() >= FEWEST);
        Some(told.map_or(UNKNOWN, |told| told.lang().code()))
    }

    fn bytes(&self, token: TokenId) -> Option<usize> {
        self.known(token).bytes
    }
}
