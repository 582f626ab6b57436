//! A linear map in host memory.

use rayon::prelude::*;

/// `y = W x + b`, in float32 with sums in float64.
#[derive(Debug, Clone)]
pub(crate) struct HostLinear {
    /// `[out, in]`
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    d_in: usize,
}

impl HostLinear {
    /// `weight` is `[out, d_in]`.
    pub(crate) fn new(weight: Vec<f32>, bias: Option<Vec<f32>>, d_in: usize) -> Self {
        Self { weight, bias, d_in }
    }

    /// The width of what it reads.
    pub(crate) fn d_in(&self) -> usize {
        self.d_in
    }

    /// Appends `W x + b`.
    pub(crate) fn apply(&self, x: &[f32], out: &mut Vec<f32>) {
        let dot = |(i, row): (usize, &[f32])| {
            let sum: f64 = row.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
            (sum + self.bias.as_ref().map_or(0.0, |bias| f64::from(bias[i]))) as f32
        };
        out.par_extend(self.weight.par_chunks_exact(self.d_in).enumerate().map(dot));
    }
}
