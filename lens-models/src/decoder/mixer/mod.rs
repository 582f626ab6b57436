//! Mixers: through what the positions of a sequence see earlier ones. Each owns what it keeps of the sequence.

mod attention;
mod convolution;
mod delta;
mod filter;
mod fused;
mod kept;
mod latent;

use tch::Tensor;

pub(super) use self::attention::writes_scores;
use self::{attention::Attention, convolution::ShortConvolution, delta::GatedDelta, latent::LatentAttention};
use super::{
    ModelError,
    finite::Watch,
    step::Step,
    weights::{Linear, Weights},
};
use crate::spec::MixerSpec;

/// The mixer of one block, with its weights and with what it keeps of the sequence so far.
#[derive(Debug)]
pub(super) enum Mixer {
    Attention(Box<Attention>),
    Latent(Box<LatentAttention>),
    Delta(Box<GatedDelta>),
    ShortConvolution(Box<ShortConvolution>),
}

impl Mixer {
    pub(super) fn load(layer: u16, spec: &MixerSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        Ok(match spec {
            MixerSpec::Attention(spec) => Self::Attention(Box::new(Attention::load(layer, spec, weights)?)),
            MixerSpec::LatentAttention(spec) => {
                Self::Latent(Box::new(LatentAttention::load(layer, spec, weights)?))
            }
            MixerSpec::GatedDelta(spec) => Self::Delta(Box::new(GatedDelta::load(layer, spec, weights)?)),
            MixerSpec::ShortConvolution(spec) => {
                Self::ShortConvolution(Box::new(ShortConvolution::load(spec, weights)?))
            }
        })
    }

    /// The projection back to the stream, `[d_model, ..]`.
    pub(super) fn output(&self) -> &Linear {
        match self {
            Self::Attention(attention) => attention.output(),
            Self::Latent(attention) => attention.output(),
            Self::Delta(delta) => delta.output(),
            Self::ShortConvolution(convolution) => convolution.output(),
        }
    }

    /// Forgets the sequence that was run: another one begins.
    pub(super) fn reset(&mut self) {
        match self {
            Self::Attention(attention) => attention.reset(),
            Self::Latent(attention) => attention.reset(),
            Self::Delta(delta) => delta.reset(),
            Self::ShortConvolution(convolution) => convolution.reset(),
        }
    }

    /// Whether it can go on after any position of what it keeps of a sequence, and not after the last one alone.
    pub(super) fn resumes(&self) -> bool {
        matches!(self, Self::Attention(_))
    }

    /// What the mixer computes at the tokens of a step, from them and from everything before them. `x` is the normed
    /// stream, `[pos, d_model]`; so is the result.
    pub(super) fn forward(
        &mut self,
        x: &Tensor,
        step: &Step,
        tap: &mut Watch<'_>,
    ) -> Result<Tensor, ModelError> {
        match self {
            Self::Attention(attention) => attention.forward(x, step, tap),
            Self::Latent(attention) => attention.forward(x, step, tap),
            Self::Delta(delta) => delta.forward(x, step, tap),
            Self::ShortConvolution(convolution) => convolution.forward(x, step),
        }
    }
}
