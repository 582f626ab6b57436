//! The readouts of the points of some rows, beside their final ones.

use std::ops::Range;

use super::{HostReadout, finals::Finals};
use crate::{
    backend::{BackendError, Column, ReadRequest, Readings},
    nonfinite::NonFinite,
    norm::NormMode,
    projection::Job,
    readout::{Readout, Tracking},
    statistic::VectorFacts,
    token::TokenId,
    tracked::tracked_tokens,
};

/// Normed vectors of some rows, position-major: a row's points, then its final vector for the divergences, unless that
/// is among them already.
pub(super) struct Batch {
    /// `[rows, width, d_model]`
    normed: Vec<f32>,
    width: usize,
    /// Where in a row the final vector is.
    final_column: usize,
    /// `[rows, points]`; nothing unless a statistic needs it.
    facts: Vec<Option<VectorFacts>>,
}

impl HostReadout<'_> {
    /// Reads all points of some rows, whose final readouts are there.
    pub(super) fn read_points<H>(
        &self,
        request: &ReadRequest<'_, H>,
        finals: &Finals,
        group: Range<usize>,
        rows: &mut impl FnMut(&H, Range<usize>, &mut Vec<f32>) -> Result<usize, BackendError>,
        readings: &mut Readings,
    ) -> Result<(), BackendError> {
        let (ask, n_points) = (request.ask, request.hidden.len());
        let batch = self.batch(request, finals, &group, rows)?;
        let width = batch.width;
        let final_of: Vec<u32> =
            (0..group.len() * width).map(|i| (i / width * width + batch.final_column) as u32).collect();
        let tracking: Vec<Tracking> = group.clone().map(|row| finals.of(row).tracking).collect();
        let tracked: Vec<Vec<TokenId>> = tracking
            .iter()
            .flat_map(|tracking| {
                let tokens = std::iter::repeat_n(tracking.tokens(ask), n_points);
                tokens.chain((width > n_points).then(Vec::new))
            })
            .collect();
        let (needs, last) = (ask.statistics.needs(), Column::plain(self.last, request.last));
        let projected = self.project(
            &Job {
                readouts: &batch.normed,
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
            let vector = batch.facts[row * n_points + column];
            readings.points.push(Readout::of(&projected, vector, ask, tracking[row]));
        }
        self.track_rows(request, readings, &group, &batch)
    }

    /// The normed vectors of some rows.
    pub(super) fn batch<H>(
        &self,
        request: &ReadRequest<'_, H>,
        finals: &Finals,
        group: &Range<usize>,
        rows: &mut impl FnMut(&H, Range<usize>, &mut Vec<f32>) -> Result<usize, BackendError>,
    ) -> Result<Batch, BackendError> {
        let (d, n_points, norm) = (self.norm.d_model(), request.hidden.len(), request.ask.norm);
        let is_last = |column: &Column<'_, H>| column.point == self.last && column.lens.is_none();
        let own = request.hidden.iter().position(is_last);
        let final_column = own.filter(|_| norm == NormMode::Recomputed).unwrap_or(n_points);
        let width = n_points.max(final_column + 1);
        let mut normed = vec![0.0; group.len() * width * d];
        let mut facts = vec![None; group.len() * n_points];
        let mut captured = Vec::with_capacity(group.len() * d);
        for (column, read) in request.hidden.iter().enumerate() {
            captured.clear();
            rows(read.vectors, group.clone(), &mut captured)?;
            self.check_finite(&captured, read, request, group)?;
            for ((i, x), row) in captured.chunks_exact_mut(d).enumerate().zip(group.clone()) {
                let last = finals.of(row);
                facts[i * n_points + column] =
                    last.vector.map(|(vector, facts)| VectorFacts::of(x, vector, facts));
                match norm {
                    NormMode::Recomputed => self.norm.apply(x, self.norm.scale(x)),
                    NormMode::FinalScale => self.norm.apply(x, last.scale),
                    NormMode::None => {}
                }
                normed[(i * width + column) * d..][..d].copy_from_slice(x);
            }
        }
        for (i, row) in group.clone().enumerate() {
            normed[(i * width + final_column) * d..][..d].copy_from_slice(finals.of(row).normed);
        }
        Ok(Batch { normed, width, final_column, facts })
    }

    /// Completes the readouts of some rows with the tokens that their positions track.
    pub(super) fn track_rows<H>(
        &self,
        request: &ReadRequest<'_, H>,
        readings: &mut Readings,
        group: &Range<usize>,
        batch: &Batch,
    ) -> Result<(), BackendError> {
        let (n_points, most, width) = (request.hidden.len(), request.ask.tracked, batch.width);
        if most == 0 {
            return Ok(());
        }
        let Readings { finals, points } = readings;
        let newest = &mut points[group.start * n_points..group.end * n_points];
        let of_row = |(last, readouts): (&Readout, &[Readout])| {
            tracked_tokens(last, request.hidden.iter().zip(readouts), most)
        };
        let tokens: Vec<Vec<TokenId>> =
            finals[group.clone()].iter().zip(newest.chunks_exact(n_points)).map(of_row).collect();
        let of_column = |row: usize, column: usize| match request.hidden.get(column) {
            Some(column) if column.shown => tokens[row].clone(),
            _ => Vec::new(),
        };
        let n = tokens.len() * width;
        let asked: Vec<Vec<TokenId>> = (0..n).map(|i| of_column(i / width, i % width)).collect();
        let logits = self.unembedding.logits(&batch.normed, &asked)?;
        for (i, (tokens, logits)) in asked.iter().zip(&logits).enumerate() {
            if i % width < n_points {
                newest[i / width * n_points + i % width].track(tokens, logits);
            }
        }
        Ok(())
    }
}
