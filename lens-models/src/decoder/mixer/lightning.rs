//! Lightning attention: heads that keep a matrix of what they saw, which decays at a rate of their own.

use lens_core::{AttentionInput, Point, Site};
use tch::{Kind, Tensor};

use crate::{
    decoder::{
        ModelError,
        finite::Watch,
        joint::Joint,
        mlp::activate,
        norm::Norm,
        part::joined,
        step::Step,
        threads::{matmul, sigmoid},
        weights::{Linear, Weights},
    },
    device::OnTorch as _,
    spec::LightningSpec,
};

/// Positions that are computed at once.
const CHUNK: i64 = 64;

/// The lightning attention of one block.
#[derive(Debug)]
pub(in crate::decoder) struct Lightning {
    layer: u16,
    spec: LightningSpec,
    qkv: Joint<3>,
    rates: Tensor, // [n_heads, 1, 1], float32
    norm: Norm,
    gate: Linear,
    o: Linear,
    /// What the heads keep of the sequence, `[1, n_heads, d_head, d_head]` in float32; `None` before its first token.
    state: Option<Tensor>,
}

impl Lightning {
    pub(super) fn load(layer: u16, spec: &LightningSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let rates: Vec<f32> = spec.rates.iter().map(|rate| *rate as f32).collect();
        let device = weights.place.device();
        Ok(Self {
            layer,
            qkv: Joint::load([&spec.q, &spec.k, &spec.v], weights)?,
            rates: Tensor::f_from_slice(&rates)?.f_view([-1, 1, 1])?.f_to_device(device)?,
            norm: Norm::load(&spec.norm, weights)?,
            gate: weights.linear(&spec.gate)?,
            o: weights.linear(&spec.o)?,
            state: None,
            spec: spec.clone(),
        })
    }

    /// The output projection, `[d_model, n_heads * d_head]`.
    pub(super) fn output(&self) -> &Linear {
        &self.o
    }

    /// Forgets the sequence that was run.
    pub(super) fn reset(&mut self) {
        self.state = None;
    }

    /// Leads the tokens of a step past what the heads keep. `x` is the normed stream, `[pos, d_model]`; so is the result.
    pub(super) fn forward(
        &mut self,
        x: &Tensor,
        step: &Step,
        tap: &mut Watch<'_>,
    ) -> Result<Tensor, ModelError> {
        let (n_heads, d_head) = (self.spec.n_heads as i64, self.spec.d_head as i64);
        let shape = [step.n as i64, n_heads, d_head];
        let mut qkv = Vec::with_capacity(3);
        let inputs = [AttentionInput::Queries, AttentionInput::Keys, AttentionInput::Values];
        for (input, made) in inputs.into_iter().zip(self.qkv.forward(x)?) {
            let value = activate(self.spec.activation, &made)?.f_reshape(shape)?;
            tap.attention(self.layer, input, &value)?;
            qkv.push(value);
        }
        let mut read = Vec::with_capacity(step.parts.len());
        for part in &step.parts {
            let of_heads = |x: &Tensor| -> Result<Tensor, ModelError> {
                Ok(part.spread(x)?.f_transpose(1, 2)?.f_to_kind(Kind::Float)?) // [batch, n_heads, pos, d_head]
            };
            let [q, k, v] = [of_heads(&qkv[0])?, of_heads(&qkv[1])?, of_heads(&qkv[2])?];
            let (out, state) = decaying(&q, &k, &v, &self.rates, self.state.take())?;
            if step.is_kept() {
                self.state = Some(state);
            }
            read.push(part.gather(&out.f_transpose(1, 2)?.f_contiguous()?)?);
        }
        let read = joined(read)?.f_to_kind(x.kind())?.f_reshape([step.n as i64, n_heads * d_head])?;
        let z = sigmoid(&self.gate.forward(x)?)?.f_mul(&self.norm.forward(&read)?)?.f_view(shape)?;
        let z = tap.at(Point::block(self.layer, Site::Z), z)?; // [pos, n_heads, d_head]
        self.o.forward(&z.f_flatten(1, 2)?)
    }
}

