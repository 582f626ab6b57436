//! The readout on the host: final norm, then the fused projection.

use std::ops::Range;

use crate::{
    backend::{BackendError, Column, Next, ReadRequest, Readings},
    choice::Choice,
    nonfinite::NonFinite,
    norm::{FinalNorm, NormMode},
    point::Point,
    projection::{Job, NonFiniteLogits, Projected, Tracked, Unembedding},
    readout::{Readout, TokenScore, Tracking},
    statistic::VectorFacts,
    token::TokenId,
    tracked::tracked_tokens,
};

/// Readouts projected in one call: enough to be bound by arithmetic, few enough to stay in megabytes.
const BATCH: usize = 1024;

/// A final norm and an unembedding in host memory: the readout that every backend on the CPU uses.
#[derive(Debug, Clone, Copy)]
pub struct HostReadout<'a> {
    norm: &'a FinalNorm,
    unembedding: Unembedding<'a>,
    last: Point,
}

impl<'a> HostReadout<'a> {
    /// The readout of a model with `n_layers` blocks.
    pub fn new(norm: &'a FinalNorm, unembedding: Unembedding<'a>, n_layers: u16) -> Self {
        Self { norm, unembedding, last: Point::last(n_layers) }
    }

    /// Decodes captured vectors. `rows` copies them to the host as [`Backend::rows`](crate::Backend::rows) does: it
    /// appends some rows of one capture to the buffer as float32 and returns the number of values in a row.
    ///
    /// # Errors
    /// When `rows` fails, an activation or a logit is not finite, or a token is not in the vocabulary.
    pub fn read<H>(
        &self,
        request: &ReadRequest<'_, H>,
        rows: impl FnMut(&H, Range<usize>, &mut Vec<f32>) -> Result<usize, BackendError>,
    ) -> Result<Readings, BackendError> {
        self.read_with(request, None, rows)
    }

    /// Decodes captured vectors where what comes next is chosen from the final readout: see
    /// [`Backend::read_choosing`](crate::Backend::read_choosing).
    ///
    /// # Errors
    /// As [`HostReadout::read`].
    pub fn read_choosing<H>(
        &self,
        request: &ReadRequest<'_, H>,
        choice: Choice<'_>,
        rows: impl FnMut(&H, Range<usize>, &mut Vec<f32>) -> Result<usize, BackendError>,
    ) -> Result<Readings, BackendError> {
        self.read_with(request, Some(choice), rows)
    }

    fn read_with<H>(
        &self,
        request: &ReadRequest<'_, H>,
        mut choice: Option<Choice<'_>>,
        mut rows: impl FnMut(&H, Range<usize>, &mut Vec<f32>) -> Result<usize, BackendError>,
    ) -> Result<Readings, BackendError> {
        let mut readings = Readings::default();
        let rows_at_once = (BATCH / (request.hidden.len() + 1)).max(1);
        let mut start = 0;
        while start < request.positions.len() {
            let group = start..(start + rows_at_once).min(request.positions.len());
            self.read_group(request, choice.as_mut(), group.clone(), &mut rows, &mut readings)?;
            start = group.end;
        }
        Ok(readings)
    }

