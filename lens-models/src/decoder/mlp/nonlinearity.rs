//! What a plain MLP does with its neurons: a fixed function, or one that was learned.

use tch::{Kind, Tensor};

use super::gated::activate;
use crate::{
    decoder::{ModelError, weights::Weights},
    spec::{Activation, Param, XieluSpec},
};

/// A function of each neuron by itself.
#[derive(Debug)]
pub(in crate::decoder) enum Nonlinearity {
    Fixed(Activation),
    /// `a_p x^2 + b x` above zero, and `a_n (e^min(x, eps) - 1 - x) + b x` elsewhere.
    Xielu {
        a_p: f64,
        a_n: f64,
        b: f64,
        eps: f64,
    },
}

impl Nonlinearity {
    pub(super) fn load_xielu(spec: &XieluSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let number =
            |param: &Param| -> Result<Tensor, ModelError> { Ok(weights.param(param)?.f_reshape([1])?) };
        let stored = |param: &Option<Param>, default: f64| match param {
            Some(param) => value(&number(param)?),
            None => Ok(default),
        };
        let b = stored(&spec.beta, 0.5)?;
        let bend = |param: &Param| value(&number(param)?.f_to_kind(Kind::Double)?.f_softplus()?);
        Ok(Self::Xielu {
            a_p: bend(&spec.alpha_p)?,
            a_n: b + bend(&spec.alpha_n)?,
            b,
            eps: stored(&spec.eps, -1e-6)?,
        })
    }

    /// The values of neurons after it.
    pub(super) fn of(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        match *self {
            Self::Fixed(activation) => activate(activation, x),
            Self::Xielu { a_p, a_n, b, eps } => {
                let above = x.f_square()?.f_mul_scalar(a_p)?;
                let below = x.f_clamp_max(eps)?.f_expm1()?.f_sub(x)?.f_mul_scalar(a_n)?;
                Ok(above.f_where_self(&x.f_gt(0.0)?, &below)?.f_add(&x.f_mul_scalar(b)?)?)
            }
        }
    }
}

fn value(number: &Tensor) -> Result<f64, ModelError> {
    Ok(number.f_to_kind(Kind::Double)?.f_double_value(&[0])?)
}
