//! The text of a token.

use std::{borrow::Cow, sync::Arc};

use crate::token::TokenId;

/// The text of a token: readable, and exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenText {
    /// The token's bytes as text; bytes that are not valid UTF-8 on their own appear as `<0xE4>`.
    pub text: Arc<str>,
    /// The bytes in lower-case hexadecimal; only where `text` does not spell them exactly.
    pub bytes: Option<Arc<str>>,
}

impl TokenText {
    /// The text of a token that stands for `bytes`.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Self { text: text.into(), bytes: None };
        }
        let mut text = String::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                text.push_str(&format!("<0x{byte:02X}>"));
            }
        }
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { text: text.into(), bytes: Some(hex.into()) }
    }

    /// The text of a vocabulary row that no token has.
    pub fn unnamed(id: TokenId) -> Self {
        Self { text: format!("<id {id}>").into(), bytes: None }
    }
}

/// Something that knows the texts of tokens, such as a tokenizer.
pub trait TokenTexts {
    /// The text of `id`; [`TokenText::unnamed`] for a row without a token.
    fn text(&self, id: TokenId) -> TokenText;
}

/// For models without a tokenizer: every token is unnamed.
impl TokenTexts for () {
    fn text(&self, id: TokenId) -> TokenText {
        TokenText::unnamed(id)
    }
}

/// The exact bytes of a token in a trace, from its fields `text` and `bytes`: those that `hex` spells where it is
/// there, or else those of `text`.
pub fn token_bytes<'a>(text: &'a str, hex: Option<&str>) -> Cow<'a, [u8]> {
    match hex.and_then(from_hex) {
        Some(bytes) => Cow::Owned(bytes),
        None => Cow::Borrowed(text.as_bytes()),
    }
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = hex.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_character_is_readable_and_exact() {
        let text = TokenText::from_bytes(b"a\xE4\xBD");
        assert_eq!(&*text.text, "a<0xE4><0xBD>");
        assert_eq!(text.bytes.as_deref(), Some("61e4bd"));
        assert_eq!(TokenText::from_bytes("你".as_bytes()).bytes, None);
    }
}
