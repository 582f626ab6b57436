//! Hooks on the points of the residual stream.

use lens_core::{Point, PointSet};
use tch::{Kind, Tensor};

use super::ModelError;

/// Sees the value of every point while the model runs, and says what the model goes on with.
///
/// Values are `[pos, d_model]`; at `z` they are `[pos, n_heads, d_head]`. `pos` counts the tokens of one step.
pub trait Tap {
    /// A step begins, behind `past` tokens.
    fn begin(&mut self, past: usize) {
        let _ = past;
    }

    /// Returns the value that the model uses from here on: `value` itself, or another of the same shape.
    ///
    /// # Errors
    /// When the tap fails; the run ends with that error.
    fn at(&mut self, point: Point, value: Tensor) -> Result<Tensor, ModelError>;
}

/// Every function of that shape is a tap.
impl<F: FnMut(Point, Tensor) -> Result<Tensor, ModelError>> Tap for F {
    fn at(&mut self, point: Point, value: Tensor) -> Result<Tensor, ModelError> {
        self(point, value)
    }
}

/// Applies an edit, if there is one, and then records: a capture shows what the model used.
pub(super) struct Recorder<'a> {
    pub(super) edit: Option<&'a mut (dyn Tap + 'static)>,
    pub(super) points: &'a PointSet,
    /// The rows to keep; `None` keeps all of them.
    pub(super) rows: Option<Tensor>,
    pub(super) captured: Vec<Tensor>,
}

impl Tap for Recorder<'_> {
    fn begin(&mut self, past: usize) {
        if let Some(edit) = &mut self.edit {
            edit.begin(past);
        }
    }

    fn at(&mut self, point: Point, value: Tensor) -> Result<Tensor, ModelError> {
        let (shape, kind) = (value.size(), value.kind());
        let value = match &mut self.edit {
            None => value,
            Some(edit) => edit.at(point, value)?,
        };
        if value.size() != shape || value.kind() != kind {
            return Err(ModelError::TapShape { point, expected: shape, got: value.size() });
        }
        if self.points.contains(point) {
            self.captured.push(match &mut self.rows {
                None => value.shallow_clone(),
                Some(rows) => {
                    // To a device once, and not for every point: each copy waits for all that was computed before.
                    if rows.device() != value.device() {
                        *rows = rows.f_to_device(value.device())?;
                    }
                    value.f_index_select(0, rows)?
                }
            });
        }
        Ok(value)
    }
}

/// Indices of the kept rows of a step of `n` tokens, or `None` when that is all of them.
pub(super) fn kept_rows(rows: &[usize], n: usize) -> Result<Option<Tensor>, ModelError> {
    if rows.len() == n {
        return Ok(None);
    }
    let rows: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
    Ok(Some(Tensor::f_from_slice(&rows)?.f_to_kind(Kind::Int64)?))
}
