//! The pipeline: tokens in, readouts of every chosen point and position out.

mod columns;
mod error;
mod generate;
mod heads;
mod layers;
mod pack;
mod plan;
mod reading;
mod runs;
mod sampling;

use std::{
    cell::Cell,
    ops::{ControlFlow, Range},
    time::{Duration, Instant},
};

use crate::{
    backend::{Backend, BackendError, Column, Forward, Next, ReadRequest, Readings},
    choice::Choice,
    decision::decided_at,
    nonfinite::NonFinite,
    point::{Component, Point, PointSet, Site},
    readout::Readout,
    token::TokenId,
};

use columns::Place;
pub use error::LensError;
pub use generate::{Continuation, Generate, Generated, SampledStep, StepReading};
pub use layers::LayersRead;
use layers::Watched;
pub use plan::Plan;
use plan::Scope;
pub use reading::{FinalReading, Reading, SelfCheck};
pub use sampling::{Sampling, SamplingError};

/// How far the run of a prompt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Tokens of the prompt that were run, and read where that was asked for.
    pub done: usize,
    /// Tokens of the prompt that are to be run: all of them, or those up to the last position that is read.
    pub total: usize,
}

/// Where the time of a run went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// Time in the backend's forward passes.
    pub forward: Duration,
    /// Time spent decoding what they captured, self-checks included.
    pub readout: Duration,
}

/// Called after every step of a prompt with what was read so far; `Break` ends the run there.
type EachStep<'a> = dyn FnMut(&Reading, Progress) -> ControlFlow<()> + 'a;

/// The lens over a backend.
pub struct Lens<'a, B: Backend> {
    backend: &'a mut B,
    each_step: Option<Box<EachStep<'a>>>,
    layers: Option<Watched<'a>>,
    timing: Cell<Timing>,
}

impl<'a, B: Backend> Lens<'a, B> {
    /// A lens that looks into `backend`.
    pub fn new(backend: &'a mut B) -> Self {
        Self { backend, each_step: None, layers: None, timing: Cell::default() }
    }

    /// Where the time of everything that this lens has run so far went.
    pub fn timing(&self) -> Timing {
        self.timing.get()
    }

    /// Calls `report` after every step of a prompt. `report` takes the place of a function given to
    /// [`Lens::with_steps`].
    #[must_use]
    pub fn with_progress(self, mut report: impl FnMut(Progress) + 'a) -> Self {
        self.with_steps(move |_, progress| {
            report(progress);
            ControlFlow::Continue(())
        })
    }

    /// Calls `each` after every step of the prompt with all that was read so far. When it returns `Break`, the run ends
    /// there without an error: the positions read so far are whole, and later ones are absent.
    #[must_use]
    pub fn with_steps(mut self, each: impl FnMut(&Reading, Progress) -> ControlFlow<()> + 'a) -> Self {
        self.each_step = Some(Box::new(each));
        self
    }

    /// Runs `tokens` once and reads what `plan` asks for.
    ///
    /// The sequence is run in steps, each continuing the one before, so that captured activations stay within
    /// the plan's budget however long it is. See [`Lens::with_steps`] for ending it early. Tokens after the last position
    /// that is read are not run: no position sees a later one.
    ///
    /// # Errors
    /// When there is no token, a selection or a lens does not fit, a token is unknown, the results could take more than
    /// the plan's budget, or the backend fails.
    pub fn read(&mut self, tokens: &[TokenId], plan: &Plan) -> Result<Reading, LensError> {
        let scope = self.scope(tokens, plan)?;
        let mut reading = scope.empty_reading(plan);
        let needed = scope.needed();
        for step in scope.steps(0..needed) {
            let last = step.end;
            let read = self.read_step(tokens, step, needed, &scope, plan, &mut reading)?;
            if read.is_break() || self.report(&reading, last, needed).is_break() {
                break;
            }
        }
        Ok(reading)
    }

