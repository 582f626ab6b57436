//! Activation patching, ablation and patchscopes: what a model answers when an activation is another one, place by
//! place.
//!
//! **Patching** runs two prompts of one form. Where the clean prompt's activation is put into the run of the corrupted one
//! (denoising), or the other way round (noising), a metric of the answer says how much of the difference between the two
//! goes through that place. **Ablation** replaces activations of one prompt by zeros, by a mean, or by those of another
//! prompt. A **patchscope** puts a state of the stream of one prompt into a prompt that makes the model say what it holds.
//!
//! Both prompts are run once. What a change cannot reach is not computed again: a run begins at the changed block, with
//! its input as it was, and at the first changed position, with the keys and values before it; runs that begin at the same
//! place share a pass ([`Backend::forward_branches`]).
//!
//! ```
//! use lens_core::{TokenId, patch::{Ask, PatchRequest, Prompt, patch}, toy::ToyBackend};
//!
//! let mut model = ToyBackend::new(3, 16, 50, 7);
//! let (clean, corrupted) = ([3, 14, 15].map(TokenId), [3, 9, 15].map(TokenId));
//! let ask = Ask::default().with_target(Some(TokenId(1))).with_versus(Some(TokenId(2)));
//! let request = PatchRequest::new(Prompt::new(&clean), Prompt::new(&corrupted)).with_ask(ask);
//! let patched = patch(&mut model, &request, &mut |_, _| std::ops::ControlFlow::Continue(()))?;
//! // What enters the first block at the position that differs makes all of the difference.
//! let cell = patched.cells.iter().find(|cell| cell.cell.to_string() == "L0.resid_pre at position 1");
//! let share = patched.share(&cell.expect("it is one of the places").outcome).unwrap_or(0.0);
//! assert!((share - 1.0).abs() < 1e-3);
//! # Ok::<(), lens_core::patch::PatchError>(())
//! ```
//!
//! [`Backend::forward_branches`]: crate::backend::Backend::forward_branches

mod align;
mod captured;
mod cell;
mod donor;
mod error;
mod metric;
mod places;
mod request;
mod result;
mod scope;
mod site;
mod sweep;
mod tokens;
mod trace;

use std::{ops::ControlFlow, sync::Arc};

pub use align::{Align, AlignError, Pairing, pairs};
pub use cell::{Cell, Pair};
pub use error::PatchError;
pub use metric::{Metric, Outcome, ParseMetricError};
pub use request::{
    Ablated, AblationRequest, Ask, Direction, ParsePerError, PatchRequest, PatchscopeRequest, Per, Places,
    Prompt, Replacement,
};
pub use result::{Experiment, PatchCheck, Patched, PatchedCell, Run};
pub use scope::patchscope;
pub use site::{ParseSiteError, PatchSite, PatchSites};
pub use trace::{
    GridColumns, PatchContext, PatchPrompt, PatchTrace, PatchedAnswer, PatchedRun, PatchedScore,
    PatchedToken, PatchingGrid, SCHEMA,
};

use crate::backend::Backend;
use captured::Captured;
use donor::Donor;
use places::Resolved;
use sweep::Sweep;
use tokens::Tokens;

/// Is told after each pass how many places are done, and of how many; it may end the sweep.
pub type Watch<'a> = dyn FnMut(usize, usize) -> ControlFlow<()> + 'a;

