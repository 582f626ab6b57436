//! The block, and with it every point of the residual stream: written once for all families.

mod dissect;
mod heads;

use lens_core::{Point, Site};
use tch::Tensor;

use super::{
    ModelError, Step,
    end::End,
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
    mixer: Option<Mixer>,
    attn_post_norm: Option<Norm>,
    wiring: Wired,
    mlp: Option<Mlp>,
    mlp_post_norm: Option<Norm>,
    multiplier: Option<f64>,
    mlp_factor: Option<f64>,
    end: Option<End>,
}

/// [`Wiring`] with its norms loaded.
#[derive(Debug)]
enum Wired {
    Sequential { mlp_norm: Option<Norm> },
    Parallel { mlp_norm: Option<Norm> },
    PostNorm { attn_norm: Norm, mlp_norm: Norm },
    NormedResidual { mlp_norm: Norm, stream: [f64; 2] },
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
            Wiring::NormedResidual { mlp_norm, stream } => {
                Self::NormedResidual { mlp_norm: Norm::load(mlp_norm, weights)?, stream: *stream }
            }
        })
    }
}

impl Wired {
    /// The norm of the MLP of a block without a mixer.
    fn mlp_norm(&self) -> Option<&Norm> {
        match self {
            Self::Sequential { mlp_norm } | Self::Parallel { mlp_norm } => mlp_norm.as_ref(),
            Self::PostNorm { mlp_norm, .. } | Self::NormedResidual { mlp_norm, .. } => Some(mlp_norm),
        }
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
            mlp_factor: spec.mlp_factor(),
            end: spec.end.as_ref().map(|end| End::load(end, weights)).transpose()?,
        })
    }

    /// Forgets the sequence that was run: another one begins.
    pub(super) fn reset(&mut self) {
        if let Some(mixer) = &mut self.mixer {
            mixer.reset();
        }
    }

    /// Whether it can go on after any position of what it keeps of a sequence, and not after the last one alone.
    pub(super) fn resumes(&self) -> bool {
        self.mixer.as_ref().is_none_or(Mixer::resumes)
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
        let (Some(mixer), Some(mlp)) = (&mut self.mixer, &self.mlp) else {
            return self.one_branch(resid_pre, step, tap);
        };
        let attn_in = normed(self.attn_norm.as_ref(), &resid_pre)?;
        let mixed = mixer.forward(&attn_in, step, tap)?;
        let attn_out = scaled(self.multiplier, normed(self.attn_post_norm.as_ref(), &mixed)?)?;

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
                let sum = middle.f_add(&mlp.forward(&middle)?)?;
                return tap.at(here(Site::ResidPost), mlp_norm.forward(&sum)?);
            }
            Wired::NormedResidual { mlp_norm, stream } => {
                let middle = mlp_norm.forward(&times(stream[0], attn_in)?.f_add(&attn_out)?)?;
                let added = scaled(self.mlp_factor, mlp.forward(&middle)?)?;
                return tap.at(here(Site::ResidPost), times(stream[1], middle)?.f_add(&added)?);
            }
        };
        if let Some(end) = &self.end {
            // What comes after the MLP makes what the MLP adds no summand of the output.
            let sum = resid_mid.f_add(&self.mlp_adds(mlp, &mlp_in)?)?;
            return tap.at(here(Site::ResidPost), end.forward(sum, layer, step)?);
        }
        let mlp_out = self.mlp_out(mlp, &mlp_in, tap)?;
        tap.at(here(Site::ResidPost), resid_mid.f_add(&mlp_out)?)
    }

    /// A block that is a mixer alone or an MLP alone: between its input and its output is one sum.
    fn one_branch(
        &mut self,
        resid_pre: Tensor,
        step: &Step,
        tap: &mut Watch<'_>,
    ) -> Result<Tensor, ModelError> {
        let mut sum = resid_pre;
        if let Some(mixer) = &mut self.mixer {
            let mixed = mixer.forward(&normed(self.attn_norm.as_ref(), &sum)?, step, tap)?;
            let attn_out = scaled(self.multiplier, normed(self.attn_post_norm.as_ref(), &mixed)?)?;
            sum = sum.f_add(&tap.at(Point::block(self.layer, Site::AttnOut), attn_out)?)?;
        }
        if let Some(mlp) = &self.mlp {
            let mlp_out = self.mlp_out(mlp, &normed(self.wiring.mlp_norm(), &sum)?, tap)?;
            sum = sum.f_add(&mlp_out)?;
        }
        tap.at(Point::block(self.layer, Site::ResidPost), sum)
    }

    /// What the MLP adds to the stream, `[pos, d_model]`, of its normed input.
    fn mlp_out(&self, mlp: &Mlp, mlp_in: &Tensor, tap: &mut Watch<'_>) -> Result<Tensor, ModelError> {
        tap.at(Point::block(self.layer, Site::MlpOut), self.mlp_adds(mlp, mlp_in)?)
    }

    /// The same, not yet seen by a tap.
    fn mlp_adds(&self, mlp: &Mlp, mlp_in: &Tensor) -> Result<Tensor, ModelError> {
        scaled(self.mlp_factor, normed(self.mlp_post_norm.as_ref(), &mlp.forward(mlp_in)?)?)
    }
}

/// A value times a factor, unless that is one.
fn times(factor: f64, x: Tensor) -> Result<Tensor, ModelError> {
    scaled((factor != 1.0).then_some(factor), x)
}

/// A branch times its factor, if it has one.
fn scaled(factor: Option<f64>, branch: Tensor) -> Result<Tensor, ModelError> {
    Ok(match factor {
        Some(factor) => branch.f_mul_scalar(factor)?,
        None => branch,
    })
}
