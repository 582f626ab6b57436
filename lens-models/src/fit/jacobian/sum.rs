//! The Jacobians of some prompts, summed.

use std::collections::BTreeMap;

use lens_core::{LensMap, Point, Provenance, Site, Translator};
use tch::Tensor;

use crate::{decoder::ModelError, fit::FitError};

/// The sum of the Jacobians of some prompts, for every source point.
#[derive(Debug, Clone, PartialEq)]
pub struct JacobianSum {
    pub(super) d_model: usize,
    /// Prompts that are in the sum.
    pub(super) n_prompts: u64,
    /// `[d_model, d_model]` row-major each: one row for each dimension of the final residual.
    pub(super) sums: BTreeMap<Point, Vec<f32>>,
}

impl JacobianSum {
    /// No prompt yet.
    pub fn new(d_model: usize, sources: &[Point]) -> Self {
        let sums = sources.iter().map(|point| (*point, vec![0.0; d_model * d_model])).collect();
        Self { d_model, n_prompts: 0, sums }
    }

    /// Prompts that are in the sum.
    pub fn n_prompts(&self) -> u64 {
        self.n_prompts
    }

    /// The source points and their sums, `[d_model, d_model]` row-major.
    pub fn sums(&self) -> impl Iterator<Item = (Point, &[f32])> {
        self.sums.iter().map(|(point, sum)| (*point, sum.as_slice()))
    }

    /// Adds the Jacobians of a prompt, in the order of the source points.
    pub(super) fn add(&mut self, jacobians: &[Tensor]) -> Result<(), ModelError> {
        for (sum, jacobian) in self.sums.values_mut().zip(jacobians) {
            let mut values = vec![0f32; sum.len()];
            copy(jacobian, &mut values)?;
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        self.n_prompts += 1;
        Ok(())
    }

    /// The lens of the mean Jacobians.
    ///
    /// # Errors
    /// When there is no prompt in the sum, or a Jacobian is not finite.
    pub fn lens(&self, provenance: Provenance) -> Result<Translator, FitError> {
        if self.n_prompts == 0 {
            return Err(FitError::NoPrompts);
        }
        let mut site = Site::ResidPost;
        let mut maps = Vec::with_capacity(self.sums.len());
        for (point, sum) in &self.sums {
            let Point::Block { layer, site: here } = *point else { continue };
            site = here;
            let mean = sum.iter().map(|sum| (f64::from(*sum) / self.n_prompts as f64) as f32).collect();
            maps.push((layer, LensMap::new(self.d_model, mean, None, false)?));
        }
        Ok(Translator::jacobian(self.d_model, site, maps, provenance)?)
    }
}

/// The values of a float32 tensor on the processor.
pub(super) fn copy(tensor: &Tensor, values: &mut [f32]) -> Result<(), ModelError> {
    Ok(tensor.f_contiguous()?.f_copy_data(values, values.len())?)
}
