//! The model's final norm, before the unembedding.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::suggest::did_you_mean;

/// Which statistics the final norm divides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormMode {
    /// Those of the vector being read: the usual logit lens.
    #[default]
    Recomputed,
    /// Those of the final residual at the same position: the readout is then linear in the vector, as attribution
    /// needs.
    FinalScale,
    /// No norm at all: the raw vector meets the unembedding.
    None,
}

impl NormMode {
    const ALL: [Self; 3] = [Self::Recomputed, Self::FinalScale, Self::None];

    /// The mode's name, e.g. `final-scale`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recomputed => "recomputed",
            Self::FinalScale => "final-scale",
            Self::None => "none",
        }
    }
}

impl FromStr for NormMode {
    type Err = ParseNormModeError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|mode| mode.name() == name).ok_or_else(|| ParseNormModeError {
            name: name.to_owned(),
            hint: did_you_mean(name, Self::ALL.map(Self::name)),
        })
    }
}

/// A name that is not a [`NormMode`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown norm mode \"{name}\" (known: recomputed, final-scale, none){hint}")]
pub struct ParseNormModeError {
    name: String,
    hint: String,
}

/// How a norm measures a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// Root mean square: `x / sqrt(mean(x^2) + eps)` (Zhang and Sennrich 2019).
    Rms,
    /// Layer norm: centred, then divided by `sqrt(var(x) + eps)` (Ba et al. 2016).
    Layer,
}

/// The final norm: kind, epsilon and affine part, all in float32.
#[derive(Debug, Clone, PartialEq)]
pub struct FinalNorm {
    /// `None` hands vectors on as they are.
    kind: Option<NormKind>,
    eps: f64,
    weight: Option<Vec<f32>>,
    bias: Option<Vec<f32>>,
    d_model: usize,
}

impl FinalNorm {
    /// A norm over vectors of `d_model`. `weight` is the factor itself: for a family that stores `w` and multiplies by
    /// `1 + w`, pass `1 + w`. `weight` and `bias` are `[d_model]`.
    ///
    /// # Errors
    /// When `weight` or `bias` has another length than `d_model`.
    pub fn new(
        kind: NormKind,
        eps: f64,
        d_model: usize,
        weight: Option<Vec<f32>>,
        bias: Option<Vec<f32>>,
    ) -> Result<Self, NormShapeError> {
        for (name, values) in [("weight", &weight), ("bias", &bias)] {
            if let Some(values) = values
                && values.len() != d_model
            {
                return Err(NormShapeError { name, got: values.len(), d_model });
            }
        }
        Ok(Self { kind: Some(kind), eps, weight, bias, d_model })
    }

    /// No norm at all, for a model whose stream meets the unembedding as it is.
    pub fn identity(d_model: usize) -> Self {
        Self { kind: None, eps: 0.0, weight: None, bias: None, d_model }
    }

    /// How it measures a vector; `None` leaves vectors as they are.
    pub fn kind(&self) -> Option<NormKind> {
        self.kind
    }

    /// What is added to the mean square, or to the variance, before the root.
    pub fn eps(&self) -> f64 {
        self.eps
    }

    /// The factor on each value, `[d_model]`.
    pub fn weight(&self) -> Option<&[f32]> {
        self.weight.as_deref()
    }

    /// What is added to each value at the end, `[d_model]`.
    pub fn bias(&self) -> Option<&[f32]> {
        self.bias.as_deref()
    }

    /// Width of the vectors.
    pub fn d_model(&self) -> usize {
        self.d_model
    }

    /// What the norm divides `x`, `[d_model]`, by: `sqrt(mean(x^2) + eps)` or `sqrt(var(x) + eps)`, by its kind. Sums
    /// are in float64.
    pub fn scale(&self, x: &[f32]) -> f64 {
        if self.kind.is_none() {
            return 1.0;
        }
        let n = x.len() as f64;
        let mean = self.centre(x);
        let square = x.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
        (square + self.eps).sqrt()
    }

    /// What the norm subtracts from `x`.
    fn centre(&self, x: &[f32]) -> f64 {
        match self.kind {
            Some(NormKind::Rms) | None => 0.0,
            Some(NormKind::Layer) => x.iter().map(|v| f64::from(*v)).sum::<f64>() / x.len() as f64,
        }
    }

