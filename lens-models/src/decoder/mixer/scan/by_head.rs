//! The recurrence of Mamba-2, chunk by chunk: within a chunk as attention is computed, from chunk to chunk as a state
//! (Dao and Gu 2024, section 6).

use tch::{Kind, Tensor};

use super::State;
use crate::decoder::{ModelError, threads::matmul};

/// Positions of a chunk: what it computes grows with their square, and what is done once a chunk with their number.
const CHUNK: i64 = 64;

/// The recurrence of heads whose state decays as one.
#[derive(Debug)]
pub(in crate::decoder::mixer) struct ByHead {
    n_groups: i64,
    decay: Tensor, // [n_heads], A, float32
    skip: Tensor,  // [n_heads, 1], D, float32
    state: State,  // [1, n_groups, n_heads / n_groups * d_head, d_state]
}

/// What a recurrence reads at some positions, in float32.
pub(in crate::decoder::mixer) struct Inputs {
    /// `[batch, pos, n_heads, d_head]`.
    pub(in crate::decoder::mixer) values: Tensor,
    /// `Δ`, `[batch, pos, n_heads]`.
    pub(in crate::decoder::mixer) step: Tensor,
    /// `B`, `[batch, pos, n_groups, d_state]`.
    pub(in crate::decoder::mixer) b: Tensor,
    /// `C`, `[batch, pos, n_groups, d_state]`.
    pub(in crate::decoder::mixer) c: Tensor,
}

impl Inputs {
    fn narrow(&self, start: i64, n: i64) -> Result<Self, ModelError> {
        Ok(Self {
            values: self.values.f_narrow(1, start, n)?,
            step: self.step.f_narrow(1, start, n)?,
            b: self.b.f_narrow(1, start, n)?,
            c: self.c.f_narrow(1, start, n)?,
        })
    }
}

impl ByHead {
    /// Heads with `log(-A)` and `D`, `[n_heads]` each, whose groups share B and C.
    pub(in crate::decoder::mixer) fn new(
        log_decay: &Tensor,
        skip: &Tensor,
        n_groups: usize,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            n_groups: n_groups as i64,
            decay: log_decay.f_to_kind(Kind::Float)?.f_exp()?.f_neg()?,
            skip: skip.f_to_kind(Kind::Float)?.f_unsqueeze(-1)?,
            state: State::default(),
        })
    }

    /// Forgets the sequence that was run.
    pub(in crate::decoder::mixer) fn reset(&mut self) {
        self.state = State::default();
    }

    /// What the heads read from their states at every position, `[batch, pos, n_heads, d_head]`; `is_kept` keeps the last
    /// state for what comes next.
    pub(in crate::decoder::mixer) fn forward(
        &mut self,
        inputs: &Inputs,
        is_kept: bool,
    ) -> Result<Tensor, ModelError> {
        let (batch, pos, n_heads, d_head) = inputs.values.size4()?;
        let d_state = inputs.b.size()[3];
        let shape = [batch, self.n_groups, n_heads / self.n_groups * d_head, d_state];
        let mut state = self.state.take(&shape, &inputs.values)?;
        let mut read = Vec::new();
        let mut start = 0;
        while start < pos {
            let n = CHUNK.min(pos - start);
            let (part, after) = self.chunk(&inputs.narrow(start, n)?, &state)?;
            read.push(part);
            state = after;
            start += n;
        }
        if is_kept {
            self.state = State(Some(state));
        }
        Ok(Tensor::f_cat(&read, 1)?.f_add(&inputs.values.f_mul(&self.skip)?)?)
    }

    /// What is read at the positions of a chunk, `[batch, pos, n_heads, d_head]`, and the state after it.
    fn chunk(&self, inputs: &Inputs, state: &Tensor) -> Result<(Tensor, Tensor), ModelError> {
        let (batch, pos, n_heads, d_head) = inputs.values.size4()?;
        let (groups, shared) = (self.n_groups, n_heads / self.n_groups);
        let rates = inputs.step.f_mul(&self.decay)?.f_transpose(1, 2)?; // [batch, n_heads, pos]
        let passed = decay_between(&rates)?.f_exp()?; // [batch, n_heads, pos, pos]
        let by_group = |x: &Tensor| x.f_transpose(1, 2); // [batch, n_groups, pos, d_state]
        let (b, c) = (by_group(&inputs.b)?, by_group(&inputs.c)?);
        // What each position writes, [batch, n_heads, pos, d_head].
        let written = inputs.values.f_mul(&inputs.step.f_unsqueeze(-1)?)?.f_transpose(1, 2)?;

        // What was written in this chunk.
        let scores = matmul(&c, &b.f_transpose(2, 3)?)?.f_unsqueeze(2)?; // [batch, n_groups, 1, pos, pos]
        let weights = passed.f_reshape([batch, groups, shared, pos, pos])?.f_mul(&scores)?.f_tril(0)?;
        let recent = matmul(&weights.f_reshape([batch, n_heads, pos, pos])?, &written)?;

        // What the state holds from before.
        let since_start = rates.f_cumsum(-1, Kind::Float)?.f_exp()?; // [batch, n_heads, pos]
        let held = matmul(&c, &state.f_transpose(2, 3)?)?; // [batch, n_groups, pos, shared * d_head]
        let held = held.f_reshape([batch, groups, pos, shared, d_head])?.f_transpose(2, 3)?;
        let held = held.f_reshape([batch, n_heads, pos, d_head])?.f_mul(&since_start.f_unsqueeze(-1)?)?;

        // What is left of both at the end.
        let left = passed.f_select(2, pos - 1)?.f_unsqueeze(-1)?; // [batch, n_heads, pos, 1]
        let added = written.f_mul(&left)?.f_transpose(2, 3)?;
        let added = matmul(&added.f_reshape([batch, groups, shared * d_head, pos])?, &b)?;
        let whole = since_start.f_select(2, pos - 1)?.f_reshape([batch, groups, shared, 1])?;
        let whole = whole.f_expand([batch, groups, shared, d_head], false)?;
        let after = state.f_mul(&whole.f_reshape([batch, groups, shared * d_head, 1])?)?.f_add(&added)?;
        Ok((recent.f_add(&held)?.f_transpose(1, 2)?, after))
    }
}

