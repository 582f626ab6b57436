//! Differential attention: what half of the heads weigh is subtracted from what the others do.

use tch::{Kind, Tensor};

use crate::{
    decoder::{
        ModelError,
        norm::Norm,
        weights::{Weights, values},
    },
    spec::DifferentialSpec,
};

/// How the halves of the heads of one block are taken together.
#[derive(Debug)]
pub(super) struct Differential {
    lambda: f64,
    factor: f64,
    norm: Norm,
}

impl Differential {
    pub(super) fn load(spec: &DifferentialSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let mut exponentials = [0.0f32; 2];
        for (exponential, [q, k]) in exponentials.iter_mut().zip(&spec.lambdas) {
            let product = weights.param(q)?.f_mul(&weights.param(k)?)?.f_sum(Kind::Float)?;
            let product = product.f_to_kind(Kind::Float)?.f_exp()?.f_unsqueeze(0)?;
            *exponential = values(&product)?.first().copied().unwrap_or_default();
        }
        let [first, second] = exponentials.map(f64::from);
        Ok(Self {
            lambda: first - second + spec.initial,
            factor: 1.0 - spec.initial,
            norm: Norm::load(&spec.norm, weights)?,
        })
    }

    /// The differences of the halves, normed, `[batch, n_heads / 2, pos, 2 d_head]`, of values of shape
    /// `[batch, n_kv_heads, keys, d_head]`; `weighed` is what all heads weigh of such values, `[batch, n_heads, pos, d_head]`.
    pub(super) fn of(
        &self,
        v: &Tensor,
        weighed: impl Fn(&Tensor) -> Result<Tensor, ModelError>,
    ) -> Result<Tensor, ModelError> {
        let half = v.size()[1] / 2;
        // Every head weighs the values of the first half of key-value heads, and then those of the second.
        let of_half = |start: i64| -> Result<Tensor, ModelError> {
            weighed(&v.f_narrow(1, start, half)?.f_repeat([1, 2, 1, 1])?)
        };
        let both = Tensor::f_cat(&[of_half(0)?, of_half(half)?], -1)?;
        let heads = both.size()[1] / 2;
        let (first, second) = (both.f_narrow(1, 0, heads)?, both.f_narrow(1, heads, heads)?);
        let difference = first.f_sub(&second.f_mul_scalar(self.lambda)?)?;
        Ok(self.norm.forward(&difference)?.f_mul_scalar(self.factor)?)
    }
}