    /// The transpose of the norm's linear part, with `scale` given, times `direction`, `[d_model]`: its product with `x`
    /// and the product of the norm's bias with `direction` add up to the product of the normed `x` with `direction`.
    /// In float64.
    ///
    /// # Panics
    /// When `direction` is not `[d_model]`.
    pub fn pull_back(&self, direction: &[f64], scale: f64) -> Vec<f64> {
        assert_eq!(direction.len(), self.d_model, "a direction of another width than the norm");
        let weight = |i: usize| self.weight.as_ref().map_or(1.0, |weight| f64::from(weight[i]));
        let mut pulled: Vec<f64> = direction.iter().enumerate().map(|(i, g)| g * weight(i) / scale).collect();
        if self.kind == Some(NormKind::Layer) {
            // To subtract the mean is a projection, which is its own transpose.
            let mean = pulled.iter().sum::<f64>() / self.d_model as f64;
            pulled.iter_mut().for_each(|g| *g -= mean);
        }
        pulled
    }

    /// Norms `x` in place, dividing by `scale`: that of `x` itself, or another vector's ([`NormMode::FinalScale`]).
    ///
    /// # Panics
    /// When `x` is not `[d_model]`.
    pub fn apply(&self, x: &mut [f32], scale: f64) {
        self.normed(x, scale, self.bias.as_deref());
    }

    /// The linear part of [`apply`](Self::apply), in place: `x` is centred where the norm centres, divided by `scale`
    /// and multiplied by the weight; the bias is left out. With the scale of a residual that `x` is a part of, this is
    /// what `x` contributes to the normed residual.
    ///
    /// # Panics
    /// When `x` is not `[d_model]`.
    pub fn apply_linear(&self, x: &mut [f32], scale: f64) {
        self.normed(x, scale, None);
    }

    fn normed(&self, x: &mut [f32], scale: f64, bias: Option<&[f32]>) {
        assert_eq!(x.len(), self.d_model, "a vector of another width than the norm");
        let mean = self.centre(x);
        for (i, value) in x.iter_mut().enumerate() {
            let mut normed = (f64::from(*value) - mean) / scale;
            if let Some(weight) = &self.weight {
                normed *= f64::from(weight[i]);
            }
            if let Some(bias) = bias {
                normed += f64::from(bias[i]);
            }
            *value = normed as f32;
        }
    }
}

/// A norm's weight or bias does not fit the model's width.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the final norm's {name} has {got} values for d_model = {d_model}")]
pub struct NormShapeError {
    name: &'static str,
    got: usize,
    d_model: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rms_and_layer_norm_follow_their_formulas() {
        let x = [1.0f32, -2.0, 3.0, 0.5];
        let rms = FinalNorm::new(NormKind::Rms, 0.1, 4, Some(vec![2.0; 4]), None).unwrap();
        let mut y = x;
        rms.apply(&mut y, rms.scale(&x));
        let scale = ((1.0 + 4.0 + 9.0 + 0.25) / 4.0 + 0.1f64).sqrt();
        assert!((f64::from(y[2]) - 2.0 * 3.0 / scale).abs() < 1e-6);

        let layer = FinalNorm::new(NormKind::Layer, 0.0, 4, None, Some(vec![1.0; 4])).unwrap();
        let mut y = x;
        layer.apply(&mut y, layer.scale(&x));
        let mean = y.iter().sum::<f32>() / 4.0;
        let var = y.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 4.0;
        assert!((mean - 1.0).abs() < 1e-6 && (var - 1.0).abs() < 1e-5, "mean {mean}, variance {var}");
    }

    #[test]
    fn a_direction_pulled_back_meets_the_vector_as_the_direction_meets_the_normed_one() {
        let x = [1.0f32, -2.0, 3.0, 0.5];
        let (weight, bias) = (vec![2.0, 0.5, -1.0, 3.0], vec![0.1, 0.2, -0.3, 0.4]);
        let direction = [0.3, -1.0, 2.0, 0.7];
        for kind in [NormKind::Rms, NormKind::Layer] {
            let norm = FinalNorm::new(kind, 0.1, 4, Some(weight.clone()), Some(bias.clone())).unwrap();
            let scale = norm.scale(&x);
            let mut normed = x;
            norm.apply(&mut normed, scale);
            let product = |a: &[f64], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * f64::from(*b)).sum::<f64>();
            let expected = product(&direction, &normed);
            let got = product(&norm.pull_back(&direction, scale), &x) + product(&direction, &bias);
            assert!((got - expected).abs() < 1e-6, "{kind:?}: {got} instead of {expected}");
        }
    }

    #[test]
    fn a_weight_of_another_width_is_refused() {
        assert!(FinalNorm::new(NormKind::Rms, 1e-6, 4, Some(vec![1.0; 3]), None).is_err());
    }
}
