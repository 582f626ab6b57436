//! Norms inside the decoder.

use lens_core::NormKind;
use tch::{Kind, Tensor};

use super::{ModelError, weights::Weights};
use crate::spec::{NormSpec, Rounding};

/// A norm over the last dimension, with statistics in float32 whatever the model's dtype.
#[derive(Debug)]
pub(super) struct Norm {
    kind: NormKind,
    eps: f64,
    rounding: Rounding,
    weight: Option<Tensor>, // [d] or [heads, d]
    bias: Option<Tensor>,   // [d]
}

impl Norm {
    pub(super) fn load(spec: &NormSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        // Weights that multiply before the rounding do so in float32.
        let widen = |tensor: Option<Tensor>| -> Result<Option<Tensor>, ModelError> {
            match (tensor, spec.rounding) {
                (Some(tensor), Rounding::AfterWeight) => Ok(Some(tensor.f_to_kind(Kind::Float)?)),
                (tensor, _) => Ok(tensor),
            }
        };
        let weight = widen(weights.optional(spec.weight.as_ref())?)?;
        Ok(Self {
            kind: spec.kind,
            eps: spec.eps,
            rounding: spec.rounding,
            weight: match weight {
                Some(weight) if spec.offset != 0.0 => Some(weight.f_add_scalar(spec.offset)?),
                weight => weight,
            },
            bias: widen(weights.optional(spec.bias.as_ref())?)?,
        })
    }

    /// A norm that may be absent.
    pub(super) fn load_optional(
        spec: Option<&NormSpec>,
        weights: &Weights<'_>,
    ) -> Result<Option<Self>, ModelError> {
        spec.map(|spec| Self::load(spec, weights)).transpose()
    }

    /// The same norm, with the same tensors.
    pub(super) fn shallow_clone(&self) -> Self {
        let share = |tensor: &Option<Tensor>| tensor.as_ref().map(Tensor::shallow_clone);
        Self { weight: share(&self.weight), bias: share(&self.bias), ..*self }
    }

    /// `[.., d]` to `[.., d]`, in the dtype of `x`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let wide = x.f_to_kind(Kind::Float)?; // statistics in float32
        let centred = match self.kind {
            NormKind::Layer => wide.f_sub(&wide.f_mean_dim(-1, true, Kind::Float)?)?,
            NormKind::Rms => wide,
        };
        let square = centred.f_square()?.f_mean_dim(-1, true, Kind::Float)?;
        let mut normed = centred.f_mul(&square.f_add_scalar(self.eps)?.f_rsqrt()?)?;
        if self.rounding == Rounding::BeforeWeight {
            normed = normed.f_to_kind(x.kind())?;
        }
        if let Some(weight) = &self.weight {
            normed = normed.f_mul(weight)?;
        }
        if let Some(bias) = &self.bias {
            normed = normed.f_add(bias)?;
        }
        Ok(normed.f_to_kind(x.kind())?)
    }
}

/// Norms `x`, or hands it on where there is no norm.
pub(super) fn normed(norm: Option<&Norm>, x: &Tensor) -> Result<Tensor, ModelError> {
    norm.map_or_else(|| Ok(x.shallow_clone()), |norm| norm.forward(x))
}
