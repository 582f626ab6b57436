//! The runs of a sweep: cells that begin at one place share a pass.

use std::sync::Arc;

use super::{
    Watch,
    captured::Captured,
    cell::Cell,
    donor::Donor,
    error::PatchError,
    metric::Outcome,
    places::{Resolved, Start},
    request::Prompt,
    result::{PatchCheck, PatchedCell},
    tokens::{Tokens, read},
};
use crate::{
    backend::{Backend, BackendError, Forward},
    branches::Branches,
    edit::Edits,
    point::{Point, PointSet, Site},
    readout::{Question, Readout},
    token::TokenId,
};

/// The run that is changed, and all that its cells share.
pub(super) struct Sweep<'a, B: Backend> {
    pub(super) backend: &'a mut B,
    /// The tokens up to the position that is read.
    tokens: &'a [TokenId],
    total: usize,
    read: usize,
    base: Captured<B::Hidden>,
    /// The final residual that answers are compared with, `[1, d_model]`.
    reference: B::Hidden,
    question: Question,
    /// Passes so far.
    passes: usize,
}

impl<'a, B: Backend> Sweep<'a, B> {
    /// Changes the run of `prompt`, which is the last one that the backend ran.
    pub(super) fn new(
        backend: &'a mut B,
        prompt: Prompt<'a>,
        base: Captured<B::Hidden>,
        reference: B::Hidden,
        tokens: &Tokens,
    ) -> Self {
        Self {
            backend,
            tokens: &prompt.tokens[..=prompt.read],
            total: prompt.tokens.len(),
            read: prompt.read,
            base,
            reference,
            question: tokens.question(),
            passes: 0,
        }
    }

    /// What the run answers without any change.
    pub(super) fn unchanged(&self) -> Result<Outcome, PatchError> {
        self.of_last(&self.base.last)
    }

    /// What a final residual answers.
    pub(super) fn of_last(&self, last: &B::Hidden) -> Result<Outcome, PatchError> {
        let last = [self.backend.select(last, 0..1)?];
        let readouts = read(self.backend, &self.reference, &last, self.read, &self.question)?;
        let outcome = readouts.first().and_then(Outcome::of);
        Ok(outcome.ok_or_else(|| BackendError::Other("the model answers nothing".into()))?)
    }

    /// Compares the answers with the backend's plain product, and runs that change nothing with the run itself.
    pub(super) fn check(
        &mut self,
        resolved: &Resolved,
        others: &[&B::Hidden],
    ) -> Result<PatchCheck, PatchError> {
        let mut check = PatchCheck { max_abs_logit_error: 0.0, unchanged_error: 0.0, passed: true };
        for last in others.iter().copied().chain([&self.base.last]) {
            let readouts = read(self.backend, last, &[], self.read, &self.question)?;
            let Some(readout) = readouts.last() else { continue };
            let scores: Vec<_> = readout.top.iter().chain(readout.targets.iter().map(|t| &t.score)).collect();
            let ids: Vec<TokenId> = scores.iter().map(|score| score.id).collect();
            let plain = self.backend.plain_logits(last, 0, &ids)?;
            for (score, logit) in scores.iter().zip(&plain.logits) {
                check.see((score.logit - logit).abs(), plain.logit_tolerance);
            }
        }
        let starts = resolved.cells.iter().map(|cell| resolved.start(cell, self.backend.info()));
        let Some(first) = starts.min_by_key(|start| (start.layer, start.first)) else { return Ok(check) };
        let nothing = [Arc::new(Edits::default())];
        let unchanged = self.unchanged()?;
        // From the beginning, and from what the caches hold.
        for from in [first.first, self.read] {
            let start = Start { first: from, ..first };
            let again = self.pass(start, &nothing)?;
            if let Some(again) = again.first().and_then(Outcome::of) {
                check.see_unchanged(&unchanged, &again, self.backend.info().unit_roundoff);
            }
        }
        Ok(check)
    }

