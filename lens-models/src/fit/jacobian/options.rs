//! How to estimate Jacobians.

use lens_core::{Point, Site};

use crate::fit::FitError;

/// How to estimate Jacobians.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JacobianOptions {
    /// The site of each block that is a source: [`Site::ResidPost`] unless the lens is of `attn_out` or `mlp_out`.
    pub site: Site,
    /// The blocks that are sources, ascending; `None` means every block but the last, whose Jacobian is the identity
    /// (at `resid_post`), and every block at other sites.
    pub layers: Option<Vec<u16>>,
    /// How many rows of the Jacobians a backward pass gives: as many copies of the prompt are run at once.
    pub dim_batch: usize,
    /// Prompts are cut to this many tokens.
    pub max_tokens: usize,
    /// Positions at the beginning of a prompt that are left out.
    pub skip_first: usize,
}

impl Default for JacobianOptions {
    /// Those of the reference: `resid_post`, 8 copies, 128 tokens, 16 positions skipped.
    fn default() -> Self {
        Self { site: Site::ResidPost, layers: None, dim_batch: 8, max_tokens: 128, skip_first: 16 }
    }
}

impl JacobianOptions {
    lens_core::setters! {
        /// The site of each block that is a source.
        with_site => site: Site,
        /// The blocks that are sources, ascending.
        with_layers => layers: Option<Vec<u16>>,
        /// How many rows of the Jacobians a backward pass gives.
        with_dim_batch => dim_batch: usize,
        /// Prompts are cut to this many tokens.
        with_max_tokens => max_tokens: usize,
        /// Positions at the beginning of a prompt that are left out.
        with_skip_first => skip_first: usize,
    }

    /// The shortest prompt that has a valid position, in tokens.
    pub fn shortest(&self) -> usize {
        self.skip_first.saturating_add(2)
    }

    /// The source points in a model of `n_layers` blocks, ascending.
    ///
    /// # Errors
    /// When a layer does not exist, or there is none left.
    pub fn sources(&self, n_layers: u16) -> Result<Vec<Point>, FitError> {
        let last = if self.site == Site::ResidPost { n_layers.saturating_sub(1) } else { n_layers };
        let layers: Vec<u16> = match &self.layers {
            None => (0..last).collect(),
            Some(layers) => layers.clone(),
        };
        if let Some(layer) = layers.iter().find(|layer| **layer >= last) {
            return Err(FitError::NoSource { layer: *layer, site: self.site, n: last });
        }
        if layers.is_empty() {
            return Err(FitError::NoSources);
        }
        Ok(layers.into_iter().map(|layer| Point::block(layer, self.site)).collect())
    }
}
