//! The activations of one position that an attribution needs.

use super::error::AttributionError;
use crate::{
    backend::{Backend, BackendError, Forward},
    point::{Point, PointSet, Site},
    token::TokenId,
};

/// The activations at one position, point by point.
pub(super) struct Captured<H> {
    points: PointSet,
    hidden: Vec<H>,
}

impl<H> Captured<H> {
    /// Runs `tokens` up to `position` and keeps what is there at every point that the model has.
    pub(super) fn run<B: Backend<Hidden = H>>(
        backend: &mut B,
        tokens: &[TokenId],
        position: usize,
    ) -> Result<Self, AttributionError> {
        let info = backend.info();
        let blocks = (0..info.n_layers).flat_map(|layer| Site::ALL.map(|site| Point::block(layer, site)));
        let points: PointSet =
            std::iter::once(Point::Embed).chain(blocks).filter(|point| info.has(*point)).collect();
        let nothing = PointSet::default();
        let (mut start, longest) = (0, backend.step_budget().longest.max(1));
        // Nothing after the position reaches it; the whole length still decides about rotary tables.
        loop {
            let end = (start + longest).min(position + 1);
            let is_last = end == position + 1;
            let rows = [position.wrapping_sub(start)];
            let step = Forward {
                tokens: &tokens[start..end],
                past: start,
                total: tokens.len(),
                room: position + 1,
                through: None,
                points: if is_last { &points } else { &nothing },
                rows: if is_last { &rows } else { &[] },
            };
            let hidden = backend.forward(&step)?;
            if is_last {
                return Ok(Self { points, hidden });
            }
            start = end;
        }
    }

    /// What was captured at a point, one row.
    pub(super) fn get(&self, point: Point) -> Option<&H> {
        self.points.index_of(point).and_then(|index| self.hidden.get(index))
    }

    /// The values at a point, if the model has it.
    pub(super) fn values<B: Backend<Hidden = H>>(
        &self,
        backend: &B,
        point: Point,
    ) -> Result<Option<Vec<f32>>, BackendError> {
        let Some(hidden) = self.get(point) else { return Ok(None) };
        let mut values = Vec::new();
        backend.rows(hidden, 0..1, &mut values)?;
        Ok(Some(values))
    }
}
