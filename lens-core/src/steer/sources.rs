//! Prompts whose activations interventions use: what is needed of each, and one run of it that takes it all.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::EditError;
use crate::{
    backend::{Backend, BackendError, Forward, ModelInfo},
    point::{Point, PointSet, Site},
    token::TokenId,
};

/// All prompts that are needed, each of them once.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Source>);

/// A prompt among the [`Sources`].
#[derive(Debug, Clone, Copy)]
pub(super) struct SourceId(usize);

/// What is needed of a prompt at a point.
#[derive(Debug, Clone)]
pub(super) enum Need {
    /// The mean over all its positions.
    Mean,
    /// The rows at these positions.
    Rows(Range<usize>),
}

#[derive(Debug)]
struct Source {
    /// `None` is the prompt that is run.
    text: Option<String>,
    tokens: Vec<TokenId>,
    /// The first intervention that uses it.
    written: String,
    taken: BTreeMap<Point, Taken>,
}

/// What is taken of a prompt at a point.
#[derive(Debug, Default)]
struct Taken {
    /// Sums over all positions, in float64, if the mean is needed.
    sums: Option<Vec<f64>>,
    /// The positions that are needed.
    needed: BTreeSet<usize>,
    rows: BTreeMap<usize, Vec<f32>>,
}

impl Sources {
    /// The prompt of a text, which `encode` turns into tokens when it is met for the first time.
    pub(super) fn prompt(
        &mut self,
        text: Option<&str>,
        written: impl FnOnce() -> String,
        encode: impl FnOnce() -> Result<Vec<TokenId>, EditError>,
    ) -> Result<SourceId, EditError> {
        if let Some(known) = self.0.iter().position(|source| source.text.as_deref() == text) {
            return Ok(SourceId(known));
        }
        let (text, tokens) = (text.map(str::to_owned), encode()?);
        if tokens.is_empty() {
            let source =
                BackendError::Other("the prompt has no tokens: there is nothing to take of it".into());
            return Err(EditError::Run { written: written(), source });
        }
        self.0.push(Source { text, tokens, written: written(), taken: BTreeMap::new() });
        Ok(SourceId(self.0.len() - 1))
    }

    /// Number of tokens of a prompt.
    pub(super) fn length(&self, SourceId(source): SourceId) -> usize {
        self.0[source].tokens.len()
    }

    /// Says that something of a prompt is needed at a point.
    pub(super) fn need(&mut self, SourceId(source): SourceId, point: Point, need: Need) {
        let taken = self.0[source].taken.entry(point).or_default();
        match need {
            Need::Mean => drop(taken.sums.get_or_insert_default()),
            Need::Rows(rows) => taken.needed.extend(rows),
        }
    }

    /// Runs every prompt once, and takes what is needed of it. Captured activations take up to `budget` bytes at once,
    /// or what suits the backend.
    pub(super) fn run<B: Backend>(
        &mut self,
        backend: &mut B,
        budget: Option<usize>,
    ) -> Result<(), EditError> {
        for source in self.0.iter_mut().filter(|source| !source.taken.is_empty()) {
            source
                .run(backend, budget)
                .map_err(|reason| EditError::Run { written: source.written.clone(), source: reason })?;
        }
        Ok(())
    }

    /// The mean of a prompt at a point, where it was needed.
    pub(super) fn mean(&self, SourceId(source): SourceId, point: Point) -> Vec<f32> {
        let source = &self.0[source];
        let n = source.tokens.len() as f64;
        let sums = source.taken.get(&point).and_then(|taken| taken.sums.as_ref());
        sums.into_iter().flatten().map(|sum| (sum / n) as f32).collect()
    }

    /// The row of a prompt at a point and a position, where it was needed.
    pub(super) fn row(&self, SourceId(source): SourceId, point: Point, position: usize) -> Option<&[f32]> {
        self.0[source].taken.get(&point)?.rows.get(&position).map(Vec::as_slice)
    }
}

impl Source {
    /// Runs the prompt, up to the last position and the deepest point that are needed.
    fn run<B: Backend>(&mut self, backend: &mut B, budget: Option<usize>) -> Result<(), BackendError> {
        let points: PointSet = self.taken.keys().copied().collect();
        let positions = self.positions();
        let Some(n) = positions.last().map(|last| last + 1) else { return Ok(()) };
        let widths = points.as_slice().iter().map(|point| width(backend, *point));
        let bytes = widths.sum::<usize>() * backend.info().dtype.bytes();
        let nothing = PointSet::default();
        for step in backend.step_budget().steps(bytes, budget).cut(0..n, &positions) {
            let here: Vec<usize> = positions.iter().copied().filter(|p| step.contains(p)).collect();
            let rows: Vec<usize> = here.iter().map(|position| position - step.start).collect();
            let captured = backend.forward(&Forward {
                tokens: &self.tokens[step.clone()],
                past: step.start,
                total: self.tokens.len(),
                room: n,
                through: points.as_slice().last().copied(),
                points: if rows.is_empty() { &nothing } else { &points },
                rows: &rows,
            })?;
            if rows.is_empty() {
                continue;
            }
            if captured.len() != points.len() {
                return Err(not_captured(&points, backend.info()));
            }
            for (taken, hidden) in self.taken.values_mut().zip(&captured) {
                let mut values = Vec::new();
                let width = backend.rows(hidden, 0..rows.len(), &mut values)?;
                taken.take(&here, width, &values);
            }
        }
        Ok(())
    }

    /// The positions that something is needed of, ascending.
    fn positions(&self) -> Vec<usize> {
        if self.taken.values().any(|taken| taken.sums.is_some()) {
            return (0..self.tokens.len()).collect();
        }
        let needed: BTreeSet<usize> = self.taken.values().flat_map(|taken| &taken.needed).copied().collect();
        needed.into_iter().collect()
    }
}

impl Taken {
    /// Takes what is needed of the rows at some positions, `[positions, width]`.
    fn take(&mut self, positions: &[usize], width: usize, values: &[f32]) {
        for (position, row) in positions.iter().zip(values.chunks_exact(width.max(1))) {
            if let Some(sums) = &mut self.sums {
                sums.resize(width, 0.0);
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
            }
            if self.needed.contains(position) {
                self.rows.insert(*position, row.to_vec());
            }
        }
    }
}

/// Values of a row at a point.
fn width<B: Backend>(backend: &B, point: Point) -> usize {
    let heads = match point {
        Point::Block { layer, site: Site::Z } => backend.heads(layer),
        _ => None,
    };
    heads.map_or(backend.info().d_model, |(n_heads, d_head)| n_heads * d_head)
}

fn not_captured(points: &PointSet, info: &ModelInfo) -> BackendError {
    let named: Vec<String> = points.as_slice().iter().map(ToString::to_string).collect();
    BackendError::Other(
        format!(
            "the {} model was said to have {}, and did not capture all of that",
            info.family,
            named.join(", ")
        )
        .into(),
    )
}
