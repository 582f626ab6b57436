//! The gated delta rule, in chunks.
//!
//! Within a chunk the corrections of all positions depend on each other in a triangle, which is solved at once (Yang et al.
//! 2024, "Parallelizing Linear Transformers with the Delta Rule over Sequence Length"); from chunk to chunk the state goes
//! on. A chunk of one position is the rule itself. All of it is in float32, as in the reference.

use tch::{Kind, Tensor};

use crate::decoder::{ModelError, threads::matmul};

/// Positions of a chunk.
const CHUNK: i64 = 64;

/// What positions bring to the rule, in float32.
pub(super) struct Strides {
    /// Queries, `[batch, heads, pos, d_key]`.
    pub(super) q: Tensor,
    /// Keys, `[batch, heads, pos, d_key]`.
    pub(super) k: Tensor,
    /// Values, `[batch, heads, pos, d_value]`.
    pub(super) v: Tensor,
    /// How strongly the state is corrected, `[batch, heads, pos]`.
    pub(super) strength: Tensor,
    /// Logarithm of what is left of the state, `[batch, heads, pos]`.
    pub(super) decay: Tensor,
}

impl Strides {
    fn from(&self, start: i64, n: i64) -> Result<Self, ModelError> {
        let some = |x: &Tensor| x.f_narrow(2, start, n);
        Ok(Self {
            q: some(&self.q)?,
            k: some(&self.k)?,
            v: some(&self.v)?,
            strength: some(&self.strength)?,
            decay: some(&self.decay)?,
        })
    }
}

/// What the positions read, `[batch, heads, pos, d_value]`, and the state after them, `[batch, heads, d_key, d_value]`;
/// `state` is the one before them, if there were any.
pub(super) fn delta_rule(all: &Strides, state: Option<Tensor>) -> Result<(Tensor, Tensor), ModelError> {
    let (keys, values) = (all.k.size(), all.v.size());
    let mut state = match state {
        Some(state) => state,
        None => Tensor::f_zeros([keys[0], keys[1], keys[3], values[3]], (Kind::Float, all.k.device()))?,
    };
    let (n, mut start) = (keys[2], 0);
    let mut read = Vec::new();
    while start < n {
        let length = CHUNK.min(n - start);
        let chunk = all.from(start, length)?;
        let (out, after) = if length == 1 { one(&chunk, &state)? } else { several(&chunk, &state)? };
        read.push(out);
        state = after;
        start += length;
    }
    let read = if read.len() == 1 { read.remove(0) } else { Tensor::f_cat(&read, 2)? };
    Ok((read, state))
}

/// The rule at one position.
fn one(at: &Strides, state: &Tensor) -> Result<(Tensor, Tensor), ModelError> {
    let left = state.f_mul(&at.decay.f_exp()?.f_unsqueeze(-1)?)?;
    let correction = at.v.f_sub(&matmul(&at.k, &left)?)?.f_mul(&at.strength.f_unsqueeze(-1)?)?;
    let state = left.f_add(&matmul(&at.k.f_transpose(2, 3)?, &correction)?)?;
    Ok((matmul(&at.q, &state)?, state))
}

