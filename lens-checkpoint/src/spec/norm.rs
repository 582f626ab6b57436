//! Norms as data.

use lens_core::NormKind;

use super::Param;

/// A norm over the last dimension.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NormSpec {
    /// RMS or layer norm.
    pub kind: NormKind,
    /// Added under the square root.
    pub eps: f64,
    /// Factor, `[d]`, or `[heads, d]` where every head has its own.
    pub weight: Option<Param>,
    /// Added to the weight before it multiplies: 1 in families that store the difference from one.
    pub offset: f64,
    /// Summand, `[d]`.
    pub bias: Option<Param>,
    /// When the result is rounded to the model's dtype.
    pub rounding: Rounding,
}

/// When a norm, computed in float32, is rounded to the model's dtype. In float32 there is no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Before the weight multiplies: Llama's order.
    BeforeWeight,
    /// After weight and bias: Gemma, OLMo 2, and every layer norm.
    AfterWeight,
}

impl NormSpec {
    /// An RMS norm with `{prefix}.weight`, in Llama's order.
    pub fn rms(prefix: &str, d: usize, eps: f64) -> Self {
        Self {
            kind: NormKind::Rms,
            eps,
            weight: Some(Param::whole(format!("{prefix}.weight"), [d])),
            offset: 0.0,
            bias: None,
            rounding: Rounding::BeforeWeight,
        }
    }

    /// A layer norm with `{prefix}.weight`, and `{prefix}.bias` if `bias`.
    pub fn layer(prefix: &str, d: usize, eps: f64, bias: bool) -> Self {
        Self {
            kind: NormKind::Layer,
            bias: bias.then(|| Param::whole(format!("{prefix}.bias"), [d])),
            rounding: Rounding::AfterWeight,
            ..Self::rms(prefix, d, eps)
        }
    }

    /// An RMS norm without weights.
    pub fn bare_rms(eps: f64) -> Self {
        Self { weight: None, ..Self::rms("", 0, eps) }
    }

    /// A layer norm without weights.
    pub fn bare_layer(eps: f64) -> Self {
        Self { weight: None, ..Self::layer("", 0, eps, false) }
    }

    /// This norm, with weights that are stored as their difference from one.
    #[must_use]
    pub fn around_one(self) -> Self {
        Self { offset: 1.0, rounding: Rounding::AfterWeight, ..self }
    }

    /// This norm, rounded after the weight.
    #[must_use]
    pub fn rounded_last(self) -> Self {
        Self { rounding: Rounding::AfterWeight, ..self }
    }

    /// Its parameters.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        self.weight.iter().chain(&self.bias)
    }
}
