//! A gated delta net: heads that keep a matrix of what they saw.

mod rule;

use lens_core::{AttentionInput, Point, Site};
use tch::{Kind, Tensor};

use self::rule::{Strides, delta_rule};
use super::filter::CausalFilter;
use crate::{
    decoder::{
        ModelError,
        finite::Watch,
        joint::Joint,
        norm::Norm,
        part::{Part, joined},
        step::Step,
        threads::{sigmoid, silu, softplus},
        weights::{Linear, Weights},
    },
    spec::GatedDeltaSpec,
};

/// Added under the square root where queries and keys are divided by their lengths, in every family.
const LENGTH_EPS: f64 = 1e-6;

/// The gated delta net of one block.
#[derive(Debug)]
pub(in crate::decoder) struct GatedDelta {
    layer: u16,
    spec: GatedDeltaSpec,
    qkv: Joint<3>,
    filter: CausalFilter,
    strength: Linear,
    decay: Linear,
    decay_bias: Tensor, // [n_heads], float32
    rate: Tensor,       // [n_heads], float32
    norm: Norm,
    gate: Linear,
    o: Linear,
    /// What the heads keep of the sequence, `[1, n_heads, d_key, d_value]` in float32; `None` before its first token.
    state: Option<Tensor>,
}

impl GatedDelta {
    pub(super) fn load(layer: u16, spec: &GatedDeltaSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let filters = spec.filters.iter().map(|filter| weights.param(&filter.weight));
        let filters = filters.collect::<Result<Vec<_>, _>>()?;
        let wide =
            |param| -> Result<Tensor, ModelError> { Ok(weights.param(param)?.f_to_kind(Kind::Float)?) };
        Ok(Self {
            layer,
            qkv: Joint::load([&spec.q, &spec.k, &spec.v], weights)?,
            filter: CausalFilter::new(Tensor::f_cat(&filters, 0)?, None),
            strength: weights.linear(&spec.strength)?,
            decay: weights.linear(&spec.decay)?,
            decay_bias: wide(&spec.decay_bias)?,
            rate: wide(&spec.log_rate)?.f_exp()?,
            norm: Norm::load(&spec.norm, weights)?,
            gate: weights.linear(&spec.gate)?,
            o: weights.linear(&spec.o)?,
            state: None,
            spec: spec.clone(),
        })
    }

    /// The output projection, `[d_model, n_heads * d_value]`.
    pub(super) fn output(&self) -> &Linear {
        &self.o
    }

    /// Forgets the sequence that was run.
    pub(super) fn reset(&mut self) {
        self.filter.reset();
        self.state = None;
    }

    /// Leads the tokens of a step past what the heads keep. `x` is the normed stream, `[pos, d_model]`; so is the result.
    pub(super) fn forward(
        &mut self,
        x: &Tensor,
        step: &Step,
        tap: &mut Watch<'_>,
    ) -> Result<Tensor, ModelError> {
        let qkv = self.qkv.forward(x)?;
        let inputs = [AttentionInput::Queries, AttentionInput::Keys, AttentionInput::Values];
        for (input, value) in inputs.into_iter().zip(&qkv) {
            tap.attention(self.layer, input, value)?;
        }
        let qkv = Tensor::f_cat(&qkv, 1)?; // [pos, channels]
        let strength = sigmoid(&self.strength.forward(x)?)?.f_mul_scalar(self.spec.strength_factor)?;
        let decay = self.decay.forward(x)?.f_to_kind(Kind::Float)?.f_add(&self.decay_bias)?;
        let decay = softplus(&decay)?.f_mul(&self.rate)?.f_neg()?; // its logarithm, [pos, n_heads]
        let mut read = Vec::with_capacity(step.parts.len());
        for part in &step.parts {
            let strides = self.strides(&qkv, &strength, &decay, part, step.is_kept())?;
            let (out, state) = delta_rule(&strides, self.state.take())?;
            if step.is_kept() {
                self.state = Some(state);
            }
            read.push(part.gather(&out.f_transpose(1, 2)?.f_contiguous()?)?);
        }
        let z = self.gated(&joined(read)?.f_to_kind(x.kind())?, x)?;
        let z = tap.at(Point::block(self.layer, Site::Z), z)?; // [pos, n_heads, d_value]
        self.o.forward(&z.f_flatten(1, 2)?)
    }

    /// What a part's sequences bring to the rule, a head of values at a time.
    fn strides(
        &mut self,
        qkv: &Tensor,
        strength: &Tensor,
        decay: &Tensor,
        part: &Part,
        is_kept: bool,
    ) -> Result<Strides, ModelError> {
        let spec = &self.spec;
        let (keys, key_width) = (spec.n_key_heads as i64, spec.d_key as i64);
        let filtered = silu(&self.filter.forward(&part.spread(qkv)?, is_kept)?)?; // [batch, pos, channels]
        let heads = |start: i64, n: i64, width: i64| -> Result<Tensor, ModelError> {
            let shape = [filtered.size()[0], filtered.size()[1], n, width];
            let some = filtered.f_narrow(2, start, n * width)?.f_reshape(shape)?;
            Ok(some.f_transpose(1, 2)?.f_to_kind(Kind::Float)?) // [batch, heads, pos, width]
        };
        let shared = spec.n_heads as i64 / keys;
        let directed = |x: Tensor| -> Result<Tensor, ModelError> {
            let square = x.f_square()?.f_sum_dim_intlist(-1, true, Kind::Float)?;
            let x = x.f_mul(&square.f_add_scalar(LENGTH_EPS)?.f_rsqrt()?)?;
            Ok(if shared == 1 { x } else { x.f_repeat_interleave_self_int(shared, 1, None)? })
        };
        let of_heads = |x: &Tensor| -> Result<Tensor, ModelError> {
            Ok(part.spread(x)?.f_transpose(1, 2)?.f_to_kind(Kind::Float)?) // [batch, n_heads, pos]
        };
        Ok(Strides {
            q: directed(heads(0, keys, key_width)?)?.f_mul_scalar((spec.d_key as f64).powf(-0.5))?,
            k: directed(heads(keys * key_width, keys, key_width)?)?,
            v: heads(2 * keys * key_width, spec.n_heads as i64, spec.d_value as i64)?,
            strength: of_heads(strength)?,
            decay: of_heads(decay)?,
        })
    }

    /// What the heads read, `[pos, n_heads, d_value]`, normed and gated.
    fn gated(&self, read: &Tensor, x: &Tensor) -> Result<Tensor, ModelError> {
        let gate = silu(&self.gate.forward(x)?.f_view_as(read)?.f_to_kind(Kind::Float)?)?;
        Ok(self.norm.forward(read)?.f_mul(&gate)?.f_to_kind(x.kind())?)
    }
}
