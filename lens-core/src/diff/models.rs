//! Two models that read one text.

use std::{ops::Range, sync::Arc};

use rayon::prelude::*;

use super::{
    compare::Compare,
    error::{CompareError, DiffError},
    gate::{Condition, ConditionError, DiffMeasure},
    pair::{Compared, PairError},
    places::{Places, begins, captured_at},
    report::{Changed, DiffReport, DiffRow},
    side::Side,
    sums::{NotFinite, Sums, check},
    tally::Place,
    vectors::Apart,
};
use crate::{
    backend::{Backend, BackendError, Forward, ModelInfo},
    edit::Edits,
    evaluate::EvaluationOptions,
    nonfinite::NonFinite,
    point::{Point, PointSet},
    selection::{ComponentSelection, Selection},
    token::TokenId,
};

/// What to compare.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DiffPlan {
    /// Which blocks.
    pub layers: Selection,
    /// Which components of each block.
    pub components: ComponentSelection,
    /// Whether the readouts of all points are compared, and not the final ones alone. Each costs both models a product
    /// with the whole vocabulary at every position, which is most of the time that a comparison takes.
    pub inner_readouts: bool,
    /// How intervals are found.
    pub options: EvaluationOptions,
    /// The difference of its own that a component has to exceed to be called changed; `None` is what the rounding of the
    /// dtypes may make ([`rounding`]).
    pub threshold: Option<f64>,
}

impl Default for DiffPlan {
    /// All blocks, every component but heads, and all readouts.
    fn default() -> Self {
        Self {
            layers: Selection::all(),
            components: ComponentSelection::all(),
            inner_readouts: true,
            options: EvaluationOptions::default(),
            threshold: None,
        }
    }
}

impl DiffPlan {
    crate::setters! {
        /// Which blocks.
        with_layers => layers: Selection,
        /// Which components of each block.
        with_components => components: ComponentSelection,
        /// Whether the readouts of all points are compared, and not the final ones alone.
        with_inner_readouts => inner_readouts: bool,
        /// How intervals are found.
        with_options => options: EvaluationOptions,
        /// The difference of its own that a component has to exceed to be called changed.
        with_threshold => threshold: Option<f64>,
    }
}

/// The relative difference that rounding may make in what one component adds, where both models give it the same inputs.
///
/// In one dtype the same weights give the same bits, up to sums of another order, which move a value by one step of the
/// dtype and by some of float32: `2u + 2⁻¹⁸`. In two, weights, inputs and every value in between are rounded to each, some
/// eight roundings in a row: `8 (u_a + u_b)`. `u` is the unit roundoff.
pub fn rounding(a: &ModelInfo, b: &ModelInfo) -> f64 {
    let [ua, ub] = [a, b].map(|info| f64::from(info.unit_roundoff));
    if a.dtype == b.dtype { 2.0 * ua + f64::exp2(-18.0) } else { 8.0 * (ua + ub) }
}

/// Two models that read one text, and what was found so far.
#[derive(Debug)]
pub struct Diff<'m, M: Compare> {
    models: [&'m mut M; 2],
    places: Places,
    plan: DiffPlan,
    sums: Sums,
    sequences: u64,
}

/// What a model captured of a sequence, step by step.
type Captured<H> = Vec<Vec<H>>;

impl<'m, M: Compare> Diff<'m, M> {
    /// Compares model `a` with model `b`.
    ///
    /// # Errors
    /// When the models have different shapes, and when a selection does not fit them.
    pub fn new(a: &'m mut M, b: &'m mut M, plan: DiffPlan) -> Result<Self, DiffError> {
        let places = Places::new([a.info(), b.info()], &plan.layers, &plan.components)?;
        let sums = Sums::new(&places, plan.options);
        Ok(Self { models: [a, b], places, plan, sums, sequences: 0 })
    }

    /// The points that are compared, in order of execution.
    pub fn points(&self) -> &[Point] {
        self.places.points.as_slice()
    }

    /// Whether the difference that begins at a point is known: not of sums.
    pub fn has_own(&self, point: Point) -> bool {
        self.places.own.contains(point) || begins(point)
    }

    /// Whether a condition will be decided by what is compared.
    ///
    /// # Errors
    /// When it is about a point that is not compared, or about a number that the point does not have.
    pub fn check(&self, condition: &Condition) -> Result<(), ConditionError> {
        let Some(point) = condition.point() else { return Ok(()) };
        let measure = condition.measure();
        let is_there = match measure {
            DiffMeasure::Own => self.has_own(point),
            _ => self.plan.inner_readouts || !measure.is_of_readouts(),
        };
        match self.places.points.contains(point) && is_there {
            true => Ok(()),
            false => Err(ConditionError::NotMeasured { written: condition.to_string() }),
        }
    }

