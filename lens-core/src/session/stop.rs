//! Texts that end a continuation.

use super::Texts;
use crate::{token::TokenId, trace::Stopped};

/// Watches for texts in what was written, however they are spread over tokens.
pub(super) struct StopTexts<'a, T> {
    source: &'a T,
    texts: &'a [String],
    written: Vec<u8>,
}

impl<'a, T: Texts> StopTexts<'a, T> {
    pub(super) fn new(source: &'a T, texts: &'a [String]) -> Self {
        Self { source, texts, written: Vec::new() }
    }

    /// Whether one of the texts is complete with this token.
    pub(super) fn sees(&mut self, token: TokenId) -> Option<Stopped> {
        let longest = self.texts.iter().map(String::len).max()?;
        self.written.extend(self.source.bytes(token).unwrap_or_default());
        let found = self.texts.iter().any(|text| contains(&self.written, text.as_bytes()));
        // Only the end can become part of a text that is not complete yet.
        let keep = self.written.len().saturating_sub(longest);
        self.written.drain(..keep);
        found.then_some(Stopped::StopText)
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    text.is_empty() || bytes.windows(text.len()).any(|window| window == text)
}
