//! What a mixer keeps of every position of a sequence, in a buffer that grows.

use tch::Tensor;

use crate::decoder::{ModelError, step::Step};

/// Vectors of the positions seen so far, `[heads, capacity, width]`.
#[derive(Debug, Default)]
pub(super) struct Kept(Option<Tensor>);

impl Kept {
    /// Appends a step's vectors, `[heads, pos, width]`, and returns those of all positions so far,
    /// `[heads, past + pos, width]`.
    pub(super) fn extend(&mut self, new: &Tensor, step: &Step) -> Result<Tensor, ModelError> {
        let (past, n) = (step.past as i64, step.n as i64);
        let length = past + n;
        let all = match self.0.take() {
            Some(all) if past > 0 && all.size()[1] >= length => all,
            old => grow(new, (step.room as i64).max(length), old.as_ref(), past)?,
        };
        all.f_narrow(1, past, n)?.f_copy_(new)?;
        let seen = all.f_narrow(1, 0, length)?;
        self.0 = Some(all);
        Ok(seen)
    }

    /// Vectors of branches, `[batch, heads, pos, width]`, after those of the `past` positions before them, which are the
    /// same for each and stay as they are.
    pub(super) fn before(&self, new: Tensor, past: usize) -> Result<Tensor, ModelError> {
        let Some(all) = self.0.as_ref().filter(|_| past > 0) else { return Ok(new) };
        let (shape, past) = (new.size(), past as i64);
        let before = all.f_narrow(1, 0, past)?.f_unsqueeze(0)?;
        let before = before.f_expand([shape[0], shape[1], past, shape[3]], false)?;
        Ok(Tensor::f_cat(&[&before, &new], 2)?)
    }
}

/// A larger buffer with what the old one held. A sequence that outgrows what was announced doubles its buffer.
fn grow(like: &Tensor, capacity: i64, old: Option<&Tensor>, past: i64) -> Result<Tensor, ModelError> {
    let shape = like.size();
    let capacity = if past > 0 { capacity.max(2 * past) } else { capacity };
    let buffer = Tensor::f_zeros([shape[0], capacity, shape[2]], (like.kind(), like.device()))?;
    if let Some(old) = old.filter(|_| past > 0) {
        buffer.f_narrow(1, 0, past)?.f_copy_(&old.f_narrow(1, 0, past)?)?;
    }
    Ok(buffer)
}