    /// Runs every cell.
    pub(super) fn cells(
        &mut self,
        resolved: &Resolved,
        donor: &Donor,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<PatchedCell>, PatchError> {
        let cells = &resolved.cells;
        let info = self.backend.info().clone();
        let starts: Vec<Start> = cells.iter().map(|cell| resolved.start(cell, &info)).collect();
        let mut order: Vec<usize> = (0..cells.len()).collect();
        order.sort_by_key(|i| (starts[*i].layer, starts[*i].first));
        let mut outcomes: Vec<Option<Outcome>> = vec![None; cells.len()];
        let mut done = 0;
        while done < order.len() {
            let group = done..done + self.together(&order[done..], &starts);
            let edits = |i: &usize| {
                let d_head = cells[*i].whole().0.layer().and_then(|layer| self.backend.heads(layer));
                let d_head = d_head.map(|(_, d_head)| d_head);
                Arc::new(donor.edits(&cells[*i], starts[*i].changed, &resolved.pairs, d_head))
            };
            let edits: Vec<Arc<Edits>> = order[group.clone()].iter().map(edits).collect();
            let start = starts[order[done]];
            let readouts = match self.pass(start, &edits) {
                Ok(readouts) => readouts,
                Err(error) => return Err(self.culprit(error, start, &edits, &order[group], cells)),
            };
            for (i, readout) in order[group.clone()].iter().zip(&readouts) {
                if let Some(what) = readout.not_finite() {
                    return Err(PatchError::NotFinite { what, cell: cells[*i] });
                }
                outcomes[*i] = Outcome::of(readout);
            }
            done = group.end;
            if watch(done, cells.len()).is_break() && done < cells.len() {
                return Err(PatchError::Stopped { done, total: cells.len() });
            }
        }
        let all = cells.iter().zip(outcomes);
        let missing = || PatchError::from(BackendError::Other("a run has no answer".into()));
        all.map(|(cell, outcome)| Ok(PatchedCell { cell: *cell, outcome: outcome.ok_or_else(missing)? }))
            .collect()
    }

    /// Passes so far.
    pub(super) fn passes(&self) -> usize {
        self.passes
    }

    /// How many of the next cells, at least one, are run in one pass: they begin at the same block, and their tokens fit a
    /// step that suits the backend.
    fn together(&self, next: &[usize], starts: &[Start]) -> usize {
        let Some(first) = next.first().map(|i| starts[*i]) else { return 0 };
        let rows = self.tokens.len() - first.first;
        let most = (self.backend.step_budget().longest / rows.max(1)).max(1);
        next.iter().take(most).take_while(|i| starts[**i].layer == first.layer).count()
    }

    /// The readouts of runs with these edits, none of which changes anything before `start`.
    fn pass(&mut self, start: Start, edits: &[Arc<Edits>]) -> Result<Vec<Readout>, PatchError> {
        let input = self.base.at(Point::block(start.layer, Site::ResidPre))?;
        let branches = Branches::new(self.tokens, start.layer, input, edits)
            .with_total(self.total)
            .with_from(start.first)
            .with_row(self.read);
        self.passes += 1;
        let lasts = match self.backend.forward_branches(&branches)? {
            Some(all) => {
                let one = |i: usize| self.backend.select(&all, i..i + 1);
                (0..edits.len()).map(one).collect::<Result<Vec<_>, _>>()?
            }
            None => edits.iter().map(|edits| self.whole(edits)).collect::<Result<Vec<_>, _>>()?,
        };
        let mut readouts = read(self.backend, &self.reference, &lasts, self.read, &self.question)?;
        readouts.truncate(edits.len());
        Ok(readouts)
    }

    /// The final residual of a run of the whole sequence with edits, where the backend has no branches.
    fn whole(&mut self, edits: &Arc<Edits>) -> Result<B::Hidden, BackendError> {
        let last = Point::last(self.backend.info().n_layers);
        let points: PointSet = std::iter::once(last).collect();
        let rows = [self.read];
        let own = self.backend.set_edits(Some(Arc::clone(edits)))?;
        let run = self.backend.forward(&Forward::new(self.tokens, &points, &rows).with_total(self.total));
        self.backend.set_edits(own)?;
        let captured = run?.pop();
        captured.ok_or_else(|| BackendError::Other(format!("the model did not capture {last}").into()))
    }

    /// The error of the first cell of a pass that fails by itself too.
    fn culprit(
        &mut self,
        error: PatchError,
        start: Start,
        edits: &[Arc<Edits>],
        group: &[usize],
        cells: &[Cell],
    ) -> PatchError {
        let PatchError::Backend(error) = error else { return error };
        for (i, edits) in group.iter().zip(edits) {
            if let Err(PatchError::Backend(source)) = self.pass(start, std::slice::from_ref(edits)) {
                return PatchError::Cell { cell: cells[*i], source };
            }
        }
        PatchError::Backend(error)
    }
}
