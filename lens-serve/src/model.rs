//! Who answers.

use std::ops::ControlFlow;

use lens_core::{
    LensSet, Prepared, Request, Sink, TokenId,
    attribution::{AttributionRequest, AttributionTrace},
    patch::PatchTrace,
};

use crate::{about::About, failure::Failure};

/// A model that answers questions, one at a time, on one thread.
pub trait Model {
    /// What a page is told of it.
    fn about(&self) -> About;

    /// The lenses to read with, all from one forward pass.
    fn lenses(&self) -> LensSet {
        LensSet::default()
    }

    /// Turns a request into tokens and a plan.
    ///
    /// # Errors
    /// When it cannot be run, in words for the page.
    fn prepare(&mut self, request: &Request) -> Result<Prepared, Failure>;

    /// Runs what was prepared, and hands what is read to `sink` as it comes; ends soon after the sink asks for that.
    ///
    /// # Errors
    /// When the run fails.
    fn run(&mut self, prepared: &Prepared, sink: &mut dyn Sink) -> Result<(), Failure>;

    /// Takes a logit of what was prepared apart.
    ///
    /// # Errors
    /// When it cannot be taken apart.
    fn attribute(
        &mut self,
        prepared: &Prepared,
        ask: &AttributionRequest,
    ) -> Result<AttributionTrace, Failure>;

    /// Puts activations of `clean` into the run of `corrupted`, place by place; `go_on` is asked between places.
    ///
    /// # Errors
    /// When the prompts cannot be laid over one another, or the run fails.
    fn patch(
        &mut self,
        clean: &[TokenId],
        corrupted: &[TokenId],
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<PatchTrace, Failure>;
}
