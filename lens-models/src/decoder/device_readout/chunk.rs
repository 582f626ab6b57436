//! A part of a request that is decoded at once.

use std::ops::Range;

use lens_core::{Next, ReadRequest, TokenId};
use tch::{Device, Tensor};

use super::ModelError;

/// Some rows of a request and some of its points.
pub(super) struct Chunk<'a, 'b> {
    pub(super) request: &'a ReadRequest<'b, Tensor>,
    pub(super) rows: Range<usize>,
    pub(super) points: Range<usize>,
}

impl Chunk<'_, '_> {
    /// Readouts, final ones included.
    pub(super) fn len(&self) -> usize {
        self.rows.len() * (self.points.len() + 1)
    }

    /// The captured vectors on a device, `[rows, points + 1, d_model]`, the final residual last.
    pub(super) fn vectors(&self, device: Device) -> Result<Tensor, ModelError> {
        let hidden = self.request.hidden[self.points.clone()].iter().map(|column| column.vectors);
        let all = hidden.chain([self.request.last]).map(|hidden| self.rows_of(hidden, device));
        Ok(Tensor::f_stack(&all.collect::<Result<Vec<_>, _>>()?, 1)?)
    }

    /// The chunk's rows of one capture, `[rows, d_model]`.
    pub(super) fn rows_of(&self, hidden: &Tensor, device: Device) -> Result<Tensor, ModelError> {
        let rows = hidden.f_narrow(0, self.rows.start as i64, self.rows.len() as i64)?;
        Ok(rows.f_to_device(device)?)
    }

    /// What comes after a row of the chunk; `top1` is its final readout's.
    pub(super) fn next(&self, row: usize, top1: TokenId) -> Option<TokenId> {
        match self.request.next[self.rows.start + row] {
            Next::Nothing => None,
            Next::Token(token) => Some(token),
            Next::Top1 => Some(top1),
        }
    }
}
