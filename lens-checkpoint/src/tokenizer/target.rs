//! The one token that a text names.

use lens_core::{Named, TokenId, TokenTexts};

use super::{Namesakes, Tokenizer, TokenizerError};

/// Tokens that a sentence names at most.
const NAMED: usize = 8;

/// A text that does not name one token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The tokenizer fails on it.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// It has no token.
    #[error("the target {text:?} has no tokens")]
    Empty {
        /// The text.
        text: String,
    },
    /// The tokenizer turns it into a token that says something else.
    #[error("the target {text:?} reads as the token {token}: if that is meant, give its id, as <id 5>")]
    Other {
        /// The text.
        text: String,
        /// The token.
        token: String,
    },
    /// It is several tokens.
    #[error("the target {text:?} is not one token but {count}: {tokens}{hint}")]
    Split {
        /// The text.
        text: String,
        /// Number of tokens.
        count: usize,
        /// The tokens.
        tokens: String,
        /// What would be one token, as a clause, or nothing.
        hint: String,
    },
}

impl Tokenizer {
    /// The token that says exactly `text`. A text that no token says, and that the tokenizer makes one token of by adding
    /// white space, is that token.
    ///
    /// # Errors
    /// When the text is not one token; the message names those that it is.
    pub fn target(&self, text: &str) -> Result<Named, TargetError> {
        if text.is_empty() {
            return Err(TargetError::Empty { text: text.to_owned() });
        }
        if let Some(Namesakes { best, others }) = self.named(text)? {
            return Ok(Named { id: best, note: note_on_others(text, best, &others) });
        }
        let tokens = self.encode(text, false)?;
        let name = |id: &TokenId| format!("{:?} (<id {id}>)", self.text(*id).text);
        match tokens.as_slice() {
            [] => Err(TargetError::Empty { text: text.to_owned() }),
            [id] if self.text(*id).text.trim_start() == text.trim_start() => Ok(Named {
                id: *id,
                note: Some(format!("no token says exactly {text:?}: the target is {}", name(id))),
            }),
            [id] => Err(TargetError::Other { text: text.to_owned(), token: name(id) }),
            [first, ..] => {
                let mut named = tokens.iter().take(NAMED).map(name).collect::<Vec<_>>().join(", ");
                if tokens.len() > NAMED {
                    named.push_str(&format!(" and {} more", tokens.len() - NAMED));
                }
                let hint = self.spaced_hint(text)?;
                let hint = format!("{hint}. To watch the first of them, give <id {first}>");
                Err(TargetError::Split { text: text.to_owned(), count: tokens.len(), tokens: named, hint })
            }
        }
    }

    /// Many vocabularies have a word only with the space before it.
    fn spaced_hint(&self, text: &str) -> Result<String, TokenizerError> {
        let spaced = format!(" {text}");
        Ok(match self.named(&spaced)? {
            Some(Namesakes { best, .. }) if !text.starts_with(' ') => {
                format!("; with a space before it, {spaced:?} is one token (<id {best}>)")
            }
            _ => String::new(),
        })
    }
}

/// Several tokens may say the same.
fn note_on_others(text: &str, best: TokenId, others: &[TokenId]) -> Option<String> {
    if others.is_empty() {
        return None;
    }
    let mut ids = others.iter().take(NAMED).map(|id| format!("<id {id}>")).collect::<Vec<_>>().join(", ");
    if others.len() > NAMED {
        ids.push_str(&format!(" and {} more", others.len() - NAMED));
    }
    Some(format!("more than one token says {text:?}: the target is <id {best}>; the others are {ids}"))
}