    /// Reads some rows. The final readouts go first, alone: their top-1 tokens must be known before the other
    /// readouts pass by the vocabulary, so that those can count the tokens that beat them.
    fn read_group<H>(
        &self,
        request: &ReadRequest<'_, H>,
        mut choice: Option<&mut Choice<'_>>,
        group: Range<usize>,
        rows: &mut impl FnMut(&H, Range<usize>, &mut Vec<f32>) -> Result<usize, BackendError>,
        readings: &mut Readings,
    ) -> Result<(), BackendError> {
        let (d, ask) = (self.norm.d_model(), request.ask);
        let mut finals = Vec::with_capacity(group.len() * d);
        rows(request.last, group.clone(), &mut finals)?;
        let last = Column::plain(self.last, request.last);
        if let Err(last) = self.check_finite(&finals, &last, request, &group) {
            // What is not finite travels on to the end: name the first point that has it.
            let mut captured = Vec::with_capacity(group.len() * d);
            for column in request.hidden.iter().filter(|column| column.lens.is_none()) {
                captured.clear();
                rows(column.vectors, group.clone(), &mut captured)?;
                self.check_finite(&captured, column, request, &group)?;
            }
            return Err(last);
        }
        let needs = ask.statistics.needs();
        let raw = if needs.vector { finals.clone() } else { Vec::new() };
        let final_facts: Vec<VectorFacts> = raw.chunks_exact(d).map(VectorFacts::of_final).collect();
        let scales: Vec<f64> = finals.chunks_exact(d).map(|x| self.norm.scale(x)).collect();
        for (x, scale) in finals.chunks_exact_mut(d).zip(&scales) {
            self.norm.apply(x, *scale);
        }
        let chosen = choice.is_some();
        let known = |row: usize| match request.next[row] {
            Next::Token(token) if !chosen => Some(token),
            Next::Token(_) | Next::Nothing | Next::Top1 => None,
        };
        let of_final = |row| Tracking { final_top1: None, next: known(row) };
        let final_readouts = self.project(
            &Job {
                readouts: &finals,
                top_k: ask.candidates().max(choice.as_ref().map_or(0, |choice| choice.candidates().get())),
                entropy: needs.entropy,
                variance: needs.variance,
                finals: None,
                distances: false,
                tracked: &group.clone().map(|row| of_final(row).tokens(ask)).collect::<Vec<_>>(),
            },
            |i| last.not_finite(NonFinite::Logit, request.positions[group.start + i]),
        )?;
        let first = readings.finals.len();
        let mut trackings: Vec<Tracking> = group.clone().map(of_final).collect();
        for ((mut projected, row), tracking) in
            final_readouts.into_iter().zip(group.clone()).zip(&mut trackings)
        {
            // What comes next is the top-1 or another of the most probable tokens: it is known now.
            let next = match (&mut choice, request.next[row]) {
                (Some(choice), _) => choice.make(&scores(&projected)).into(),
                (None, Next::Top1) => Next::Top1,
                (None, Next::Token(_) | Next::Nothing) => Next::Nothing,
            };
            if let Some((id, found)) = found(next, &projected) {
                tracking.next = Some(id);
                projected.tracked.push(found);
            }
            let vector = final_facts.get(row - group.start).copied();
            readings.finals.push(Readout::of(&projected, vector, ask, *tracking));
        }
        if request.hidden.is_empty() {
            return Ok(());
        }

        // The batch is position-major: a row's points, then its final readout for the divergences, unless that is among
        // them already.
        let n_points = request.hidden.len();
        let is_last = |column: &Column<'_, H>| column.point == self.last && column.lens.is_none();
        let own = request.hidden.iter().position(is_last);
        let final_column = own.filter(|_| ask.norm == NormMode::Recomputed).unwrap_or(n_points);
        let width = n_points.max(final_column + 1);
        let mut batch = vec![0.0; group.len() * width * d];
        let mut vectors = vec![None; group.len() * n_points];
        let mut captured = Vec::with_capacity(group.len() * d);
        for (column, read) in request.hidden.iter().enumerate() {
            captured.clear();
            rows(read.vectors, group.clone(), &mut captured)?;
            self.check_finite(&captured, read, request, &group)?;
            let finals = raw.chunks_exact(d).zip(&final_facts);
            for (i, (x, (last, facts))) in captured.chunks_exact(d).zip(finals).enumerate() {
                vectors[i * n_points + column] = Some(VectorFacts::of(x, last, facts));
            }
            for (i, x) in captured.chunks_exact_mut(d).enumerate() {
                match ask.norm {
                    NormMode::Recomputed => self.norm.apply(x, self.norm.scale(x)),
                    NormMode::FinalScale => self.norm.apply(x, scales[i]),
                    NormMode::None => {}
                }
                batch[(i * width + column) * d..][..d].copy_from_slice(x);
            }
        }
        for (i, x) in finals.chunks_exact(d).enumerate() {
            batch[(i * width + final_column) * d..][..d].copy_from_slice(x);
        }
        let final_of: Vec<u32> =
            (0..group.len() * width).map(|i| (i / width * width + final_column) as u32).collect();
        let tracking: Vec<Tracking> = trackings
            .into_iter()
            .zip(&readings.finals[first..])
            .map(|(tracking, last)| Tracking { final_top1: last.top1(), ..tracking })
            .collect();
        let tracked: Vec<Vec<TokenId>> = tracking
            .iter()
            .flat_map(|tracking| {
                let tokens = std::iter::repeat_n(tracking.tokens(ask), n_points);
                tokens.chain((width > n_points).then(Vec::new))
            })
            .collect();
        let projected = self.project(
            &Job {
                readouts: &batch,
                top_k: ask.candidates(),
                entropy: needs.entropy,
                variance: needs.variance,
                finals: (needs.divergence || needs.distances).then_some(&final_of),
                distances: needs.distances,
                tracked: &tracked,
            },
            |i| {
                let column = request.hidden.get(i % width).unwrap_or(&last);
                column.not_finite(NonFinite::Logit, request.positions[group.start + i / width])
            },
        )?;
        for (i, projected) in projected.into_iter().enumerate().filter(|(i, _)| i % width < n_points) {
            let (row, column) = (i / width, i % width);
            let vector = vectors[row * n_points + column];
            readings.points.push(Readout::of(&projected, vector, ask, tracking[row]));
        }
        self.track(request, readings, first, &batch, width)
    }

