//! A prompt that is run once, with what is kept of it.

use super::{
    error::{PatchError, not_captured},
    request::Prompt,
};
use crate::{
    backend::{Backend, BackendError, Forward},
    point::{Point, PointSet, Site},
    token::TokenId,
};

/// Bytes that the kept activations of one prompt may take.
const MOST_BYTES: usize = 4 << 30;

/// Activations of one run.
pub(super) struct Captured<H> {
    points: PointSet,
    /// The positions that are kept, ascending.
    rows: Vec<usize>,
    hidden: Vec<H>,
    /// The final residual at the position that is read, `[1, d_model]`.
    pub(super) last: H,
}

impl<H> Captured<H> {
    /// Runs a prompt in one step, and keeps `points` at `rows`. Its keys and values are kept where `continues` says so.
    pub(super) fn run<B: Backend<Hidden = H>>(
        backend: &mut B,
        prompt: Prompt<'_>,
        points: &PointSet,
        rows: impl IntoIterator<Item = usize>,
        continues: bool,
    ) -> Result<Self, PatchError> {
        check_tokens(backend, prompt.tokens)?;
        let last = Point::last(backend.info().n_layers);
        let points: PointSet = points.as_slice().iter().copied().chain([last]).collect();
        let mut rows: Vec<usize> = rows.into_iter().chain([prompt.read]).collect();
        rows.sort_unstable();
        rows.dedup();
        let (length, n) = (prompt.tokens.len(), rows.last().map_or(0, |last| last + 1));
        if n > length {
            return Err(PatchError::NoPosition { position: n - 1, length });
        }
        check_size(backend, &points, rows.len())?;
        let forward = Forward::new(&prompt.tokens[..n], &points, &rows)
            .with_total(length)
            .with_room(n + usize::from(continues));
        let hidden = backend.forward(&forward)?;
        let index = rows.binary_search(&prompt.read).unwrap_or(0);
        let of_last = points.index_of(last).and_then(|i| hidden.get(i)).ok_or_else(|| not_captured(last))?;
        let last = backend.select(of_last, index..index + 1)?;
        Ok(Self { points, rows, hidden, last })
    }

    /// What was captured at a point, `[rows, width]`.
    pub(super) fn at(&self, point: Point) -> Result<&H, PatchError> {
        let index = self.points.index_of(point);
        index.and_then(|index| self.hidden.get(index)).ok_or_else(|| not_captured(point))
    }

    /// The values at a point and a position.
    pub(super) fn row<B: Backend<Hidden = H>>(
        &self,
        backend: &B,
        point: Point,
        position: usize,
    ) -> Result<Vec<f32>, PatchError> {
        let hidden = self.at(point)?;
        let index = self.rows.binary_search(&position).map_err(|_| not_captured(point))?;
        let mut values = Vec::new();
        backend.rows(hidden, index..index + 1, &mut values)?;
        Ok(values)
    }
}

/// Refuses a sequence without tokens, or with one that the model does not have.
fn check_tokens<B: Backend>(backend: &B, tokens: &[TokenId]) -> Result<(), PatchError> {
    let n_vocab = backend.info().n_vocab;
    match tokens.iter().find(|token| token.index() >= n_vocab) {
        _ if tokens.is_empty() => Err(PatchError::NoTokens),
        Some(token) => Err(BackendError::UnknownToken { token: *token, n_vocab }.into()),
        None => Ok(()),
    }
}

fn check_size<B: Backend>(backend: &B, points: &PointSet, rows: usize) -> Result<(), PatchError> {
    let width = |point: &Point| match point {
        Point::Block { layer, site: Site::Z } => {
            backend.heads(*layer).map_or(backend.info().d_model, |(n, d_head)| n * d_head)
        }
        _ => backend.info().d_model,
    };
    let values = points.as_slice().iter().map(width).fold(0, usize::saturating_add);
    // What is taken of it lies in host memory as float32.
    let bytes = values.saturating_mul(rows).saturating_mul(size_of::<f32>());
    match bytes > MOST_BYTES {
        true => Err(PatchError::TooLarge { rows, points: points.len(), bytes, most: MOST_BYTES }),
        false => Ok(()),
    }
}
