//! Hooks on the points of the residual stream.

use lens_core::{Point, PointSet};
use tch::{Kind, Tensor};

use super::{ModelError, weights::unit_roundoff};

/// Sees the value of every point while the model runs, and says what the model goes on with.
///
/// Values are `[pos, d_model]`; at `z` they are `[pos, n_heads, d_head]`. `pos` is the number of tokens in the step.
///
/// ```
/// use lens_core::Point;
/// use lens_models::{Decoder, LoadOptions, demo, tch::Tensor};
///
/// let checkpoint = demo::checkpoint()?;
/// let tokens = checkpoint.tokenizer()?.expect("the demo model has one").encode("The capital of", true)?;
/// let mut model = Decoder::load(checkpoint, &LoadOptions::default())?;
/// let mut seen: Vec<(Point, Vec<i64>)> = Vec::new();
/// let mut look = |point: Point, value: Tensor| {
///     seen.push((point, value.size()));
///     Ok(value)
/// };
/// model.run(&tokens, 0, tokens.len(), &mut look)?;
/// assert_eq!(seen[0].0, Point::Embed);
/// assert_eq!(seen[0].1[0], tokens.len() as i64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Tap {
    /// A step begins, with `past` tokens of the sequence before it.
    fn begin(&mut self, past: usize) {
        let _ = past;
    }

    /// Returns the value that the model uses from here on: `value` itself, or another of the same shape.
    ///
    /// # Errors
    /// When the tap fails; the run ends with that error.
    fn at(&mut self, point: Point, value: Tensor) -> Result<Tensor, ModelError>;
}

/// Every function from a point and its value to a value is a tap.
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
    /// Whether the embedding is moved by one rounding after its edit.
    pub(super) nudged: bool,
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
        let value = if self.nudged && point == Point::Embed { neighbours(&value)? } else { value };
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

/// Every value's neighbour in its dtype, up or down in no pattern that a sum would cancel.
fn neighbours(value: &Tensor) -> Result<Tensor, ModelError> {
    let n = value.numel() as i64;
    let index = Tensor::f_arange(n, (Kind::Int64, value.device()))?.f_view(value.size().as_slice())?;
    let up = index.f_mul_scalar(7)?.f_remainder(5)?.f_lt(2)?.f_to_kind(Kind::Float)?;
    let sign = up.f_mul_scalar(2)?.f_sub_scalar(1)?; // 1 or -1
    // Twice the unit roundoff is the distance to the next number, or to the one after it.
    let step = f64::from(2.0 * unit_roundoff(value.kind()));
    let wide = value.f_to_kind(Kind::Float)?;
    Ok(wide.f_mul(&sign.f_mul_scalar(step)?.f_add_scalar(1.0)?)?.f_to_kind(value.kind())?)
}

/// Indices of the kept rows of a step of `n` tokens, or `None` when that is all of them.
pub(super) fn kept_rows(rows: &[usize], n: usize) -> Result<Option<Tensor>, ModelError> {
    if rows.len() == n {
        return Ok(None);
    }
    let rows: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
    Ok(Some(Tensor::f_from_slice(&rows)?.f_to_kind(Kind::Int64)?))
}