/// The logarithm of how much of what position j wrote is left at position i: the sum of the rates after j, up to i,
/// `[.., i, j]` of `[.., pos]`; minus infinity where j is later. Each is a sum of its own, because a difference of sums from
/// the start would lose the digits of rates that are small beside them.
fn decay_between(rates: &Tensor) -> Result<Tensor, ModelError> {
    let pos = *rates.size().last().unwrap_or(&0);
    let lower = |diagonal| {
        Tensor::f_ones([pos, pos], (Kind::Bool, rates.device()))?.f_tril(diagonal)?.f_logical_not()
    };
    let mut shape = rates.size();
    shape.push(pos);
    let sums = rates.f_unsqueeze(-1)?.f_expand(&shape, false)?.f_masked_fill(&lower(-1)?, 0.0)?;
    Ok(sums.f_cumsum(-2, Kind::Float)?.f_masked_fill(&lower(0)?, f64::NEG_INFINITY)?)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn random(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, Device::Cpu))
    }

    fn inputs(batch: i64, pos: i64) -> Inputs {
        Inputs {
            values: random(&[batch, pos, 6, 5]),
            step: random(&[batch, pos, 6]).softplus(),
            b: random(&[batch, pos, 2, 4]),
            c: random(&[batch, pos, 2, 4]),
        }
    }

    fn heads() -> ByHead {
        ByHead::new(&random(&[6]), &random(&[6]), 2).unwrap()
    }

    /// The recurrence as it is defined, in float64, position by position.
    fn one_by_one(heads: &ByHead, inputs: &Inputs) -> Tensor {
        let wide = |x: &Tensor| x.to_kind(Kind::Double);
        let per_head = |x: &Tensor| wide(x).repeat_interleave_self_int(3, 2, None);
        let (b, c, values, step) =
            (per_head(&inputs.b), per_head(&inputs.c), wide(&inputs.values), wide(&inputs.step));
        let mut state = Tensor::zeros([values.size()[0], 6, 5, 4], (Kind::Double, Device::Cpu));
        let mut read = Vec::new();
        for i in 0..values.size()[1] {
            let at = |x: &Tensor| x.select(1, i);
            let kept = (at(&step) * wide(&heads.decay)).exp().unsqueeze(-1).unsqueeze(-1);
            let written = (at(&values) * at(&step).unsqueeze(-1)).unsqueeze(-1) * at(&b).unsqueeze(2);
            state = state * kept + written;
            read.push(state.matmul(&at(&c).unsqueeze(-1)).squeeze_dim(-1) + at(&values) * wide(&heads.skip));
        }
        Tensor::stack(&read, 1)
    }

    fn worst(a: &Tensor, b: &Tensor) -> f64 {
        ((a.to_kind(Kind::Double) - b.to_kind(Kind::Double)).abs().max()
            / b.abs().max().to_kind(Kind::Double))
        .double_value(&[])
    }

    #[test]
    fn chunks_give_what_the_recurrence_gives() {
        tch::manual_seed(3);
        for (batch, pos) in [(1, 1), (2, 7), (1, CHUNK), (3, 2 * CHUNK + 9)] {
            let (mut heads, inputs) = (heads(), inputs(batch, pos));
            let got = heads.forward(&inputs, false).unwrap();
            assert_eq!(got.size(), [batch, pos, 6, 5]);
            let difference = worst(&got, &one_by_one(&heads, &inputs));
            assert!(difference < 2e-6, "{batch} sequences of {pos}: {difference}");
        }
    }

    #[test]
    fn a_sequence_in_steps_is_the_sequence() {
        tch::manual_seed(4);
        let (mut heads, all) = (heads(), inputs(1, 90));
        let whole = heads.forward(&all, false).unwrap();
        for steps in [vec![1; 90], vec![30, 1, 59], vec![70, 20]] {
            heads.reset();
            let mut start = 0;
            let mut parts = Vec::new();
            for n in steps {
                parts.push(heads.forward(&all.narrow(start, n).unwrap(), true).unwrap());
                start += n;
            }
            assert!(worst(&Tensor::cat(&parts, 1), &whole) < 2e-6);
        }
    }

    /// Large steps forget at once, and early sums of rates leave no digit to later ones.
    #[test]
    fn a_state_that_is_forgotten_at_once_loses_no_digits() {
        tch::manual_seed(5);
        let (mut heads, inputs) = (heads(), inputs(1, CHUNK));
        let _ = inputs.step.narrow(1, 0, 8).fill_(1e4);
        let difference = worst(&heads.forward(&inputs, false).unwrap(), &one_by_one(&heads, &inputs));
        assert!(difference < 2e-6, "{difference}");
    }
}