    /// Completes the newest readouts, those from the `first` final one on, with the tokens that their positions track;
    /// `batch` holds their normed vectors, `width` to a row, and `batch` is `[rows, width, d_model]`.
    fn track<H>(
        &self,
        request: &ReadRequest<'_, H>,
        readings: &mut Readings,
        first: usize,
        batch: &[f32],
        width: usize,
    ) -> Result<(), BackendError> {
        let (n_points, most) = (request.hidden.len(), request.ask.tracked);
        if most == 0 {
            return Ok(());
        }
        let Readings { finals, points } = readings;
        let newest = &mut points[first * n_points..];
        let of_row = |(last, readouts): (&Readout, &[Readout])| {
            tracked_tokens(last, request.hidden.iter().zip(readouts), most)
        };
        let tokens: Vec<Vec<TokenId>> =
            finals[first..].iter().zip(newest.chunks_exact(n_points)).map(of_row).collect();
        let of_column = |row: usize, column: usize| match request.hidden.get(column) {
            Some(column) if column.shown => tokens[row].clone(),
            _ => Vec::new(),
        };
        let n = tokens.len() * width;
        let asked: Vec<Vec<TokenId>> = (0..n).map(|i| of_column(i / width, i % width)).collect();
        let logits = self.unembedding.logits(batch, &asked)?;
        for (i, (tokens, logits)) in asked.iter().zip(&logits).enumerate() {
            if i % width < n_points {
                newest[i / width * n_points + i % width].track(tokens, logits);
            }
        }
        Ok(())
    }

    /// Runs the projection; `error` is what a readout with non-finite logits comes to.
    fn project(
        &self,
        job: &Job<'_>,
        error: impl Fn(usize) -> BackendError,
    ) -> Result<Vec<Projected>, BackendError> {
        let projected = self.unembedding.project(job)?;
        projected
            .into_iter()
            .enumerate()
            .map(|(i, projected)| projected.map_err(|NonFiniteLogits| error(i)))
            .collect()
    }

    fn check_finite<H>(
        &self,
        values: &[f32],
        column: &Column<'_, H>,
        request: &ReadRequest<'_, H>,
        group: &Range<usize>,
    ) -> Result<(), BackendError> {
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(i) => {
                let position = request.positions[group.start + i / self.norm.d_model()];
                Err(column.not_finite(NonFinite::Activation, position))
            }
        }
    }
}

/// The most probable tokens of a projection.
fn scores(projected: &Projected) -> Vec<TokenScore> {
    let score = |(id, logit): &(TokenId, f32)| {
        let prob = (f64::from(*logit) - projected.log_sum_exp).exp() as f32;
        TokenScore { id: *id, logit: *logit, prob }
    };
    projected.top.iter().map(score).collect()
}

/// The token that comes next, where it is one of the most probable ones of its projection and was not known before.
fn found(next: Next, projected: &Projected) -> Option<(TokenId, Tracked)> {
    let top = &projected.top;
    let (id, logit) = match next {
        Next::Nothing => return None,
        Next::Top1 => *top.first()?,
        Next::Token(token) => *top.iter().find(|(id, _)| *id == token)?,
    };
    let rank = 1 + top.partition_point(|(_, other)| *other > logit) as u32;
    Some((id, Tracked { logit, rank }))
}
