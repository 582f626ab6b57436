//! The block, and with it every point of the residual stream: written once for all families.

mod dissect;
mod heads;

use lens_core::{Point, Site};
use tch::Tensor;

use super::{
    ModelError, Step,
    finite::Watch,
    mixer::Mixer,
    mlp::Mlp,
    norm::{Norm, normed},
    weights::Weights,
};
use crate::spec::{LayerSpec, Wiring};

/// One block.
#[derive(Debug)]
pub(super) struct Block {
    layer: u16,
    attn_norm: Option<Norm>,
    mixer: Mixer,
    attn_post_norm: Option<Norm>,
    wiring: Wired,
    mlp: Mlp,
    mlp_post_norm: Option<Norm>,
    multiplier: Option<f64>,
}

/// [`Wiring`] with its norms loaded.
#[derive(Debug)]
enum Wired {
    Sequential { mlp_norm: Option<Norm> },
    Parallel { mlp_norm: Option<Norm> },
    PostNorm { attn_norm: Norm, mlp_norm: Norm },
    NormedResidual { mlp_norm: Norm },
}

impl Wired {
    fn load(wiring: &Wiring, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let optional = |norm: &Option<_>| Norm::load_optional(norm.as_ref(), weights);
        Ok(match wiring {
            Wiring::Sequential { mlp_norm } => Self::Sequential { mlp_norm: optional(mlp_norm)? },
            Wiring::Parallel { mlp_norm } => Self::Parallel { mlp_norm: optional(mlp_norm)? },
            Wiring::PostNorm { attn_norm, mlp_norm } => Self::PostNorm {
                attn_norm: Norm::load(attn_norm, weights)?,
                mlp_norm: Norm::load(mlp_norm, weights)?,
            },
            Wiring::NormedResidual { mlp_norm } => {
                Self::NormedResidual { mlp_norm: Norm::load(mlp_norm, weights)? }
            }
        })
    }
}

impl Block {
    pub(super) fn load(layer: u16, spec: &LayerSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let norm = |norm: &Option<_>| Norm::load_optional(norm.as_ref(), weights);
        Ok(Self {
            layer,
            attn_norm: norm(&spec.attn_norm)?,
            mixer: Mixer::load(layer, &spec.mixer, weights)?,
            attn_post_norm: norm(&spec.attn_post_norm)?,
            wiring: Wired::load(&spec.wiring, weights)?,
            mlp: Mlp::load(&spec.mlp, weights)?,
            mlp_post_norm: norm(&spec.mlp_post_norm)?,
            multiplier: spec.multiplier,
        })
    }

    /// Forgets the sequence that was run: another one begins.
    pub(super) fn reset(&mut self) {
        self.mixer.reset();
    }

    /// Whether it can go on after any position of what it keeps of a sequence, and not after the last one alone.
    pub(super) fn resumes(&self) -> bool {
        self.mixer.resumes()
    }

    /// Runs the block on the residual stream, `[pos, d_model]`, and returns the stream after it.
    pub(super) fn forward(
        &mut self,
        x: Tensor,
        step: &Step,
        tap: &mut Watch<'_>,
    ) -> Result<Tensor, ModelError> {
        let layer = self.layer;
        let here = |site| Point::block(layer, site);
        let resid_pre = tap.at(here(Site::ResidPre), x)?;
        let attn_in = normed(self.attn_norm.as_ref(), &resid_pre)?;
        let mixed = self.mixer.forward(&attn_in, step, tap)?;
        let attn_out = self.scaled(normed(self.attn_post_norm.as_ref(), &mixed)?)?;

        let (resid_mid, mlp_in) = match &self.wiring {
            Wired::Sequential { mlp_norm } => {
                let attn_out = tap.at(here(Site::AttnOut), attn_out)?;
                let resid_mid = tap.at(here(Site::ResidMid), resid_pre.f_add(&attn_out)?)?;
                let mlp_in = normed(mlp_norm.as_ref(), &resid_mid)?;
                (resid_mid, mlp_in)
            }
            Wired::Parallel { mlp_norm } => {
                let attn_out = tap.at(here(Site::AttnOut), attn_out)?;
                let resid_mid = tap.at(here(Site::ResidMid), resid_pre.f_add(&attn_out)?)?;
                (resid_mid, mlp_norm.as_ref().map_or(Ok(attn_in), |norm| norm.forward(&resid_pre))?)
            }
            // In the last two, branches are not summands of the stream: there is nothing for a tap to see.
            Wired::PostNorm { attn_norm, mlp_norm } => {
                let middle = attn_norm.forward(&resid_pre.f_add(&attn_out)?)?;
                let sum = middle.f_add(&self.mlp.forward(&middle)?)?;
                return tap.at(here(Site::ResidPost), mlp_norm.forward(&sum)?);
            }
            Wired::NormedResidual { mlp_norm } => {
                let middle = mlp_norm.forward(&attn_in.f_add(&attn_out)?)?;
                return tap.at(here(Site::ResidPost), middle.f_add(&self.mlp.forward(&middle)?)?);
            }
        };
        let mlp_out = self.scaled(normed(self.mlp_post_norm.as_ref(), &self.mlp.forward(&mlp_in)?)?)?;
        let mlp_out = tap.at(here(Site::MlpOut), mlp_out)?;
        tap.at(here(Site::ResidPost), resid_mid.f_add(&mlp_out)?)
    }

    fn scaled(&self, branch: Tensor) -> Result<Tensor, ModelError> {
        Ok(match self.multiplier {
            Some(factor) => branch.f_mul_scalar(factor)?,
            None => branch,
        })
    }
}