/// Puts activations of one prompt into the run of another, place by place. Both prompts are run once.
///
/// Edits that were set on the backend before are set aside, and set again afterwards.
///
/// # Errors
/// When a place, position or token is not there, the prompts have the same answer and no tokens to compare were named, a
/// value is not finite (the error names the place), or the backend fails.
pub fn patch<B: Backend>(
    backend: &mut B,
    request: &PatchRequest<'_>,
    watch: &mut Watch<'_>,
) -> Result<Patched, PatchError> {
    unedited(backend, |backend| {
        let (source, changed) = request.runs();
        let resolved = Resolved::new(backend, &request.places, changed, Some(source))?;
        let taken = resolved.taken();
        let source_run = Captured::run(backend, source, &taken, resolved.from(), false)?;
        let donor = Donor::rows(backend, &source_run, &taken, resolved.from())?;
        let inputs = resolved.inputs(backend.info());
        let base = Captured::run(backend, changed, &inputs, 0..=changed.read, true)?;

        let (clean, corrupted) = match request.direction {
            Direction::Denoise => (&source_run.last, &base.last),
            Direction::Noise => (&base.last, &source_run.last),
        };
        let tokens = Tokens::of_two(backend, &request.ask, [clean, corrupted])?;
        let reference = backend.select(clean, 0..1)?;
        let mut sweep = Sweep::new(backend, changed, base, reference, &tokens);
        let experiment = Experiment::Patching { direction: request.direction };
        let mut patched = Patched::new(experiment, changed, sweep.unchanged()?, &tokens);
        patched.source = Some(Run { read: source.read, outcome: sweep.of_last(&source_run.last)? });
        patched.fill(&mut sweep, resolved, &donor, &[&source_run.last], watch)?;
        Ok(patched)
    })
}

/// Replaces activations of a prompt by zeros, a mean, or those of another prompt, place by place.
///
/// # Errors
/// As [`patch`].
pub fn ablate<B: Backend>(
    backend: &mut B,
    request: &AblationRequest<'_>,
    watch: &mut Watch<'_>,
) -> Result<Patched, PatchError> {
    unedited(backend, |backend| {
        let prompt = request.prompt;
        let other = match request.with {
            Replacement::Resample(tokens) => Some(Prompt::new(tokens)),
            _ => None,
        };
        let resolved = Resolved::new(backend, &request.places, prompt, other)?;
        let taken = resolved.taken();
        // The run that is changed has to be the last one.
        let of_others = match (request.with, other) {
            (Replacement::MeanOf(prompts), _) => Some(Donor::mean_of(backend, prompts, &taken)?),
            (_, Some(other)) => {
                let run = Captured::run(backend, other, &taken, resolved.from(), false)?;
                Some(Donor::rows(backend, &run, &taken, resolved.from())?)
            }
            _ => None,
        };
        let is_own = matches!(request.with, Replacement::Mean);
        let inputs = resolved.inputs(backend.info());
        let own = taken.as_slice().iter().filter(|_| is_own);
        let points = inputs.as_slice().iter().chain(own).copied().collect();
        let base = Captured::run(backend, prompt, &points, 0..=prompt.read, true)?;
        let donor = match of_others {
            Some(donor) => donor,
            None if is_own => Donor::mean_of_run(backend, &base, &taken, prompt.read)?,
            None => Donor::Zero,
        };
        let tokens = Tokens::of_one(backend, &request.ask, &base.last)?;
        let reference = backend.select(&base.last, 0..1)?;
        let mut sweep = Sweep::new(backend, prompt, base, reference, &tokens);
        let experiment = Experiment::Ablation { with: request.with.kind() };
        let mut patched = Patched::new(experiment, prompt, sweep.unchanged()?, &tokens);
        patched.fill(&mut sweep, resolved, &donor, &[], watch)?;
        Ok(patched)
    })
}

impl Patched {
    /// Checks the runs, runs every cell, and notes what came of it.
    fn fill<B: Backend>(
        &mut self,
        sweep: &mut Sweep<'_, B>,
        resolved: Resolved,
        donor: &Donor,
        others: &[&B::Hidden],
        watch: &mut Watch<'_>,
    ) -> Result<(), PatchError> {
        self.check = sweep.check(&resolved, others)?;
        self.cells = sweep.cells(&resolved, donor, watch)?;
        self.passes = sweep.passes();
        self.notes.extend(resolved.notes);
        self.pairs = resolved.pairs;
        self.note_shares();
        Ok(())
    }
}

/// Runs `run` on the model as it is, and sets the edits again that were set before.
fn unedited<B: Backend, R>(
    backend: &mut B,
    run: impl FnOnce(&mut B) -> Result<R, PatchError>,
) -> Result<R, PatchError> {
    let own = backend.set_edits(Some(Arc::default()))?;
    let result = run(backend);
    backend.set_edits(own)?;
    result
}