/// The rule at the positions of a chunk.
fn several(at: &Strides, state: &Tensor) -> Result<(Tensor, Tensor), ModelError> {
    let n = at.decay.size()[2];
    let total = at.decay.f_cumsum(2, Kind::Float)?; // from the state to each position
    let later = Tensor::f_ones([n, n], (Kind::Bool, total.device()))?.f_triu(1)?;
    // From position j to position i, where i is not before j: [batch, heads, i, j].
    let between = total.f_unsqueeze(3)?.f_sub(&total.f_unsqueeze(2)?)?;
    let between = between.f_masked_fill(&later, f64::NEG_INFINITY)?.f_exp()?;
    let kept = total.f_exp()?.f_unsqueeze(3)?; // [batch, heads, pos, 1]

    let strong = at.k.f_mul(&at.strength.f_unsqueeze(3)?)?;
    let system = matmul(&strong, &at.k.f_transpose(2, 3)?)?.f_mul(&between)?;
    let solve = |right: &Tensor| system.f_linalg_solve_triangular(right, false, true, true);
    let values = solve(&at.v.f_mul(&at.strength.f_unsqueeze(3)?)?)?;
    let keys = solve(&strong.f_mul(&kept)?)?;
    // What each position writes: its value, less what the state has for its key already.
    let written = values.f_sub(&matmul(&keys, state)?)?;

    let scores = matmul(&at.q, &at.k.f_transpose(2, 3)?)?.f_mul(&between)?;
    let read = matmul(&at.q.f_mul(&kept)?, state)?.f_add(&matmul(&scores, &written)?)?;

    let last = total.f_narrow(2, n - 1, 1)?; // [batch, heads, 1]
    let to_end = last.f_sub(&total)?.f_exp()?.f_unsqueeze(3)?;
    let added = matmul(&at.k.f_mul(&to_end)?.f_transpose(2, 3)?, &written)?;
    Ok((read, state.f_mul(&last.f_exp()?.f_unsqueeze(3)?)?.f_add(&added)?))
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn strides(n: i64) -> Strides {
        let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        let unit = |x: Tensor| &x / x.square().sum_dim_intlist(-1, true, Kind::Float).sqrt();
        Strides {
            q: random(&[2, 3, n, 5]),
            k: unit(random(&[2, 3, n, 5])),
            v: random(&[2, 3, n, 4]),
            strength: random(&[2, 3, n]).sigmoid() * 2.0,
            decay: -random(&[2, 3, n]).softplus(),
        }
    }

    /// The definition, in float64, a position at a time.
    fn expected(all: &Strides, state: &Tensor) -> (Tensor, Tensor) {
        let wide = |x: &Tensor| x.to_kind(Kind::Double);
        let mut state = wide(state);
        let mut read = Vec::new();
        for i in 0..all.k.size()[2] {
            let at = |x: &Tensor| wide(x).select(2, i);
            state *= at(&all.decay).exp().unsqueeze(-1).unsqueeze(-1);
            let key = at(&all.k).unsqueeze(-1);
            let known = (&state * &key).sum_dim_intlist(2, false, Kind::Double);
            let correction = (at(&all.v) - known) * at(&all.strength).unsqueeze(-1);
            state += key * correction.unsqueeze(2);
            read.push((&state * at(&all.q).unsqueeze(-1)).sum_dim_intlist(2, false, Kind::Double));
        }
        (Tensor::stack(&read, 2), state)
    }

    fn assert_close(one: &Tensor, other: &Tensor, what: &str) {
        assert_eq!(one.size(), other.size());
        let off = (one.to_kind(Kind::Double) - other).abs().max().double_value(&[]);
        assert!(off < 2e-5, "{what}: off by {off}");
    }

    #[test]
    fn chunks_and_single_positions_follow_the_definition() {
        tch::manual_seed(11);
        for n in [1, 2, 7, 64, 65, 150] {
            let all = strides(n);
            let before = Tensor::randn([2, 3, 5, 4], (Kind::Float, Device::Cpu));
            for state in [None, Some(before)] {
                let zeros = Tensor::zeros([2, 3, 5, 4], (Kind::Float, Device::Cpu));
                let (read, after) = expected(&all, state.as_ref().unwrap_or(&zeros));
                let given = |state: &Option<Tensor>| state.as_ref().map(Tensor::shallow_clone);
                let (got, kept) = delta_rule(&all, given(&state)).unwrap();
                assert_close(&got, &read, "in chunks");
                assert_close(&kept, &after, "the state after chunks");
                let (mut single, mut kept) = (Vec::new(), given(&state));
                for i in 0..n {
                    let (one, state) = delta_rule(&all.from(i, 1).unwrap(), kept.take()).unwrap();
                    single.push(one);
                    kept = Some(state);
                }
                assert_close(&Tensor::cat(&single, 2), &read, "one by one");
                assert_close(&kept.unwrap(), &after, "the state after single positions");
            }
        }
    }

    /// What is nearly forgotten at once must not overflow on the way.
    #[test]
    fn strong_decays_stay_finite() {
        let mut all = strides(100);
        all.decay *= 60.0;
        let (read, state) = delta_rule(&all, None).unwrap();
        for value in [read, state] {
            assert!(value.isfinite().all().int64_value(&[]) != 0);
        }
    }
}
