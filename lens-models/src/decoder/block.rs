//! The block, and with it every point of the residual stream: written once for all families.

use lens_core::{Point, Site};
use tch::Tensor;

use super::{ModelError, Step, Tap, attention::Attention, mlp::Mlp, norm::Norm, weights::Weights};
use crate::spec::LayerSpec;

/// One block.
#[derive(Debug)]
pub(super) struct Block {
    layer: u16,
    attn_norm: Norm,
    attn: Attention,
    mlp_norm: Norm,
    mlp: Mlp,
}

impl Block {
    pub(super) fn load(layer: u16, spec: &LayerSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(Self {
            layer,
            attn_norm: Norm::load(&spec.attn_norm, weights)?,
            attn: Attention::load(&spec.attn, weights)?,
            mlp_norm: Norm::load(&spec.mlp_norm, weights)?,
            mlp: Mlp::load(&spec.mlp, weights)?,
        })
    }

    /// Runs the block on the residual stream, `[pos, d_model]`, and returns the stream behind it.
    pub(super) fn forward(
        &mut self,
        x: Tensor,
        step: &Step,
        tap: &mut dyn Tap,
    ) -> Result<Tensor, ModelError> {
        let layer = self.layer;
        let here = |site| Point::block(layer, site);
        let resid_pre = tap.at(here(Site::ResidPre), x)?;
        let attn_out = self.attn.forward(&self.attn_norm.forward(&resid_pre)?, layer, step, tap)?;
        let attn_out = tap.at(here(Site::AttnOut), attn_out)?;
        let resid_mid = tap.at(here(Site::ResidMid), resid_pre.f_add(&attn_out)?)?;
        let mlp_out = self.mlp.forward(&self.mlp_norm.forward(&resid_mid)?)?;
        let mlp_out = tap.at(here(Site::MlpOut), mlp_out)?;
        tap.at(here(Site::ResidPost), resid_mid.f_add(&mlp_out)?)
    }
}