    /// What has to be known of the comparison, as sentences.
    pub fn notes(&self) -> &[String] {
        &self.places.notes
    }

    /// Runs both models over a sequence and adds what differs, at every position. Then B is run once more with the inputs
    /// of every block, and of its MLP, replaced by A's: what its components add then differs by their own doing alone.
    ///
    /// What both models computed at the points is in memory for the whole sequence.
    ///
    /// # Errors
    /// When a model cannot be run or has a value that is not finite: the error names it.
    pub fn add(&mut self, tokens: &[TokenId]) -> Result<(), DiffError> {
        if tokens.is_empty() {
            return Ok(());
        }
        let steps = self.steps(tokens.len());
        let points = [self.places.captured_of_a(), self.places.captured.clone()];
        let a = self.run(Side::A, tokens, &steps, &points[0])?;
        let b = self.run(Side::B, tokens, &steps, &points[1])?;
        let guided = match self.places.own.is_empty() {
            true => None,
            false => Some(self.guided(tokens, &steps, &a, &points[0])?),
        };
        let mut finals = Vec::with_capacity(tokens.len());
        for (i, step) in steps.iter().enumerate() {
            let read = Step { tokens, step: step.clone(), a: (&a[i], &points[0]), b: (&b[i], &points[1]) };
            finals.extend(self.step(&read)?);
            if let Some(guided) = &guided {
                self.own(&read, &guided[i])?;
            }
            if step.end == tokens.len() {
                self.self_check(&read, finals.last().map(|[compared, _]| compared))?;
            }
        }
        self.sums.finals(&finals, self.sequences);
        self.sequences += 1;
        Ok(())
    }

    /// What was found; `None` before any sequence was added.
    pub fn report(&self) -> Option<DiffReport> {
        let EvaluationOptions { resamplings, confidence, seed, .. } = self.plan.options;
        let [a, b] = [self.models[0].info(), self.models[1].info()];
        let [positions, next_tokens] = self.sums.read();
        let rows = self.sums.rows(self.points());
        let threshold = self.plan.threshold.unwrap_or_else(|| rounding(a, b));
        let is_above = |row: &&DiffRow| row.own.is_some_and(|own| own.mean > threshold);
        let changed = rows.iter().any(|row| row.own.is_some()).then(|| Changed {
            threshold,
            above: rows.iter().filter(is_above).map(|row| row.point).collect(),
        });
        Some(DiffReport {
            sequences: self.sequences,
            positions,
            next_tokens,
            n_vocab: a.n_vocab.min(b.n_vocab),
            confidence,
            resamplings,
            seed,
            finals: self.sums.final_diff(confidence)?,
            changed,
            rows,
        })
    }

    /// Steps that suit both models.
    fn steps(&self, n: usize) -> Vec<Range<usize>> {
        let longest = self.models.iter().map(|model| model.step_budget().longest).min().unwrap_or(n).max(1);
        (0..n).step_by(longest).map(|start| start..n.min(start + longest)).collect()
    }

    fn name(&self, side: Side) -> String {
        self.models[side as usize].info().id.clone()
    }

    /// Runs a model over a sequence.
    fn run(
        &mut self,
        side: Side,
        tokens: &[TokenId],
        steps: &[Range<usize>],
        points: &PointSet,
    ) -> Result<Captured<M::Hidden>, DiffError> {
        let model = &mut *self.models[side as usize];
        run(model, tokens, steps, points).map_err(|source| DiffError::Run {
            side,
            model: self.name(side),
            source,
        })
    }

    /// Runs B on the inputs that A's blocks have.
    fn guided(
        &mut self,
        tokens: &[TokenId],
        steps: &[Range<usize>],
        a: &Captured<M::Hidden>,
        points: &PointSet,
    ) -> Result<Captured<M::Hidden>, DiffError> {
        let [from, model] = &mut self.models;
        let mut guided = || {
            let mut edits = Edits::default();
            for input in self.places.inputs.as_slice() {
                let Some(index) = points.index_of(*input) else { continue };
                let mut vectors = Vec::with_capacity(tokens.len());
                for (step, captured) in steps.iter().zip(a) {
                    let mut values = Vec::new();
                    let width = from.rows(&captured[index], 0..step.len(), &mut values)?;
                    vectors.extend(values.chunks_exact(width.max(1)).map(<[f32]>::to_vec));
                }
                edits.replace(*input, vectors);
            }
            let before = model.set_edits(Some(Arc::new(edits)))?;
            let captured = run(*model, tokens, steps, &self.places.guided);
            model.set_edits(before)?;
            captured
        };
        let guided = guided();
        guided.map_err(|source| DiffError::Guided { model: self.name(Side::B), source })
    }

