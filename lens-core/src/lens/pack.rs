//! Many short prompts in one forward pass.

use std::{ops::Range, time::Instant};

use super::{
    After, Lens, LensError, Rows,
    plan::{Plan, Scope},
    reading::Reading,
};
use crate::{
    backend::{Backend, Next, Pack, Sequence},
    steps::LONGEST_STEP,
    token::TokenId,
};

/// A prompt that is to be read, with its place among those given.
struct Asked<'t> {
    index: usize,
    tokens: &'t [TokenId],
    scope: Scope,
}

impl Asked<'_> {
    /// Its tokens that have to be run, of which some positions are read.
    fn sequence(&self) -> Sequence<'_> {
        Sequence {
            tokens: &self.tokens[..self.scope.needed()],
            total: self.tokens.len(),
            rows: &self.scope.positions,
        }
    }
}

impl<B: Backend> Lens<'_, B> {
    /// Reads every prompt as [`Lens::read`] would, but runs short ones together, in packs of up to 512 tokens whose
    /// captured activations fit the plan's budget: one pass over the weights and one readout serve a whole pack. The
    /// results come in the order of `prompts`, and each has its own self-check.
    ///
    /// No prompt sees another one. The products of a pack have more rows than those of a prompt alone, so that sums may
    /// be rounded in another order: readings agree within rounding, not bit by bit. Functions given to
    /// [`Lens::with_steps`] are not called.
    ///
    /// # Errors
    /// Each prompt has its own result, with the errors of [`Lens::read`]: if a pack fails, its prompts are run one by
    /// one.
    pub fn read_many(&mut self, prompts: &[&[TokenId]], plan: &Plan) -> Vec<Result<Reading, LensError>> {
        let each_step = self.each_step.take();
        let mut results: Vec<Option<Result<Reading, LensError>>> = prompts.iter().map(|_| None).collect();
        let mut pack: Vec<Asked<'_>> = Vec::new();
        for (index, tokens) in prompts.iter().enumerate() {
            match self.scope(tokens, plan) {
                Err(error) => results[index] = Some(Err(error)),
                Ok(scope) => {
                    let asked = Asked { index, tokens, scope };
                    if !fits(&pack, &asked) {
                        self.run_pack(&pack, plan, &mut results);
                        pack.clear();
                    }
                    pack.push(asked);
                }
            }
        }
        self.run_pack(&pack, plan, &mut results);
        self.each_step = each_step;
        // Every prompt was refused or is in a pack that was run.
        results.into_iter().map(|result| result.unwrap_or(Err(LensError::NoTokens))).collect()
    }

    /// The scope of a whole prompt, whose results may be kept.
    pub(super) fn scope(&self, tokens: &[TokenId], plan: &Plan) -> Result<Scope, LensError> {
        let scope = Scope::new(self.backend.info(), self.backend.step_budget(), tokens, plan)?;
        scope.check_results(self.backend.info(), plan, 0)?;
        Ok(scope)
    }

    /// Runs prompts together, or one by one if there is one, the backend cannot, or something in the pack fails.
    fn run_pack(
        &mut self,
        pack: &[Asked<'_>],
        plan: &Plan,
        results: &mut [Option<Result<Reading, LensError>>],
    ) {
        let together = if pack.len() > 1 { self.read_pack(pack, plan) } else { Ok(None) };
        match together {
            Ok(Some(readings)) => {
                for (asked, reading) in pack.iter().zip(readings) {
                    results[asked.index] = Some(Ok(reading));
                }
            }
            Ok(None) | Err(_) => {
                for asked in pack {
                    results[asked.index] = Some(self.read(asked.tokens, plan));
                }
            }
        }
    }

    /// Runs and reads a pack; `None` if the backend cannot run several sequences at once.
    fn read_pack(&mut self, pack: &[Asked<'_>], plan: &Plan) -> Result<Option<Vec<Reading>>, LensError> {
        let sequences: Vec<Sequence<'_>> = pack.iter().map(Asked::sequence).collect();
        let Some(Asked { scope, .. }) = pack.first() else { return Ok(None) };
        let began = Instant::now();
        let captured = self.backend.forward_pack(&Pack { sequences: &sequences, points: &scope.captured })?;
        self.spent(|timing| timing.forward += began.elapsed());
        let Some(captured) = captured else { return Ok(None) };
        let Some(last) = captured.last() else { return Ok(None) };

        // Points and layers are those of the plan, the same for all prompts.
        let positions: Vec<usize> = sequences.iter().flat_map(|sequence| sequence.rows).copied().collect();
        let next_of = |Asked { tokens, scope, .. }: &Asked<'_>| {
            let after = |position: &usize| Next::from(tokens.get(position + 1).copied());
            scope.positions.iter().map(after).collect::<Vec<_>>()
        };
        let next: Vec<Next> = pack.iter().flat_map(next_of).collect();
        let rows = Rows::new(&captured, &positions);
        let mut readouts = self.readouts(&rows, After::Known(&next), &scope.decoded, scope, plan)?;
        let mut readings = Vec::with_capacity(pack.len());
        for (asked, rows) in pack.iter().zip(rows_of(pack)) {
            let mut reading = asked.scope.empty_reading(plan);
            readouts.keep(&positions[rows.clone()], &mut reading);
            self.check_row(last, rows.end - 1, &mut reading)?;
            readings.push(reading);
        }
        Ok(Some(readings))
    }
}

/// Whether a pack can take one more prompt.
fn fits(pack: &[Asked<'_>], more: &Asked<'_>) -> bool {
    let all = || pack.iter().chain([more]);
    let tokens: usize = all().map(|asked| asked.scope.needed()).sum();
    let positions: usize = all().map(|asked| asked.scope.positions.len()).sum();
    tokens <= LONGEST_STEP && positions <= more.scope.steps.most_captured
}

/// Which rows of the captured vectors are those of each prompt.
fn rows_of<'p>(pack: &'p [Asked<'_>]) -> impl Iterator<Item = Range<usize>> + 'p {
    pack.iter().scan(0, |start, asked| {
        let rows = *start..*start + asked.scope.positions.len();
        *start = rows.end;
        Some(rows)
    })
}
