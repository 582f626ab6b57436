//! Mixers as data: attention, or what a block has in its place; the part in which positions meet.

mod attention;
mod convolution;

use std::sync::Arc;

use lens_core::{MixerKind, Site};

pub use attention::{Alibi, AlibiPrecision, AttentionSpec, Mask, Position, QkNorm, QkScope, QueryGrowth};
pub use convolution::ShortConvolutionSpec;

use super::{param::Param, rope::Rope};

/// The part of a block through which a position sees earlier ones.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a model has one for each layer: nothing to save")]
pub enum MixerSpec {
    /// Attention over keys and values.
    Attention(AttentionSpec),
    /// A gated short convolution.
    ShortConvolution(ShortConvolutionSpec),
}

impl From<AttentionSpec> for MixerSpec {
    fn from(attention: AttentionSpec) -> Self {
        Self::Attention(attention)
    }
}

impl From<ShortConvolutionSpec> for MixerSpec {
    fn from(convolution: ShortConvolutionSpec) -> Self {
        Self::ShortConvolution(convolution)
    }
}

impl MixerSpec {
    /// Its kind, by which traces and tables name it.
    pub fn kind(&self) -> MixerKind {
        match self {
            Self::Attention(_) => MixerKind::Attention,
            Self::ShortConvolution(_) => MixerKind::ShortConvolution,
        }
    }

    /// Its parameters.
    pub fn params(&self) -> Vec<&Param> {
        match self {
            Self::Attention(attention) => attention.params().collect(),
            Self::ShortConvolution(convolution) => convolution.params().collect(),
        }
    }

    /// The rotary embedding that it uses, if any.
    pub fn rope(&self) -> Option<&Arc<Rope>> {
        match self {
            Self::Attention(attention) => attention.rope(),
            Self::ShortConvolution(_) => None,
        }
    }

    /// The shape of `z` at one position, `[n_heads, d_head]`; `None` if the mixer has no `z`.
    pub fn z_shape(&self) -> Option<[usize; 2]> {
        match self {
            Self::Attention(attention) => Some([attention.n_heads, attention.d_head]),
            Self::ShortConvolution(_) => None,
        }
    }

    /// The sites that a block with this mixer does not have.
    pub fn absent_sites(&self) -> &'static [Site] {
        match self.z_shape() {
            Some(_) => &[],
            None => &[Site::Z],
        }
    }

    /// How many values its cache keeps of a sequence of `room` tokens, so that the sequence can be continued.
    pub fn kept_values(&self, room: usize) -> usize {
        match self {
            Self::Attention(attention) => (2 * attention.n_kv_heads * attention.d_head).saturating_mul(room),
            Self::ShortConvolution(convolution) => convolution.channels * convolution.kept_positions(),
        }
    }
}
