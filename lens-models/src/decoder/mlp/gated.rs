//! A gated MLP, and the functions that activate neurons.

use tch::Tensor;

use crate::{
    decoder::{
        ModelError,
        joint::Joint,
        norm::{Norm, normed},
        threads::{gelu, sigmoid, silu},
        weights::{Linear, Weights},
    },
    spec::{Activation, GatedSpec, Gating},
};

/// A gated MLP.
#[derive(Debug)]
pub(in crate::decoder) struct Gated {
    pub(super) gating: Gating,
    pub(super) gate_up: Joint<2>,
    pub(super) norm: Option<Norm>,
    pub(super) down: Linear,
}

impl Gated {
    pub(super) fn load(spec: &GatedSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            gating: spec.gating,
            gate_up: Joint::load([&spec.gate, &spec.up], weights)?,
            norm: Norm::load_optional(spec.norm.as_deref(), weights)?,
            down: weights.linear(&spec.down)?,
        })
    }

    /// `[pos, d_model]` to `[pos, d_model]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        self.down.forward(&self.inner(x)?)
    }

    /// The neurons after activation, gate and norm, `[pos, d_mlp]`.
    pub(super) fn inner(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let [gate, up] = self.gate_up.forward(x)?;
        let neurons = match self.gating {
            Gating::Plain(activation) => activate(activation, &gate)?.f_mul(&up)?,
            Gating::Scaled { activation, factor } => {
                activate(activation, &gate.f_mul_scalar(factor)?)?.f_mul(&up)?
            }
            Gating::ClampedSwiglu { alpha, limit } => {
                let gate = gate.f_clamp_max(limit)?;
                let glu = gate.f_mul(&sigmoid(&gate.f_mul_scalar(alpha)?)?)?;
                up.f_clamp(-limit, limit)?.f_add_scalar(1.0)?.f_mul(&glu)?
            }
        };
        normed(self.norm.as_ref(), &neurons)
    }
}

/// The values of neurons after their activation.
pub(in crate::decoder) fn activate(activation: Activation, x: &Tensor) -> Result<Tensor, ModelError> {
    Ok(match activation {
        Activation::Silu => silu(x)?,
        Activation::Gelu => gelu(x, false)?,
        Activation::GeluTanh => gelu(x, true)?,
        Activation::QuickGelu => x.f_mul(&sigmoid(&x.f_mul_scalar(1.702)?)?)?,
        Activation::Relu => x.f_relu()?,
        Activation::ReluSquared => x.f_relu()?.f_square()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonlinearities_are_their_formulas() {
        let x = [-3.0, -1.0, -0.25, 0.0, 0.5, 2.0, 7.0];
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let tanh = |x: f64| (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
        let formulas: [(Activation, &dyn Fn(f64) -> f64); 5] = [
            (Activation::Silu, &|x| x * sigmoid(x)),
            (Activation::GeluTanh, &|x| 0.5 * x * (1.0 + tanh(x).tanh())),
            (Activation::QuickGelu, &|x| x * sigmoid(1.702 * x)),
            (Activation::Relu, &|x| x.max(0.0)),
            (Activation::ReluSquared, &|x| x.max(0.0).powi(2)),
        ];
        for (activation, formula) in formulas {
            let got = Vec::<f64>::try_from(activate(activation, &Tensor::from_slice(&x)).unwrap()).unwrap();
            for (x, got) in x.iter().zip(got) {
                assert!((got - formula(*x)).abs() < 1e-12, "{activation:?} of {x} is {got}");
            }
        }
    }
}
