//! A dense affine map of vectors of the stream.

use crate::point::Point;

/// A dense affine map of vectors of the stream: `y = W x + b`, or `y = x + W x + b`.
#[derive(Debug, Clone, PartialEq)]
pub struct LensMap {
    d_model: usize,
    weight: Vec<f32>,       // [d_model, d_model], row-major
    bias: Option<Vec<f32>>, // [d_model]
    residual: bool,
}

impl LensMap {
    /// A map with `weight` W, `[d_model, d_model]` row-major, and `bias` b, `[d_model]`; `residual` adds x itself.
    ///
    /// # Errors
    /// When a shape does not fit, or a value is NaN or infinite.
    pub fn new(
        d_model: usize,
        weight: Vec<f32>,
        bias: Option<Vec<f32>>,
        residual: bool,
    ) -> Result<Self, MapShapeError> {
        if d_model == 0 || Some(weight.len()) != d_model.checked_mul(d_model) {
            return Err(MapShapeError::Weight { values: weight.len(), d_model });
        }
        if let Some(bias) = &bias
            && bias.len() != d_model
        {
            return Err(MapShapeError::Bias { values: bias.len(), d_model });
        }
        let broken = |values: &[f32]| values.iter().position(|value| !value.is_finite());
        if let Some(index) = broken(&weight) {
            return Err(MapShapeError::NotFinite { what: "weight", index });
        }
        if let Some(index) = bias.as_deref().and_then(broken) {
            return Err(MapShapeError::NotFinite { what: "bias", index });
        }
        Ok(Self { d_model, weight, bias, residual })
    }

    /// Width of the vectors.
    pub fn d_model(&self) -> usize {
        self.d_model
    }

    /// W, `[d_model, d_model]` row-major: one row for each value of the result.
    pub fn weight(&self) -> &[f32] {
        &self.weight
    }

    /// b, `[d_model]`.
    pub fn bias(&self) -> Option<&[f32]> {
        self.bias.as_deref()
    }

    /// Whether x itself is added.
    pub fn is_residual(&self) -> bool {
        self.residual
    }

    /// Translates `[rows, d_model]`, row-major, in float32 with sums in the order of the columns: the plain way, for
    /// backends without a matrix product of their own. A last row that is not whole is left out.
    pub fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let mut out = Vec::with_capacity(rows.len());
        for x in rows.chunks_exact(self.d_model) {
            for (i, weights) in self.weight.chunks_exact(self.d_model).enumerate() {
                let product: f32 = weights.iter().zip(x).map(|(w, x)| w * x).sum();
                let bias = self.bias.as_ref().map_or(0.0, |bias| bias[i]);
                out.push(if self.residual { x[i] + (product + bias) } else { product + bias });
            }
        }
        out
    }
}

impl LensMap {
    /// What a vector x has to be multiplied with, for the product of its translation with `direction`, `[d_model]`; and
    /// the part of that product that the bias makes. In float64.
    ///
    /// # Panics
    /// When `direction` is not `[d_model]`.
    pub fn pull_back(&self, direction: &[f64]) -> (Vec<f64>, f64) {
        assert_eq!(direction.len(), self.d_model, "a direction of another width than the map");
        let mut pulled = if self.residual { direction.to_vec() } else { vec![0.0; self.d_model] };
        for (weights, g) in self.weight.chunks_exact(self.d_model).zip(direction) {
            pulled.iter_mut().zip(weights).for_each(|(sum, w)| *sum += g * f64::from(*w));
        }
        let bias = self.bias.as_deref().unwrap_or_default();
        (pulled, bias.iter().zip(direction).map(|(b, g)| f64::from(*b) * g).sum())
    }
}

/// Why weights do not make a map, or maps do not make a lens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapShapeError {
    /// The weights do not form a square matrix.
    #[error("a map of {values} weights is not a [{d_model}, {d_model}] matrix")]
    Weight {
        /// Number of weights.
        values: usize,
        /// Width of the stream.
        d_model: usize,
    },
    /// The bias does not fit.
    #[error("a bias of {values} values does not fit vectors of {d_model}")]
    Bias {
        /// Number of values.
        values: usize,
        /// Width of the stream.
        d_model: usize,
    },
    /// A value that is NaN or infinite.
    #[error("value {index} of the map's {what} is NaN or infinite")]
    NotFinite {
        /// `weight` or `bias`.
        what: &'static str,
        /// Which value, in row-major order.
        index: usize,
    },
    /// A map of another width than its lens.
    #[error("the map for {point} is for vectors of {width}, the lens for vectors of {d_model}")]
    OtherWidth {
        /// Which map.
        point: Point,
        /// Its width.
        width: usize,
        /// The lens's width.
        d_model: usize,
    },
    /// A map for a point whose vectors are per head.
    #[error("{point} is not a vector of the residual stream, so that no lens can translate it")]
    NotInTheStream {
        /// The point.
        point: Point,
    },
    /// Two maps for one point.
    #[error("a second map for {point}")]
    Twice {
        /// The point.
        point: Point,
    },
    /// A lens without any map.
    #[error("the lens has no map at all")]
    NoMap,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_multiplies_rows_and_adds_what_it_should() {
        let weight = vec![1.0, 2.0, 3.0, 4.0];
        let map = |bias, residual| LensMap::new(2, weight.clone(), bias, residual).unwrap();
        assert_eq!(map(None, false).apply(&[1.0, 10.0, 0.0, 1.0]), [21.0, 43.0, 2.0, 4.0]);
        assert_eq!(map(Some(vec![0.5, -0.5]), true).apply(&[1.0, 10.0]), [22.5, 52.5]);
    }

    #[test]
    fn a_product_after_a_map_is_one_before_it() {
        let weight = vec![1.0, 2.0, 3.0, 4.0];
        let (x, g) = ([1.0f32, 10.0], [0.5, -2.0]);
        for residual in [false, true] {
            let map = LensMap::new(2, weight.clone(), Some(vec![0.5, -0.5]), residual).unwrap();
            let y = map.apply(&x);
            let (pulled, bias) = map.pull_back(&g);
            let product = |a: &[f64], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * f64::from(*b)).sum::<f64>();
            assert_eq!(product(&pulled, &x) + bias, product(&g, &y));
        }
    }

    #[test]
    fn a_map_that_cannot_be_is_refused() {
        let refused =
            |d, weight: Vec<f32>, bias| LensMap::new(d, weight, bias, false).unwrap_err().to_string();
        assert!(refused(2, vec![0.0; 3], None).contains("3 weights is not a [2, 2] matrix"));
        assert!(refused(0, Vec::new(), None).contains("0 weights"));
        assert!(refused(2, vec![0.0; 4], Some(vec![0.0; 3])).contains("bias of 3 values"));
        assert!(refused(1, vec![f32::NAN], None).contains("value 0 of the map's weight"));
        assert!(refused(1, vec![0.0], Some(vec![f32::INFINITY])).contains("value 0 of the map's bias"));
    }
}
