//! Sums of vectors, for every position the same or not.

use tch::{Kind, Tensor};

use super::ModelError;

/// A vector for every position.
#[derive(Debug, Default)]
pub(super) struct Vectors {
    /// `[d]` or `[n_heads, d_head]`: a part that is the same at every position.
    pub(super) same: Option<Tensor>,
    /// `[positions, ..]` from position 0 on: a part that is not.
    pub(super) by_position: Option<Tensor>,
}

/// Which of several vectors: its position and its head, where each has one of its own.
type VectorPlace = (Option<usize>, Option<usize>);

impl Vectors {
    pub(super) fn add(&mut self, vector: Tensor) -> Result<(), ModelError> {
        self.same = Some(match self.same.take() {
            None => vector,
            Some(sum) => sum.f_add(&vector)?,
        });
        Ok(())
    }

    /// Sums of prompts of different lengths are as long as the shorter one: every chosen position is in both.
    pub(super) fn add_by_position(&mut self, rows: Tensor) -> Result<(), ModelError> {
        self.by_position = Some(match self.by_position.take() {
            None => rows,
            Some(sum) => {
                let n = sum.size()[0].min(rows.size()[0]);
                sum.f_narrow(0, 0, n)?.f_add(&rows.f_narrow(0, 0, n)?)?
            }
        });
        Ok(())
    }

    pub(super) fn are_finite(&self) -> Result<bool, ModelError> {
        for part in [&self.same, &self.by_position].into_iter().flatten() {
            if part.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The first vector of length zero: its position, if each of `positions` has one, and its head, if each of
    /// `heads` is a vector of its own.
    pub(super) fn zero(
        &self,
        positions: Option<&[usize]>,
        heads: Option<&[i64]>,
    ) -> Result<Option<VectorPlace>, ModelError> {
        let known = self.positions();
        let chosen: Option<Vec<usize>> = known.map(|known| match positions {
            None => (0..known).collect(),
            Some(positions) => positions.iter().copied().filter(|position| *position < known).collect(),
        });
        let at: Vec<i64> = chosen.iter().flatten().map(|position| *position as i64).collect();
        let all = match (self.at(&at)?, &chosen) {
            (Some(vectors), Some(_)) => vectors,
            (Some(vector), None) => vector.f_unsqueeze(0)?,
            (None, _) => return Ok(None),
        };
        let vectors = if heads.is_some() { all.f_flatten(0, 1)? } else { all.f_flatten(1, -1)? };
        let zeros = vectors.f_eq(0.0)?.f_all_dim(-1, false)?.f_to_kind(Kind::Int64)?;
        let mut flags = vec![0i64; zeros.numel()];
        zeros.f_copy_data(&mut flags, zeros.numel())?;
        let Some(first) = flags.iter().position(|flag| *flag != 0) else { return Ok(None) };
        let heads_each = heads.map_or(1, <[i64]>::len);
        let position = chosen.and_then(|chosen| chosen.get(first / heads_each).copied());
        Ok(Some((position, heads.map(|heads| heads[first % heads_each] as usize))))
    }

    /// How many positions the vectors are known for, where they differ from position to position.
    pub(super) fn positions(&self) -> Option<usize> {
        self.by_position.as_ref().map(|rows| rows.size()[0] as usize)
    }

    /// The sums: `[rows, ..]` for these positions, or `[..]` where it is the same for all; `None` without any part.
    pub(super) fn at(&self, positions: &[i64]) -> Result<Option<Tensor>, ModelError> {
        let rows = match &self.by_position {
            None => None,
            Some(rows) => Some(rows.f_index_select(0, &Tensor::f_from_slice(positions)?)?),
        };
        Ok(match (&self.same, rows) {
            (Some(vector), Some(rows)) => Some(rows.f_add(vector)?),
            (Some(vector), None) => Some(vector.shallow_clone()),
            (None, rows) => rows,
        })
    }
}

/// `x` without its part along `v`, `x - v (v·x) / |v|²` in float64, over the last dimension or over all but the first.
pub(super) fn projected(x: &Tensor, v: &Tensor, by_head: bool) -> Result<Tensor, ModelError> {
    let (wide, v) = (x.f_to_kind(Kind::Double)?, v.f_to_kind(Kind::Double)?.f_expand_as(x)?); // [rows, ..]
    let dims: Vec<i64> = if by_head { vec![-1] } else { (1..x.dim() as i64).collect() };
    let sum = |product: Tensor| product.f_sum_dim_intlist(dims.as_slice(), true, Kind::Double);
    let part = sum(wide.f_mul(&v)?)?.f_div(&sum(v.f_square()?)?)?; // [rows, 1..]
    Ok(wide.f_sub(&v.f_mul(&part)?)?.f_to_kind(Kind::Float)?)
}