    /// Compares what was captured in one step, and returns the comparisons of the final readouts, each with that of both
    /// readouts of A's last state.
    fn step(&mut self, read: &Step<'_, M::Hidden>) -> Result<Vec<[Compared; 2]>, DiffError> {
        let last = Point::last(self.models[0].info().n_layers);
        let mut finals = None;
        for (index, point) in self.places.points.as_slice().to_vec().into_iter().enumerate() {
            let [a, b] = self.hidden(read, point)?;
            let apart = self.apart(read, point, [a.get(), b.get()])?;
            // Of the last output it matters what comes next.
            let next = if point == last { read.next() } else { Vec::new() };
            let compared = match self.plan.inner_readouts {
                true => self.compared(read, point, [a.get(), b.get()], &next)?,
                false => Vec::new(),
            };
            let row = self.sums.row(index);
            let at = |i: usize| Place::new(self.sequences, read.step.start + i);
            apart.iter().enumerate().for_each(|(i, apart)| row.vectors(*apart, at(i)));
            compared.iter().enumerate().for_each(|(i, compared)| row.readouts(compared, at(i)));
            if point == last && self.plan.inner_readouts {
                finals = Some(compared);
            }
        }
        let [a, b] = self.hidden(read, last)?;
        let finals = match finals {
            Some(finals) => finals,
            None => self.compared(read, last, [a.get(), b.get()], &read.next())?,
        };
        let own = self.compared(read, last, [a.get(), a.get()], &[])?;
        Ok(finals.into_iter().zip(own).map(|(compared, own)| [compared, own]).collect())
    }

    /// Compares what B's components make of A's inputs with what A's make of them.
    fn own(&mut self, read: &Step<'_, M::Hidden>, guided: &[M::Hidden]) -> Result<(), DiffError> {
        for point in self.places.own.as_slice().to_vec() {
            let Some(index) = self.places.points.index_of(point) else { continue };
            let a = self.vectors(Side::A, read.a, point)?;
            let b = self.vectors(Side::B, (guided, &self.places.guided), point)?;
            let apart = self.apart(read, point, [a.get(), b.get()])?;
            let row = self.sums.row(index);
            for (i, apart) in apart.into_iter().enumerate() {
                row.own(apart, Place::new(self.sequences, read.step.start + i));
            }
        }
        Ok(())
    }

