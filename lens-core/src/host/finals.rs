//! The final readouts of some rows: they go first, and the other points' readouts are compared with them.

use std::ops::Range;

use super::HostReadout;
use crate::{
    backend::{BackendError, Column, Next, ReadRequest, Readings},
    choice::Choice,
    nonfinite::NonFinite,
    projection::{Job, Projected, Tracked},
    readout::{Question, Readout, TokenScore, Tracking},
    statistic::VectorFacts,
    token::TokenId,
};

/// What the readouts of other points need of the final ones of their rows.
pub(super) struct Finals {
    /// The rows of the request.
    rows: Range<usize>,
    d_model: usize,
    /// As captured, `[rows, d_model]`; empty unless a statistic needs it.
    raw: Vec<f32>,
    /// `[rows]`, or empty as well.
    facts: Vec<VectorFacts>,
    /// What the final norm divides by.
    scales: Vec<f64>,
    /// `[rows, d_model]`
    normed: Vec<f32>,
    trackings: Vec<Tracking>,
}

/// What is known of the final readout of one row.
pub(super) struct Final<'f> {
    /// As captured, `[d_model]`, and what is known of it, where a statistic needs it.
    pub(super) vector: Option<(&'f [f32], &'f VectorFacts)>,
    /// What the final norm divides by.
    pub(super) scale: f64,
    /// `[d_model]`
    pub(super) normed: &'f [f32],
    /// What is tracked in every readout of the row.
    pub(super) tracking: Tracking,
}

impl Finals {
    /// Takes readouts that were read before, and what they track.
    fn take(&mut self, known: &[Readout], next: &[Next], readings: &mut Readings) {
        let tracking = |(readout, next): (&Readout, &Next)| {
            let final_top1 = readout.top1();
            let next = match next {
                Next::Token(token) => Some(*token),
                Next::Top1 => final_top1,
                Next::Nothing => None,
            };
            Tracking { final_top1, next }
        };
        self.trackings = known.iter().zip(next).map(tracking).collect();
        readings.finals.extend_from_slice(known);
    }

    /// The final readout of a row of the request.
    pub(super) fn of(&self, row: usize) -> Final<'_> {
        let (i, d) = (row - self.rows.start, self.d_model);
        let vector = |facts| (&self.raw[i * d..][..d], facts);
        Final {
            vector: self.facts.get(i).map(vector),
            scale: self.scales[i],
            normed: &self.normed[i * d..][..d],
            tracking: self.trackings[i],
        }
    }
}

impl HostReadout<'_> {
    /// Reads the final readouts of some rows.
    pub(super) fn read_finals<H>(
        &self,
        request: &ReadRequest<'_, H>,
        choice: Option<&mut Choice<'_>>,
        group: Range<usize>,
        rows: &mut impl FnMut(&H, Range<usize>, &mut Vec<f32>) -> Result<usize, BackendError>,
        readings: &mut Readings,
    ) -> Result<Finals, BackendError> {
        let d = self.norm.d_model();
        let last = Column::plain(self.last, request.last);
        let mut normed = self.captured_finals(request, &last, &group, rows)?;
        let raw = if request.ask.statistics.needs().vector { normed.clone() } else { Vec::new() };
        let facts: Vec<VectorFacts> = raw.chunks_exact(d).map(VectorFacts::of_final).collect();
        let scales: Vec<f64> = normed.chunks_exact(d).map(|x| self.norm.scale(x)).collect();
        for (x, scale) in normed.chunks_exact_mut(d).zip(&scales) {
            self.norm.apply(x, *scale);
        }
        let mut finals =
            Finals { rows: group.clone(), d_model: d, raw, facts, scales, normed, trackings: Vec::new() };
        match request.known {
            Some(known) => finals.take(&known[group.clone()], &request.next[group], readings),
            None => self.project_finals(request, choice, group, &mut finals, readings)?,
        }
        Ok(finals)
    }

    /// The final readouts of vectors that are normed.
    fn project_finals<H>(
        &self,
        request: &ReadRequest<'_, H>,
        mut choice: Option<&mut Choice<'_>>,
        group: Range<usize>,
        finals: &mut Finals,
        readings: &mut Readings,
    ) -> Result<(), BackendError> {
        let (ask, needs) = (request.ask, request.ask.statistics.needs());
        let known = |row: usize| match request.next[row] {
            Next::Token(token) if choice.is_none() => Some(token),
            Next::Token(_) | Next::Nothing | Next::Top1 => None,
        };
        finals.trackings = group.clone().map(|row| Tracking { final_top1: None, next: known(row) }).collect();
        let last = Column::plain(self.last, request.last);
        let projected = self.project(
            &Job {
                readouts: &finals.normed,
                top_k: ask.candidates().max(choice.as_ref().map_or(0, |choice| choice.candidates().get())),
                entropy: needs.entropy,
                variance: needs.variance,
                finals: None,
                distances: false,
                tracked: &finals.trackings.iter().map(|tracking| tracking.tokens(ask)).collect::<Vec<_>>(),
            },
            |i| last.not_finite(NonFinite::Logit, request.positions[group.start + i]),
        )?;
        for ((i, projected), tracking) in projected.into_iter().enumerate().zip(&mut finals.trackings) {
            let next = request.next[group.start + i];
            let facts = finals.facts.get(i);
            let readout = final_readout(projected, next, choice.as_deref_mut(), facts, ask, tracking);
            tracking.final_top1 = readout.top1();
            readings.finals.push(readout);
        }
        Ok(())
    }

    /// The final vectors of some rows, all finite: `[rows, d_model]`.
    fn captured_finals<H>(
        &self,
        request: &ReadRequest<'_, H>,
        last: &Column<'_, H>,
        group: &Range<usize>,
        rows: &mut impl FnMut(&H, Range<usize>, &mut Vec<f32>) -> Result<usize, BackendError>,
    ) -> Result<Vec<f32>, BackendError> {
        let mut finals = Vec::with_capacity(group.len() * self.norm.d_model());
        rows(request.last, group.clone(), &mut finals)?;
        if let Err(error) = self.check_finite(&finals, last, request, group) {
            // What is not finite travels on to the end: name the first point that has it.
            let mut captured = Vec::with_capacity(finals.len());
            for column in request.hidden.iter().filter(|column| column.lens.is_none()) {
                captured.clear();
                rows(column.vectors, group.clone(), &mut captured)?;
                self.check_finite(&captured, column, request, group)?;
            }
            return Err(error);
        }
        Ok(finals)
    }
}

/// The final readout of a row. What comes next is known now, where it is the top-1 or another of the most probable tokens:
/// it goes to `tracking`.
fn final_readout(
    mut projected: Projected,
    next: Next,
    choice: Option<&mut Choice<'_>>,
    facts: Option<&VectorFacts>,
    ask: &Question,
    tracking: &mut Tracking,
) -> Readout {
    let next = match (choice, next) {
        (Some(choice), _) => choice.make(&scores(&projected)).into(),
        (None, Next::Top1) => Next::Top1,
        (None, Next::Token(_) | Next::Nothing) => Next::Nothing,
    };
    if let Some((id, found)) = found(next, &projected) {
        tracking.next = Some(id);
        projected.tracked.push(found);
    }
    Readout::of(&projected, facts.copied(), ask, *tracking)
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
