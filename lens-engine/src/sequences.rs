//! A text cut into sequences of one length.

use std::num::NonZeroU64;

use anyhow::Result;
use lens_core::TokenId;

use crate::text::Text;

/// A text in sequences of one length; the last one is shorter.
pub(crate) struct Sequences<'a> {
    text: Text<'a>,
    context: usize,
    waiting: Vec<TokenId>,
    /// How many are still wanted.
    left: Option<u64>,
}

impl<'a> Sequences<'a> {
    /// Sequences of `context` tokens, no more than `most` of them.
    pub(crate) fn new(text: Text<'a>, context: usize, most: Option<NonZeroU64>) -> Self {
        Self { text, context, waiting: Vec::new(), left: most.map(u64::from) }
    }

    /// The next sequence of at least two tokens; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<TokenId>>> {
        if self.left == Some(0) {
            return Ok(None);
        }
        while self.waiting.len() < self.context {
            let Some(document) = self.text.next()? else { break };
            self.waiting.extend(document);
        }
        let n = self.waiting.len().min(self.context);
        let rest = self.waiting.split_off(n);
        let sequence = std::mem::replace(&mut self.waiting, rest);
        if sequence.len() < 2 {
            self.text.end();
            return Ok(None);
        }
        self.left = self.left.map(|left| left - 1);
        Ok(Some(sequence))
    }
}
