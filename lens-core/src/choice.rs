//! A token that is chosen from the final readout that is shown.

use std::num::NonZeroUsize;

use crate::{readout::TokenScore, token::TokenId};

/// How the token after the one row of a request is chosen from its final readout; see
/// [`Backend::read_choosing`](crate::Backend::read_choosing).
pub struct Choice<'a> {
    candidates: NonZeroUsize,
    choose: &'a mut dyn FnMut(&[TokenScore]) -> Option<TokenId>,
}

impl<'a> Choice<'a> {
    /// Calls `choose` once, with the `candidates` most probable tokens in the order of a readout (all of them, if that
    /// is more than there are); `None` chooses no token.
    pub fn new(
        candidates: NonZeroUsize,
        choose: &'a mut dyn FnMut(&[TokenScore]) -> Option<TokenId>,
    ) -> Self {
        Self { candidates, choose }
    }

    /// How many of the most probable tokens it is made from.
    pub fn candidates(&self) -> NonZeroUsize {
        self.candidates
    }

    /// What is chosen where these are the most probable tokens, the candidates or more.
    pub fn make(&mut self, top: &[TokenScore]) -> Option<TokenId> {
        (self.choose)(&top[..top.len().min(self.candidates.get())])
    }
}