    /// Runs and reads one step, and checks its last final readout; breaks where nobody wanted the rest of its layers.
    fn read_step(
        &mut self,
        tokens: &[TokenId],
        step: Range<usize>,
        room: usize,
        scope: &Scope,
        plan: &Plan,
        reading: &mut Reading,
    ) -> Result<ControlFlow<()>, LensError> {
        let positions: Vec<usize> = scope.positions.iter().copied().filter(|p| step.contains(p)).collect();
        let captured = self.forward(tokens, step.clone(), room, scope, &positions)?;
        if let (Some(last), false) = (captured.last(), positions.is_empty()) {
            let next: Vec<Next> = positions.iter().map(|p| tokens.get(p + 1).copied().into()).collect();
            let rows = Rows::new(&captured, &positions);
            let Some(mut readouts) = self.by_layers(&rows, &next, scope, plan)? else {
                return Ok(ControlFlow::Break(()));
            };
            readouts.keep(&positions, reading);
            self.check_last(last, &positions, reading)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Runs one step and captures what the scope wants at `positions`, which lie in the step.
    fn forward(
        &mut self,
        tokens: &[TokenId],
        step: Range<usize>,
        room: usize,
        scope: &Scope,
        positions: &[usize],
    ) -> Result<Vec<B::Hidden>, LensError> {
        let rows: Vec<usize> = positions.iter().map(|p| p - step.start).collect();
        let nothing = PointSet::default();
        let began = Instant::now();
        let captured = self.backend.forward(&Forward {
            tokens: &tokens[step.clone()],
            past: step.start,
            total: tokens.len(),
            room,
            through: None,
            points: if rows.is_empty() { &nothing } else { &scope.captured },
            rows: &rows,
        })?;
        self.spent(|timing| timing.forward += began.elapsed());
        Ok(captured)
    }

    fn spent(&self, add: impl FnOnce(&mut Timing)) {
        let mut timing = self.timing.get();
        add(&mut timing);
        self.timing.set(timing);
    }

    /// Reads what was captured at `positions`, each followed by what `next` says.
    fn decode(
        &self,
        captured: &[B::Hidden],
        positions: &[usize],
        next: &[Next],
        scope: &Scope,
        plan: &Plan,
        reading: &mut Reading,
    ) -> Result<(), LensError> {
        let rows = Rows::new(captured, positions);
        self.readouts(&rows, After::Known(next), &scope.decoded, scope, plan)?.keep(positions, reading);
        Ok(())
    }

    /// The readouts of what was captured at some rows, each followed by what `after` says, at these `places` of those that
    /// the scope decodes.
    fn readouts(
        &self,
        rows: &Rows<'_, B::Hidden>,
        after: After<'_>,
        places: &[Place],
        scope: &Scope,
        plan: &Plan,
    ) -> Result<Readouts, LensError> {
        let Rows { captured, positions, known } = *rows;
        let Some(last) = captured.last() else { return Ok(Readouts::default()) };
        let began = Instant::now();
        let (readings, roles) = self.with_columns(captured, places, scope, plan, |columns| {
            let request =
                |next| ReadRequest { hidden: columns, last, positions, next, ask: &plan.question, known };
            let readings = match after {
                After::Known(next) => self.backend.read(&request(next)),
                After::Chosen(choice) => self.backend.read_choosing(&request(&[Next::Nothing]), choice),
            }?;
            check_numbers(&readings, positions, columns, scope.n_layers)?;
            Ok((readings, columns.iter().map(Role::of).collect()))
        })?;
        self.spent(|timing| timing.readout += began.elapsed());
        Ok(Readouts::new(roles, readings))
    }

    /// Does something with the columns that these `places` are.
    fn with_columns<R>(
        &self,
        captured: &[B::Hidden],
        places: &[Place],
        scope: &Scope,
        plan: &Plan,
        then: impl FnOnce(&[Column<'_, B::Hidden>]) -> Result<R, BackendError>,
    ) -> Result<R, LensError> {
        let heads = heads::split(self.backend, captured, &scope.captured, places)?;
        let translated = self.translate(captured, places, scope, plan)?;
        let columns: Vec<Column<'_, B::Hidden>> = places
            .iter()
            .zip(&translated)
            .filter_map(|(place, translated)| {
                let as_captured = || Some(&captured[scope.captured.index_of(place.point)?]);
                Some(Column {
                    point: place.point,
                    lens: translated.is_some().then(|| plan.lenses.name(place.lens)),
                    vectors: translated.as_ref().or_else(|| heads.get(&place.point)).or_else(as_captured)?,
                    shown: scope.wanted.binary_search(place).is_ok(),
                })
            })
            .collect();
        Ok(then(&columns)?)
    }

    /// What the lenses make of the captured vectors, place by place; `None` where the plain lens reads.
    fn translate(
        &self,
        captured: &[B::Hidden],
        places: &[Place],
        scope: &Scope,
        plan: &Plan,
    ) -> Result<Vec<Option<B::Hidden>>, BackendError> {
        let of = |place: &Place| {
            let map = plan.lenses.map(place.lens, place.point)?;
            let index = scope.captured.index_of(place.point)?;
            Some(self.backend.translate(&captured[index], map))
        };
        places.iter().map(|place| of(place).transpose()).collect()
    }

    fn report(&mut self, reading: &Reading, done: usize, total: usize) -> ControlFlow<()> {
        match &mut self.each_step {
            Some(each) => each(reading, Progress { done, total }),
            None => ControlFlow::Continue(()),
        }
    }

    /// Checks the newest final readout, that of the last of `positions`, and keeps the worst check of a run.
    fn check_last(
        &self,
        last: &B::Hidden,
        positions: &[usize],
        reading: &mut Reading,
    ) -> Result<(), LensError> {
        match positions.len() {
            0 => Ok(()),
            n => self.check_row(last, n - 1, reading),
        }
    }

    /// Checks the newest final readout of a reading, which was made of this row of `last`.
    fn check_row(&self, last: &B::Hidden, row: usize, reading: &mut Reading) -> Result<(), LensError> {
        if let Some(read) = reading.finals.last() {
            let began = Instant::now();
            let check = self.self_check(last, row, read.position, &read.readout)?;
            self.spent(|timing| timing.readout += began.elapsed());
            reading.keep_worse(check);
        }
        Ok(())
    }

    /// Compares a final readout with the backend's plain product of the same row.
    fn self_check(
        &self,
        last: &B::Hidden,
        row: usize,
        position: usize,
        readout: &Readout,
    ) -> Result<SelfCheck, BackendError> {
        let scores: Vec<_> = readout.top.iter().chain(readout.targets.iter().map(|t| &t.score)).collect();
        let ids: Vec<TokenId> = scores.iter().map(|score| score.id).collect();
        let plain = self.backend.plain_logits(last, row, &ids)?;
        let errors = scores.iter().zip(&plain.logits).map(|(score, plain)| (score.logit - plain).abs());
        // Not `f32::max`, which takes any number over a NaN.
        let max_abs_logit_error =
            errors.fold(0.0, |max: f32, error| if error > max || error.is_nan() { error } else { max });
        let log_sum_exp_error = (readout.log_sum_exp - plain.log_sum_exp).abs() as f32;
        if !max_abs_logit_error.is_finite() || !log_sum_exp_error.is_finite() {
            // The readout is finite, as every one is: it is the plain product that is not.
            let point = Point::last(self.backend.info().n_layers);
            return Err(BackendError::NonFinite { what: NonFinite::Logit, point, position });
        }
        Ok(SelfCheck {
            position,
            max_abs_logit_error,
            log_sum_exp_error,
            passed: max_abs_logit_error <= plain.logit_tolerance
                && log_sum_exp_error <= plain.log_sum_exp_tolerance,
        })
    }
}

/// Rows that are to be read.
struct Rows<'r, H> {
    /// What was captured of them, in the order of the scope's points.
    captured: &'r [H],
    /// Their positions, `[rows]`.
    positions: &'r [usize],
    /// Their final readouts, `[rows]`, where those are there already.
    known: Option<&'r [Readout]>,
}

impl<'r, H> Rows<'r, H> {
    fn new(captured: &'r [H], positions: &'r [usize]) -> Self {
        Self { captured, positions, known: None }
    }
}

/// What comes after rows that are read.
enum After<'a> {
    /// This is known of each of them.
    Known(&'a [Next]),
    /// What is chosen from the final readout of the only row.
    Chosen(Choice<'a>),
}

/// What a readout is for.
#[derive(Clone, Copy)]
struct Role {
    /// It is that of a block's output, as it was captured: `decided_at` is made of these.
    is_output: bool,
    /// The reading shows it.
    is_shown: bool,
}

impl Role {
    fn of<H>(column: &Column<'_, H>) -> Self {
        Self {
            is_output: column.lens.is_none() && column.point.component() == Component::Site(Site::ResidPost),
            is_shown: column.shown,
        }
    }
}

/// Readouts of some rows that no reading has yet.
#[derive(Default)]
struct Readouts {
    /// What each readout of a row is for.
    columns: Vec<Role>,
    /// The final readout of every row.
    finals: std::vec::IntoIter<Readout>,
    /// Those of the columns, row by row.
    points: std::vec::IntoIter<Readout>,
}

impl Readouts {
    fn new(columns: Vec<Role>, readings: Readings) -> Self {
        Self { columns, finals: readings.finals.into_iter(), points: readings.points.into_iter() }
    }

    /// Gives a reading the readouts of the next rows, which were captured at these positions.
    fn keep(&mut self, positions: &[usize], reading: &mut Reading) {
        for (position, readout) in positions.iter().zip(self.finals.by_ref()) {
            let mut top1_by_layer = Vec::new();
            for (role, readout) in self.columns.iter().zip(self.points.by_ref()) {
                if role.is_output {
                    top1_by_layer.push(readout.top1());
                }
                if role.is_shown {
                    reading.readouts.push(readout);
                }
            }
            let decided_at = decided_at(&top1_by_layer, readout.top1());
            reading.positions.push(*position);
            reading.finals.push(FinalReading { position: *position, readout, decided_at });
        }
    }
}

/// Refuses readouts with a number that is not finite: no trace could hold it.
fn check_numbers<H>(
    readings: &Readings,
    positions: &[usize],
    columns: &[Column<'_, H>],
    n_layers: usize,
) -> Result<(), BackendError> {
    let last = Point::last(n_layers as u16);
    let finals = readings.finals.iter().zip(positions).map(|(readout, position)| (readout, last, *position));
    let places =
        positions.iter().flat_map(|position| columns.iter().map(move |column| (column.point, *position)));
    let inner =
        readings.points.iter().zip(places).map(|(readout, (point, position))| (readout, point, position));
    for (readout, point, position) in finals.chain(inner) {
        if let Some(statistic) = readout.not_finite() {
            return Err(BackendError::NonFiniteStatistic { statistic, point, position });
        }
    }
    Ok(())
}
