//! The recurrence of Mamba, position by position: every channel and value of its state decays at a rate of its own, so
//! that there are no products of matrices to make of a chunk.

use tch::{Kind, Tensor};

use super::State;
use crate::decoder::{ModelError, threads::matmul};

/// Values of states that are held at once.
const AT_ONCE: i64 = 1 << 22;

/// The recurrence of channels with decays of their own.
#[derive(Debug)]
pub(in crate::decoder::mixer) struct ByChannel {
    decay: Tensor, // [channels, d_state], A, float32
    skip: Tensor,  // [channels], D, float32
    state: State,  // [1, channels, d_state]
}

impl ByChannel {
    /// Channels with `log(-A)`, `[channels, d_state]`, and `D`, `[channels]`.
    pub(in crate::decoder::mixer) fn new(log_decay: &Tensor, skip: &Tensor) -> Result<Self, ModelError> {
        Ok(Self {
            decay: log_decay.f_to_kind(Kind::Float)?.f_exp()?.f_neg()?,
            skip: skip.f_to_kind(Kind::Float)?,
            state: State::default(),
        })
    }

    /// Forgets the sequence that was run.
    pub(in crate::decoder::mixer) fn reset(&mut self) {
        self.state = State::default();
    }

    /// What the channels read from their states at every position, `[batch, pos, channels]`, of values and steps of that
    /// shape, and of B and C, `[batch, pos, d_state]`, all in float32. `is_kept` keeps the last state for what comes next.
    pub(in crate::decoder::mixer) fn forward(
        &mut self,
        values: &Tensor,
        step: &Tensor,
        [b, c]: [&Tensor; 2],
        is_kept: bool,
    ) -> Result<Tensor, ModelError> {
        let (batch, pos, channels) = values.size3()?;
        let per_position = batch * self.decay.numel() as i64;
        let mut state = self.state.take(&[batch, channels, self.decay.size()[1]], values)?;
        let at_once = (AT_ONCE / per_position.max(1)).max(1);
        let mut read = Vec::new();
        let mut start = 0;
        while start < pos {
            let n = at_once.min(pos - start);
            let some = |x: &Tensor| x.f_narrow(1, start, n);
            let states = self.states(state, [&some(values)?, &some(step)?, &some(b)?])?;
            read.push(matmul(&states, &some(c)?.f_unsqueeze(-1)?)?.f_squeeze_dim(-1)?);
            state = states.f_select(1, n - 1)?;
            start += n;
        }
        if is_kept {
            // A copy: a view would hold the states of every position.
            let mut last = state.f_empty_like()?;
            last.f_copy_(&state)?;
            self.state = State(Some(last));
        }
        Ok(Tensor::f_cat(&read, 1)?.f_add(&values.f_mul(&self.skip)?)?)
    }

    /// The state after each of some positions, `[batch, pos, channels, d_state]`.
    fn states(&self, mut state: Tensor, [values, step, b]: [&Tensor; 3]) -> Result<Tensor, ModelError> {
        let kept = step.f_unsqueeze(-1)?.f_mul(&self.decay)?.f_exp()?;
        let written = step.f_mul(values)?.f_unsqueeze(-1)?.f_mul(&b.f_unsqueeze(2)?)?;
        let mut states = Vec::new();
        for i in 0..values.size()[1] {
            state = written.f_select(1, i)?.f_addcmul(&kept.f_select(1, i)?, &state)?;
            states.push(state.shallow_clone());
        }
        Ok(Tensor::f_stack(&states, 1)?)
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn random(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, Device::Cpu))
    }

    /// One channel with one value of state, whose recurrence can be written down.
    #[test]
    fn a_channel_is_its_recurrence() {
        let mut one =
            ByChannel::new(&Tensor::zeros([1, 1], (Kind::Float, Device::Cpu)), &random(&[1])).unwrap();
        let skip = one.skip.double_value(&[0]);
        let [values, step, b, c] = [(); 4].map(|()| random(&[1, 6, 1]));
        let step = step.softplus();
        let got = one.forward(&values, &step, [&b, &c], false).unwrap();
        let mut state = 0.0;
        for i in 0..6 {
            let at = |x: &Tensor| x.double_value(&[0, i, 0]);
            state = (-at(&step)).exp() * state + at(&step) * at(&b) * at(&values);
            let expected = at(&c) * state + skip * at(&values);
            assert!((at(&got) - expected).abs() < 1e-5, "position {i}");
        }
    }

    #[test]
    fn a_sequence_in_steps_is_the_sequence() {
        tch::manual_seed(6);
        let mut channels = ByChannel::new(&random(&[7, 3]), &random(&[7])).unwrap();
        let (values, step) = (random(&[1, 20, 7]), random(&[1, 20, 7]).softplus());
        let (b, c) = (random(&[1, 20, 3]), random(&[1, 20, 3]));
        let whole = channels.forward(&values, &step, [&b, &c], false).unwrap();
        for steps in [vec![1; 20], vec![7, 1, 12]] {
            channels.reset();
            let (mut start, mut parts) = (0, Vec::new());
            for n in steps {
                let some = |x: &Tensor| x.narrow(1, start, n);
                let part =
                    channels.forward(&some(&values), &some(&step), [&some(&b), &some(&c)], true).unwrap();
                parts.push(part);
                start += n;
            }
            assert!(Tensor::cat(&parts, 1).allclose(&whole, 1e-5, 1e-6, false));
        }
    }
}
