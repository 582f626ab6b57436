//! From the parts of a rendered text to those of its tokens.

use std::ops::Range;

use lens_core::{RoleTrace, TokenId};

use super::{Rendered, RoleSpan};
use crate::tokenizer::{Tokenizer, TokenizerError};

impl Rendered {
    /// The conversation's tokens, and who says which of them. The template has written every special token there is
    /// to be, so none is added.
    ///
    /// A token that reaches over the edge of a message counts to where most of its bytes are, and to the message if
    /// there are as many on both sides. The parts follow each other without gaps; a part without a token of its own
    /// does not appear.
    ///
    /// # Errors
    /// When the tokenizer fails on the text.
    pub fn encode(&self, tokenizer: &Tokenizer) -> Result<(Vec<TokenId>, Vec<RoleTrace>), TokenizerError> {
        let tokens = tokenizer.encode_with_ranges(&self.text, false)?;
        let roles = roles(&self.roles, tokens.iter().map(|(_, bytes)| bytes));
        Ok((tokens.into_iter().map(|(id, _)| id).collect(), roles))
    }
}

/// The roles of tokens that stand for `tokens`' bytes.
fn roles<'a>(spans: &[RoleSpan], tokens: impl Iterator<Item = &'a Range<usize>>) -> Vec<RoleTrace> {
    let mut roles: Vec<RoleTrace> = Vec::new();
    let mut current = None;
    for (i, bytes) in tokens.enumerate() {
        let Some(span) = span_of(spans, bytes) else { continue };
        match roles.last_mut().filter(|_| current == Some(span)) {
            Some(role) => role.end = i + 1,
            None => roles.push(RoleTrace::new(&spans[span].role, i..i + 1)),
        }
        current = Some(span);
    }
    roles
}

/// The part that has most of the bytes; of an empty range, the part that it is in.
fn span_of(spans: &[RoleSpan], bytes: &Range<usize>) -> Option<usize> {
    let first = spans.partition_point(|span| span.bytes.end <= bytes.start).min(spans.len().checked_sub(1)?);
    let common =
        |span: &RoleSpan| span.bytes.end.min(bytes.end).saturating_sub(span.bytes.start.max(bytes.start));
    let near = (first..spans.len()).take_while(|i| *i == first || spans[*i].bytes.start < bytes.end);
    near.max_by_key(|i| (common(&spans[*i]), spans[*i].message.is_some()))
}
