//! Mixers: through what the positions of a sequence see earlier ones. Each owns what it keeps of the sequence.

mod attention;
mod convolution;
mod delta;
mod differential;
mod filter;
mod fused;
mod gate;
mod growth;
mod kept;
mod latent;
mod lightning;
mod mamba;
mod mamba2;
mod scan;
mod side_by_side;

use tch::Tensor;

pub(super) use self::attention::writes_scores;
use self::{
    attention::Attention, convolution::ShortConvolution, delta::GatedDelta, latent::LatentAttention,
    lightning::Lightning, mamba::Mamba, mamba2::Mamba2, side_by_side::SideBySide,
};
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
    Mamba(Box<Mamba>),
    Mamba2(Box<Mamba2>),
    SideBySide(Box<SideBySide>),
    ShortConvolution(Box<ShortConvolution>),
    Lightning(Box<Lightning>),
}

impl Mixer {
    /// The mixer of a block, if it has one.
    pub(super) fn load(
        layer: u16,
        spec: &MixerSpec,
        weights: &Weights<'_>,
    ) -> Result<Option<Self>, ModelError> {
        Ok(Some(match spec {
            MixerSpec::Attention(spec) => Self::Attention(Box::new(Attention::load(layer, spec, weights)?)),
            MixerSpec::LatentAttention(spec) => {
                Self::Latent(Box::new(LatentAttention::load(layer, spec, weights)?))
            }
            MixerSpec::GatedDelta(spec) => Self::Delta(Box::new(GatedDelta::load(layer, spec, weights)?)),
            MixerSpec::Mamba(spec) => Self::Mamba(Box::new(Mamba::load(layer, spec, weights)?)),
            MixerSpec::Mamba2(spec) => Self::Mamba2(Box::new(Mamba2::load(layer, spec, weights)?)),
            MixerSpec::SideBySide(spec) => {
                Self::SideBySide(Box::new(SideBySide::load(layer, spec, weights)?))
            }
            MixerSpec::Lightning(spec) => Self::Lightning(Box::new(Lightning::load(layer, spec, weights)?)),
            MixerSpec::Absent => return Ok(None),
            MixerSpec::ShortConvolution(spec) => {
                Self::ShortConvolution(Box::new(ShortConvolution::load(spec, weights)?))
            }
        }))
    }

    /// The projection back to the stream, `[d_model, ..]`, if there is one alone.
    pub(super) fn output(&self) -> Option<&Linear> {
        match self {
            Self::Attention(attention) => Some(attention.output()),
            Self::Latent(attention) => Some(attention.output()),
            Self::Delta(delta) => Some(delta.output()),
            Self::Mamba(mamba) => Some(mamba.output()),
            Self::Mamba2(mamba) => Some(mamba.output()),
            Self::SideBySide(_) => None,
            Self::ShortConvolution(convolution) => Some(convolution.output()),
            Self::Lightning(lightning) => Some(lightning.output()),
        }
    }

    /// Forgets the sequence that was run: another one begins.
    pub(super) fn reset(&mut self) {
        match self {
            Self::Attention(attention) => attention.reset(),
            Self::Latent(attention) => attention.reset(),
            Self::Delta(delta) => delta.reset(),
            Self::Mamba(mamba) => mamba.reset(),
            Self::Mamba2(mamba) => mamba.reset(),
            Self::SideBySide(both) => both.reset(),
            Self::ShortConvolution(convolution) => convolution.reset(),
            Self::Lightning(lightning) => lightning.reset(),
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
            Self::Mamba(mamba) => mamba.forward(x, step, tap),
            Self::Mamba2(mamba) => mamba.forward(x, step, tap),
            Self::SideBySide(both) => both.forward(x, step, tap),
            Self::ShortConvolution(convolution) => convolution.forward(x, step),
            Self::Lightning(lightning) => lightning.forward(x, step, tap),
        }
    }
}
