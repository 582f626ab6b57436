//! Norms inside the decoder.

use lens_core::NormKind;
use tch::{Kind, Tensor};

use super::{ModelError, weights::Weights};
use crate::spec::NormSpec;

/// A norm over the last dimension, with statistics in float32 whatever the model's dtype.
#[derive(Debug)]
pub(super) struct Norm {
    kind: NormKind,
    eps: f64,
    weight: Option<Tensor>, // [d]
    bias: Option<Tensor>,   // [d]
}

impl Norm {
    pub(super) fn load(spec: &NormSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            kind: spec.kind,
            eps: spec.eps,
            weight: weights.optional(spec.weight.as_ref())?,
            bias: weights.optional(spec.bias.as_ref())?,
        })
    }

    /// `[.., d]` to `[.., d]`, in the dtype of `x`.
    ///
    /// The normed vector is rounded to that dtype before the weight multiplies it: Llama's order, which differs
    /// from that of `torch.rms_norm` in bfloat16.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let wide = x.f_to_kind(Kind::Float)?; // statistics in float32
        let centred = match self.kind {
            NormKind::Rms => wide,
            NormKind::Layer => wide.f_sub(&wide.f_mean_dim(-1, true, Kind::Float)?)?,
        };
        let square = centred.f_square()?.f_mean_dim(-1, true, Kind::Float)?;
        let scale = square.f_add_scalar(self.eps)?.f_rsqrt()?;
        let mut normed = centred.f_mul(&scale)?.f_to_kind(x.kind())?;
        if let Some(weight) = &self.weight {
            normed = normed.f_mul(weight)?;
        }
        if let Some(bias) = &self.bias {
            normed = normed.f_add(bias)?;
        }
        Ok(normed)
    }
}