/// What queries read, `[batch, n_heads, pos, d_head]`, and the state after them, `[batch, n_heads, d_head, d_head]`, of
/// queries, keys and values of that shape; `state` is the one before them, if there was any.
fn decaying(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    rates: &Tensor,
    state: Option<Tensor>,
) -> Result<(Tensor, Tensor), ModelError> {
    let &[batch, n_heads, n, width] = q.size().as_slice() else { return Err(ModelError::MissedPoint) };
    let options = (Kind::Float, q.device());
    let mut state = match state {
        Some(state) => state,
        None => Tensor::f_zeros([batch, n_heads, width, width], options)?,
    };
    let (mut read, mut start) = (Vec::new(), 0);
    while start < n {
        let length = CHUNK.min(n - start);
        let [q, k, v] =
            [q.f_narrow(2, start, length)?, k.f_narrow(2, start, length)?, v.f_narrow(2, start, length)?];
        let steps = Tensor::f_arange(length, options)?.f_view([-1, 1])?; // how many positions each is from the first
        let left = |steps: &Tensor| -> Result<Tensor, ModelError> {
            Ok(rates.f_mul(steps)?.f_neg()?.f_exp()?) // [n_heads, pos, ..]
        };
        let between = steps.f_sub(&steps.f_transpose(0, 1)?)?; // from position j to position i
        let later = Tensor::f_ones([length, length], (Kind::Bool, q.device()))?.f_triu(1)?;
        let between = left(&between.f_masked_fill(&later, f64::INFINITY)?)?;
        let own = matmul(&matmul(&q, &k.f_transpose(2, 3)?)?.f_mul(&between)?, &v)?;
        let before = matmul(&q.f_mul(&left(&steps.f_add_scalar(1.0)?)?)?, &state)?;
        read.push(own.f_add(&before)?);
        let remaining = left(&steps.f_neg()?.f_add_scalar((length - 1) as f64)?)?;
        let written = matmul(&k.f_mul(&remaining)?.f_transpose(2, 3)?, &v)?;
        state = state.f_mul(&rates.f_mul_scalar(-(length as f64))?.f_exp()?)?.f_add(&written)?;
        start += length;
    }
    let read = match read.len() {
        1 => read.remove(0),
        _ => Tensor::f_cat(&read, 2)?,
    };
    Ok((read, state))
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    /// Position by position, as the rule is written.
    fn expected(q: &Tensor, k: &Tensor, v: &Tensor, rates: &Tensor) -> (Tensor, Tensor) {
        let size = q.size();
        let mut state = Tensor::zeros([size[0], size[1], size[3], size[3]], (Kind::Float, Device::Cpu));
        let mut read = Vec::new();
        for i in 0..size[2] {
            let at = |x: &Tensor| x.narrow(2, i, 1);
            state = state * (-rates).exp() + at(k).transpose(2, 3).matmul(&at(v));
            read.push(at(q).matmul(&state));
        }
        (Tensor::cat(&read, 2), state)
    }

    #[test]
    fn chunks_give_what_positions_one_by_one_give() {
        tch::manual_seed(9);
        let rates = Tensor::from_slice(&[0.5f32, 0.02, 1.7]).view([3, 1, 1]);
        let random = |n: i64| Tensor::randn([2, 3, n, 4], (Kind::Float, Device::Cpu));
        for n in [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 7] {
            let (q, k, v) = (random(n), random(n), random(n));
            let (read, state) = decaying(&q, &k, &v, &rates, None).unwrap();
            let (expected_read, expected_state) = expected(&q, &k, &v, &rates);
            assert!(read.allclose(&expected_read, 1e-4, 1e-4, false), "{n} positions");
            assert!(state.allclose(&expected_state, 1e-4, 1e-4, false), "the state after {n} positions");
            // In two steps as in one.
            let some = |x: &Tensor, from: i64, n: i64| x.narrow(2, from, n);
            let first = n / 2;
            let part = |from, n, state| {
                decaying(&some(&q, from, n), &some(&k, from, n), &some(&v, from, n), &rates, state).unwrap()
            };
            if first > 0 {
                let (one, between) = part(0, first, None);
                let (other, last) = part(first, n - first, Some(between));
                assert!(Tensor::cat(&[one, other], 2).allclose(&expected_read, 1e-4, 1e-4, false), "{n}");
                assert!(last.allclose(&expected_state, 1e-4, 1e-4, false), "{n}");
            }
        }
    }
}
