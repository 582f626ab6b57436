//! Tokens that are followed from point to point.

use std::ops::Range;

use lens_core::{BackendError, Column, ReadRequest, Readings, Readout, TokenId, tracked_tokens};
use rayon::{
    iter::{IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _},
    slice::ParallelSlice as _,
};
use tch::{Kind, Tensor};

use super::{Chunk, DeviceReadout, Logits, ModelError, numbers};

impl DeviceReadout {
    /// Completes readings that were made without the tokens that their positions track.
    pub(in crate::decoder) fn track(
        &self,
        request: &ReadRequest<'_, Tensor>,
        readings: &mut Readings,
    ) -> Result<(), BackendError> {
        let _guard = tch::no_grad_guard();
        let (n_rows, n_points) = (request.positions.len(), request.hidden.len());
        if request.ask.tracked == 0 || n_points == 0 {
            return Ok(());
        }
        let (rows_at_once, points_at_once) = self.at_once(request);
        let mut points = std::mem::take(&mut readings.points).into_iter();
        for start in (0..n_rows).step_by(rows_at_once) {
            let rows = start..(start + rows_at_once).min(n_rows);
            let mut by_row: Vec<Vec<Readout>> =
                rows.clone().map(|_| points.by_ref().take(n_points).collect()).collect();
            let finals = &readings.finals[rows.clone()];
            self.track_rows(request, rows, points_at_once, finals, &mut by_row, None)
                .map_err(|error| error.of_memory(|| "the logits of tracked tokens".to_owned()))?;
            readings.points.extend(by_row.into_iter().flatten());
        }
        Ok(())
    }

    /// Completes the readouts of some rows with the tokens that their positions track; `finals` are the rows' own, `logits`
    /// those of all their points, if they are still there.
    pub(super) fn track_rows<'a>(
        &self,
        request: &ReadRequest<'a, Tensor>,
        rows: Range<usize>,
        points_at_once: usize,
        finals: &[Readout],
        by_row: &mut [Vec<Readout>],
        logits: Option<&Logits>,
    ) -> Result<(), ModelError> {
        let n_points = request.hidden.len();
        // Tensors cannot be seen from several threads.
        let without = |column: &Column<'a, Tensor>| {
            let mut without = Column::plain(column.point, &());
            (without.lens, without.shown) = (column.lens, column.shown);
            without
        };
        let columns: Vec<Column<'a, ()>> = request.hidden.iter().map(without).collect();
        let most_tracked = request.ask.tracked;
        let of_row = |(last, readouts): (&Readout, &Vec<Readout>)| {
            tracked_tokens(last, columns.iter().zip(readouts), most_tracked)
        };
        let tokens: Vec<Vec<TokenId>> = finals.par_iter().zip(&*by_row).map(of_row).collect();
        let most = tokens.iter().map(Vec::len).max().unwrap_or(0);
        let ids = padded(&tokens, most)?.f_to_device(self.product.device())?;
        for start in (0..n_points).step_by(points_at_once) {
            let points = start..(start + points_at_once).min(n_points);
            // [rows, points + 1, tokens]
            let picked = match logits {
                Some(logits) => self.picked(logits, &ids)?,
                None => {
                    let chunk = Chunk { request, rows: rows.clone(), points: points.clone() };
                    let x = chunk.vectors(self.product.device())?;
                    self.product.logits_of(&x, request.ask.norm, &ids)?
                }
            };
            let picked: Vec<f32> = numbers(&picked, Kind::Float)?;
            // Of each row [points + 1, tokens]; the final residual is the last.
            let of_rows = picked.par_chunks_exact((points.len() + 1) * most.max(1));
            tokens.par_iter().zip(&mut *by_row).zip(of_rows).for_each(|((tokens, readouts), logits)| {
                let columns = columns[points.clone()].iter().zip(&mut readouts[points.clone()]);
                for ((column, readout), logits) in columns.zip(logits.chunks_exact(most.max(1))) {
                    if column.shown {
                        readout.track(tokens, logits);
                    }
                }
            });
        }
        Ok(())
    }

    /// Logits of the rows' tokens out of those of all tokens, `[rows, points + 1, tokens]`.
    fn picked(&self, logits: &Logits, ids: &Tensor) -> Result<Tensor, ModelError> {
        match logits {
            Logits::Products(products) => self.product.picked(products, ids),
            Logits::Finished(logits) => pick(logits, ids),
        }
    }
}

/// The values of `[rows, points + 1, n_vocab]` at ids `[rows, tokens]`.
pub(super) fn pick(values: &Tensor, ids: &Tensor) -> Result<Tensor, ModelError> {
    let (rows, width, tokens) = (ids.size()[0], values.size()[1], ids.size()[1]);
    let each = ids.f_unsqueeze(1)?.f_expand([rows, width, tokens], false)?;
    Ok(values.f_gather(2, &each, false)?)
}

/// The ids of the rows' tokens, `[rows, most]`. Rows with fewer tokens are filled up with any token, whose logits nobody
/// takes.
fn padded(tokens: &[Vec<TokenId>], most: usize) -> Result<Tensor, ModelError> {
    let padded = tokens.iter().flat_map(|tokens| {
        let ids = tokens.iter().map(|token| i64::from(token.0));
        ids.chain(std::iter::repeat(0)).take(most).collect::<Vec<i64>>()
    });
    let ids = Tensor::f_from_slice(&padded.collect::<Vec<_>>())?;
    Ok(ids.f_view([tokens.len() as i64, most as i64])?)
}
