//! Sequences that a mixer runs together, as a rectangle of tokens.

use std::ops::Range;

use tch::{Device, Tensor};

use super::{ModelError, visible::Masks};
use crate::device::{OnTorch as _, Place};

/// Some sequences of a step as a rectangle `[batch, length]`. Shorter ones are padded at their ends by their own last
/// token: mixers look back only, so that no token sees the padding, and what is computed there is dropped.
pub(super) struct Part {
    /// The rows of the step that these sequences are, one sequence after the other.
    rows: Range<usize>,
    batch: i64,
    length: i64,
    /// How rows and rectangle correspond, on each device; empty where they are the same in the same order.
    layouts: Vec<Layout>,
    /// What a query of the rectangle sees.
    pub(super) masks: Masks,
}

struct Layout {
    device: Device,
    /// For each place of the rectangle, the row of the part that fills it, `[batch * length]`.
    spread: Tensor,
    /// For each row of the part, its place in the rectangle, `[rows]`.
    gather: Tensor,
}

impl Part {
    /// The `n` tokens of a step of one sequence.
    pub(super) fn one(n: usize, masks: Masks) -> Self {
        Self { rows: 0..n, batch: 1, length: n as i64, layouts: Vec::new(), masks }
    }

    /// `batch` sequences of `length` tokens each, one after the other.
    pub(super) fn equal(batch: usize, length: usize, masks: Masks) -> Self {
        let layouts = Vec::new();
        Self { rows: 0..batch * length, batch: batch as i64, length: length as i64, layouts, masks }
    }

    /// Whole sequences of these lengths, the first of which begins at row `start` of the step.
    pub(super) fn several(start: usize, lengths: &[usize], places: &[Place]) -> Result<Self, ModelError> {
        let n = lengths.iter().sum::<usize>();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut layouts: Vec<Layout> = Vec::new();
        if lengths.iter().any(|length| *length != longest) {
            let (mut spread, mut gather) = (Vec::new(), Vec::with_capacity(n));
            let mut row = 0;
            for (i, length) in lengths.iter().enumerate() {
                spread.extend((0..longest).map(|column| (row + column.min(length - 1)) as i64));
                gather.extend((0..*length).map(|column| (i * longest + column) as i64));
                row += length;
            }
            let (spread, gather) = (Tensor::f_from_slice(&spread)?, Tensor::f_from_slice(&gather)?);
            for device in places.iter().map(|place| place.device()) {
                if layouts.iter().all(|layout| layout.device != device) {
                    let (spread, gather) = (spread.f_to_device(device)?, gather.f_to_device(device)?);
                    layouts.push(Layout { device, spread, gather });
                }
            }
        }
        Ok(Self {
            rows: start..start + n,
            batch: lengths.len() as i64,
            length: longest as i64,
            layouts,
            masks: Masks::new(0, longest),
        })
    }

    /// The part's rows of a value of the step, `[pos, ..]`, as the rectangle, `[batch, length, ..]`.
    pub(super) fn spread(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let rows = x.f_narrow(0, self.rows.start as i64, self.rows.len() as i64)?;
        let filled = match self.layout(x.device()) {
            Some(layout) => rows.f_index_select(0, &layout.spread)?,
            None => rows,
        };
        let mut shape = vec![self.batch, self.length];
        shape.extend(&x.size()[1..]);
        Ok(filled.f_view(shape.as_slice())?)
    }

    /// The rows of the part, `[rows, ..]`, of a rectangle, `[batch, length, ..]`.
    pub(super) fn gather(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let flat = x.f_flatten(0, 1)?;
        Ok(match self.layout(x.device()) {
            Some(layout) => flat.f_index_select(0, &layout.gather)?,
            None => flat,
        })
    }

    fn layout(&self, device: Device) -> Option<&Layout> {
        self.layouts.iter().find(|layout| layout.device == device)
    }
}

/// What several parts computed, `[pos, ..]`, one after the other.
pub(super) fn joined(mut parts: Vec<Tensor>) -> Result<Tensor, ModelError> {
    Ok(match parts.len() {
        1 => parts.remove(0),
        _ => Tensor::f_cat(&parts, 0)?,
    })
}
