//! The readout on the host: final norm, then the fused projection.

mod finals;
mod points;

use std::ops::Range;

use crate::{
    backend::{BackendError, Column, ReadRequest, Readings},
    choice::Choice,
    nonfinite::NonFinite,
    norm::FinalNorm,
    point::Point,
    projection::{Job, NonFiniteLogits, Projected, Unembedding},
};

/// Readouts projected in one call, at least and at most. What a call sets up, above all the room for the logits of a second
/// pass, costs as much as hundreds of readouts; beyond some thousands nothing is gained.
const BATCH: Range<usize> = 1024..8192;
/// Between the two, values of the normed vectors of one call, `readouts * d_model`: 32 MiB.
const BATCH_VALUES: usize = 8 << 20;

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

    /// The final readouts go first, alone: their top-1 tokens must be known before the other readouts pass by the
    /// vocabulary, so that those can count the tokens that beat them. Each such pass reads all weights for few products,
    /// so there are as few of them as can be.
    fn read_with<H>(
        &self,
        request: &ReadRequest<'_, H>,
        mut choice: Option<Choice<'_>>,
        mut rows: impl FnMut(&H, Range<usize>, &mut Vec<f32>) -> Result<usize, BackendError>,
    ) -> Result<Readings, BackendError> {
        let mut readings = Readings::default();
        let rows_at_once = self.rows_at_once(request);
        for some in pieces(0..request.positions.len(), BATCH.start) {
            let finals =
                self.read_finals(request, choice.as_mut(), some.clone(), &mut rows, &mut readings)?;
            if request.hidden.is_empty() {
                continue;
            }
            for group in pieces(some, rows_at_once) {
                self.read_points(request, &finals, group, &mut rows, &mut readings)?;
            }
        }
        Ok(readings)
    }

    /// Completes readings that were made without the tokens that their positions track: see
    /// [`Backend::track`](crate::Backend::track).
    ///
    /// # Errors
    /// As [`HostReadout::read`].
    pub fn track<H>(
        &self,
        request: &ReadRequest<'_, H>,
        readings: &mut Readings,
        mut rows: impl FnMut(&H, Range<usize>, &mut Vec<f32>) -> Result<usize, BackendError>,
    ) -> Result<(), BackendError> {
        if request.ask.tracked == 0 || request.hidden.is_empty() {
            return Ok(());
        }
        let known = readings.finals.clone();
        let request = ReadRequest { known: Some(&known), ..*request };
        for group in pieces(0..request.positions.len(), self.rows_at_once(&request)) {
            let finals =
                self.read_finals(&request, None, group.clone(), &mut rows, &mut Readings::default())?;
            let batch = self.batch(&request, &finals, &group, &mut rows)?;
            self.track_rows(&request, readings, &group, &batch)?;
        }
        Ok(())
    }

    /// Rows whose readouts are projected in one call.
    fn rows_at_once<H>(&self, request: &ReadRequest<'_, H>) -> usize {
        let batch = (BATCH_VALUES / self.norm.d_model().max(1)).clamp(BATCH.start, BATCH.end);
        (batch / (request.hidden.len() + 1)).max(1)
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

/// Rows in as few pieces of at most `most` as can be, none much shorter than another.
fn pieces(rows: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let n = rows.len().div_ceil(most);
    (0..n).map(move |i| rows.start + rows.len() * i / n..rows.start + rows.len() * (i + 1) / n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_even_and_leave_nothing_out() {
        let cut = |rows, most| pieces(rows, most).collect::<Vec<_>>();
        assert_eq!(cut(0..16, 7), [0..5, 5..10, 10..16]);
        assert_eq!(cut(3..7, 4), vec![3..7; 1]);
        assert_eq!(cut(3..3, 4), []);
        assert_eq!(cut(0..3, 1), [0..1, 1..2, 2..3]);
    }
}
