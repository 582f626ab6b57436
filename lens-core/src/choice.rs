//! A token that is chosen from the final readout that is shown.

use std::num::NonZeroUsize;

use crate::{
    backend::{BackendError, Next, ReadRequest, Readings},
    readout::{Question, TokenScore},
    statistic::StatisticSet,
    token::TokenId,
};

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

    /// What comes after the row whose most probable tokens these are, the candidates or more.
    pub fn next(&mut self, top: &[TokenScore]) -> Next {
        (self.choose)(&top[..top.len().min(self.candidates.get())]).into()
    }

    /// Makes the choice from a readout of its own, and then reads the request with it: for a readout that cannot look at
    /// its final rows before the others.
    ///
    /// # Errors
    /// As `read`.
    pub fn made_first<H>(
        &mut self,
        request: &ReadRequest<'_, H>,
        read: impl Fn(&ReadRequest<'_, H>) -> Result<Readings, BackendError>,
    ) -> Result<Readings, BackendError> {
        let ask = Question {
            top_k: self.candidates,
            statistics: StatisticSet::EMPTY,
            norm: request.ask.norm,
            ..Question::default()
        };
        let nothing = vec![Next::Nothing; request.positions.len()];
        let alone = read(&ReadRequest { hidden: &[], next: &nothing, ask: &ask, ..*request })?;
        let next: Vec<Next> = alone.finals.iter().map(|readout| self.next(&readout.top)).collect();
        read(&ReadRequest { next: &next, ..*request })
    }
}
