//! Norms inside the decoder.

use lens_core::{FinalNorm, NormKind};
use tch::{Device, Kind, Tensor};

use super::{
    ModelError,
    weights::{Weights, values},
};
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

    /// The same norm by groups: over the last dimension of `[.., groups, d / groups]`.
    pub(super) fn in_groups(self, groups: i64) -> Result<Self, ModelError> {
        let grouped = |x: Option<Tensor>| x.map(|x| x.f_view([groups, -1])).transpose();
        Ok(Self { weight: grouped(self.weight)?, bias: grouped(self.bias)?, ..self })
    }

    /// What the norm makes of a part of `whole` with the statistics of `whole`, `[rows, d]` both: the parts of a sum add
    /// up to the normed sum less the norm's bias. In float32.
    pub(super) fn linear_part(&self, part: &Tensor, whole: &Tensor) -> Result<Tensor, ModelError> {
        let wide = |x: &Tensor| x.f_to_kind(Kind::Float);
        let part = self.centred(&wide(part)?)?.f_mul(&self.inverse_scale(&self.centred(&wide(whole)?)?)?)?;
        Ok(match &self.weight {
            Some(weight) => part.f_mul(&wide(weight)?)?,
            None => part,
        })
    }

    /// What a layer norm subtracts the mean of, and an RMS norm takes as it is, `[.., d]` in float32.
    fn centred(&self, wide: &Tensor) -> Result<Tensor, ModelError> {
        Ok(match self.kind {
            NormKind::Layer => wide.f_sub(&wide.f_mean_dim(-1, true, Kind::Float)?)?,
            NormKind::Rms => wide.shallow_clone(),
        })
    }

    /// The factor on centred values, `[.., 1]`, in float32.
    fn inverse_scale(&self, centred: &Tensor) -> Result<Tensor, ModelError> {
        let square = centred.f_square()?.f_mean_dim(-1, true, Kind::Float)?;
        Ok(square.f_add_scalar(self.eps)?.f_rsqrt()?)
    }

    /// The same norm over vectors of `d` values in host memory, where it is computed in float64.
    pub(super) fn on_host(&self, d: usize) -> Result<FinalNorm, ModelError> {
        let host = |tensor: &Option<Tensor>| tensor.as_ref().map(values).transpose();
        Ok(FinalNorm::new(self.kind, self.eps, d, host(&self.weight)?, host(&self.bias)?)?)
    }

    /// The same norm, with the same tensors.
    pub(super) fn shallow_clone(&self) -> Self {
        let share = |tensor: &Option<Tensor>| tensor.as_ref().map(Tensor::shallow_clone);
        Self { weight: share(&self.weight), bias: share(&self.bias), ..*self }
    }

    /// `[.., d]` to `[.., d]`, in the dtype of `x`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        // One kernel for seven, which rounds where these do.
        if x.device() != Device::Cpu && self.kind == NormKind::Rms && self.rounding == Rounding::BeforeWeight
        {
            return self.weighted(fused_rms(x, self.eps)?, x.kind());
        }
        let centred = self.centred(&x.f_to_kind(Kind::Float)?)?; // statistics in float32
        let mut normed = centred.f_mul(&self.inverse_scale(&centred)?)?;
        if self.rounding == Rounding::BeforeWeight {
            normed = normed.f_to_kind(x.kind())?;
        }
        self.weighted(normed, x.kind())
    }

    /// Weight and bias on what is normed, in this dtype in the end.
    fn weighted(&self, mut normed: Tensor, kind: Kind) -> Result<Tensor, ModelError> {
        if let Some(weight) = &self.weight {
            normed = normed.f_mul(weight)?;
        }
        if let Some(bias) = &self.bias {
            normed = normed.f_add(bias)?;
        }
        Ok(normed.f_to_kind(kind)?)
    }
}

/// libtorch's norm by the root mean square, without a weight, which computes in float32 and rounds once.
fn fused_rms(x: &Tensor, eps: f64) -> Result<Tensor, ModelError> {
    let d = x.size().last().copied().unwrap_or(1);
    Ok(x.f_rms_norm([d], None::<&Tensor>, eps)?)
}

/// Norms `x`, or hands it on where there is no norm.
pub(super) fn normed(norm: Option<&Norm>, x: &Tensor) -> Result<Tensor, ModelError> {
    norm.map_or_else(|| Ok(x.shallow_clone()), |norm| norm.forward(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtorchs_norm_rounds_where_the_written_out_one_does() {
        tch::manual_seed(5);
        let norm = Norm {
            kind: NormKind::Rms,
            eps: 1e-5,
            rounding: Rounding::BeforeWeight,
            weight: None,
            bias: None,
        };
        for (kind, tolerance) in
            [(Kind::Float, 1e-6), (Kind::BFloat16, 2f64.powi(-7)), (Kind::Half, 2f64.powi(-10))]
        {
            let x = Tensor::randn([5, 3, 64], (Kind::Float, Device::Cpu)).to_kind(kind);
            let (one, other) = (norm.forward(&x).unwrap(), fused_rms(&x, norm.eps).unwrap());
            assert_eq!((other.kind(), other.size()), (kind, x.size()));
            // At most the last digit, and that seldom.
            let difference = (one.to_kind(Kind::Double) / other.to_kind(Kind::Double) - 1.0).abs();
            assert!(difference.max().double_value(&[]) <= tolerance, "{kind:?}");
            let digits = difference.gt(0.0).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
            assert!(kind == Kind::Float || digits < 0.01, "{kind:?}: {digits}");
        }
    }
}