    /// The vectors of both models at a point.
    fn hidden<'h>(
        &self,
        read: &Step<'h, M::Hidden>,
        point: Point,
    ) -> Result<[Vectors<'h, M::Hidden>; 2], DiffError> {
        Ok([self.vectors(Side::A, read.a, point)?, self.vectors(Side::B, read.b, point)?])
    }

    /// The vectors of a model at a point: as they were captured, or those of a head, made of `z`.
    fn vectors<'h>(
        &self,
        side: Side,
        (captured, points): (&'h [M::Hidden], &PointSet),
        point: Point,
    ) -> Result<Vectors<'h, M::Hidden>, DiffError> {
        let failed = |source| DiffError::Run { side, model: self.name(side), source };
        let missed = || failed(BackendError::Other(format!("{point} was not captured").into()));
        let hidden = points.index_of(captured_at(point)).and_then(|index| captured.get(index));
        let hidden = hidden.ok_or_else(missed)?;
        let Some((layer, head)) = point.head() else { return Ok(Vectors::Captured(hidden)) };
        let heads = self.models[side as usize].split_heads(layer, hidden, &[head]).map_err(failed)?;
        heads.into_iter().next().map(Vectors::Made).ok_or_else(missed)
    }

    /// How far the vectors of every row are apart.
    fn apart(
        &self,
        read: &Step<'_, M::Hidden>,
        point: Point,
        hidden: [&M::Hidden; 2],
    ) -> Result<Vec<Apart>, DiffError> {
        let mut values = [Vec::new(), Vec::new()];
        let mut width = 1;
        for (side, (hidden, values)) in Side::BOTH.into_iter().zip(hidden.into_iter().zip(&mut values)) {
            let rows = self.models[side as usize].rows(hidden, 0..read.step.len(), values);
            width = rows.map_err(|source| DiffError::Run { side, model: self.name(side), source })?.max(1);
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                let (what, position) = (NonFinite::Activation, read.step.start + at / width);
                return Err(DiffError::NonFinite { side, model: self.name(side), what, point, position });
            }
        }
        let [a, b] = &values;
        Ok(a.par_chunks_exact(width).zip(b.par_chunks_exact(width)).map(|(a, b)| Apart::of(a, b)).collect())
    }

    /// The comparisons of the readouts of every row.
    fn compared(
        &self,
        read: &Step<'_, M::Hidden>,
        point: Point,
        [a, b]: [&M::Hidden; 2],
        next: &[Option<TokenId>],
    ) -> Result<Vec<Compared>, DiffError> {
        let [model_a, model_b] = &self.models;
        let rows = 0..read.step.len();
        let compared = model_a.compare(a, &**model_b, b, rows, next).map_err(|source| match source {
            CompareError::Pair(PairError::NonFinite { side, what, row }) => {
                let position = read.step.start + row;
                DiffError::NonFinite { side, model: self.name(side), what, point, position }
            }
            source => DiffError::Readouts { point, source },
        })?;
        for (row, compared) in compared.iter().enumerate() {
            if let Err(NotFinite(measure)) = check(compared) {
                return Err(DiffError::NotANumber { measure, point, position: read.step.start + row });
            }
        }
        Ok(compared)
    }

    /// Compares the last final readout of each model with its plain matrix product.
    fn self_check(&self, read: &Step<'_, M::Hidden>, last: Option<&Compared>) -> Result<(), DiffError> {
        let Some(compared) = last else { return Ok(()) };
        let point = Point::last(self.models[0].info().n_layers);
        let common = self.models.iter().map(|model| model.info().n_vocab).min().unwrap_or(0);
        let hidden = self.hidden(read, point)?;
        for (side, hidden) in Side::BOTH.into_iter().zip(&hidden) {
            let (i, model) = (side as usize, &self.models[side as usize]);
            let plain = model
                .plain_logits(hidden.get(), read.step.len() - 1, &[compared.top[i]])
                .map_err(|source| DiffError::Run { side, model: self.name(side), source })?;
            let off = plain.logits.first().map_or(f32::INFINITY, |z| (z - compared.top_logit[i]).abs());
            // The sum of a part of the vocabulary is another one.
            let whole = model.info().n_vocab == common;
            let sum_off =
                if whole { (plain.log_sum_exp - compared.log_sum_exp[i]).abs() as f32 } else { 0.0 };
            if !(off <= plain.logit_tolerance && sum_off <= plain.log_sum_exp_tolerance) {
                return Err(DiffError::SelfCheck { side, model: self.name(side) });
            }
        }
        Ok(())
    }
}

/// One step of a sequence, as both models captured it.
struct Step<'h, H> {
    /// The whole sequence.
    tokens: &'h [TokenId],
    step: Range<usize>,
    /// What was captured, and at which points.
    a: (&'h [H], &'h PointSet),
    b: (&'h [H], &'h PointSet),
}

impl<H> Step<'_, H> {
    /// What comes after every row.
    fn next(&self) -> Vec<Option<TokenId>> {
        self.step.clone().map(|position| self.tokens.get(position + 1).copied()).collect()
    }
}

/// Vectors that were captured, or made of what was.
enum Vectors<'h, H> {
    Captured(&'h H),
    Made(H),
}

impl<H> Vectors<'_, H> {
    fn get(&self) -> &H {
        match self {
            Self::Captured(hidden) => hidden,
            Self::Made(hidden) => hidden,
        }
    }
}

/// Runs a model over a sequence in steps, and keeps every row.
fn run<M: Backend>(
    model: &mut M,
    tokens: &[TokenId],
    steps: &[Range<usize>],
    points: &PointSet,
) -> Result<Captured<M::Hidden>, BackendError> {
    let mut captured = Vec::with_capacity(steps.len());
    for step in steps {
        let rows: Vec<usize> = (0..step.len()).collect();
        let forward = Forward::new(&tokens[step.clone()], points, &rows)
            .with_past(step.start)
            .with_total(tokens.len())
            .with_room(tokens.len());
        captured.push(model.forward(&forward)?);
    }
    Ok(captured)
}
