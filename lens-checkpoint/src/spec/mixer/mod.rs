//! Mixers as data: attention, or what a block has in its place; the part in which positions meet.

mod attention;
mod convolution;
mod delta;
mod filter;
mod latent;

use std::sync::Arc;

use lens_core::{MixerKind, Site};

pub use attention::{Alibi, AlibiPrecision, AttentionSpec, Mask, Position, QkNorm, QkScope};
pub use convolution::ShortConvolutionSpec;
pub use delta::GatedDeltaSpec;
pub use filter::FilterSpec;
pub use latent::{LatentAttentionSpec, LatentQuery};

use super::{
    param::{LinearSpec, Param},
    rope::Rope,
};

/// The part of a block through which a position sees earlier ones.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a model has one for each layer: nothing to save")]
pub enum MixerSpec {
    /// Attention over keys and values.
    Attention(AttentionSpec),
    /// Attention over keys and values that are made of one narrow vector a position.
    LatentAttention(LatentAttentionSpec),
    /// A gated delta net.
    GatedDelta(GatedDeltaSpec),
    /// A gated short convolution.
    ShortConvolution(ShortConvolutionSpec),
}

impl From<AttentionSpec> for MixerSpec {
    fn from(attention: AttentionSpec) -> Self {
        Self::Attention(attention)
    }
}

impl From<LatentAttentionSpec> for MixerSpec {
    fn from(attention: LatentAttentionSpec) -> Self {
        Self::LatentAttention(attention)
    }
}

impl From<GatedDeltaSpec> for MixerSpec {
    fn from(delta: GatedDeltaSpec) -> Self {
        Self::GatedDelta(delta)
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
            Self::LatentAttention(_) => MixerKind::LatentAttention,
            Self::GatedDelta(_) => MixerKind::GatedDeltaNet,
            Self::ShortConvolution(_) => MixerKind::ShortConvolution,
        }
    }

    /// Its parameters.
    pub fn params(&self) -> Vec<&Param> {
        match self {
            Self::Attention(attention) => attention.params().collect(),
            Self::LatentAttention(attention) => attention.params().collect(),
            Self::GatedDelta(delta) => delta.params().collect(),
            Self::ShortConvolution(convolution) => convolution.params().collect(),
        }
    }

    /// Its output projection, `[d_model, ..]`.
    pub fn output(&self) -> &LinearSpec {
        match self {
            Self::Attention(attention) => &attention.o,
            Self::LatentAttention(attention) => &attention.o,
            Self::GatedDelta(delta) => &delta.o,
            Self::ShortConvolution(convolution) => &convolution.output,
        }
    }

    /// The rotary embedding that it uses, if any.
    pub fn rope(&self) -> Option<&Arc<Rope>> {
        match self {
            Self::Attention(attention) => attention.rope(),
            Self::LatentAttention(attention) => attention.rope.as_ref(),
            Self::GatedDelta(_) | Self::ShortConvolution(_) => None,
        }
    }

    /// The shape of `z` at one position, `[n_heads, width of a value]`; `None` if the mixer has no `z`.
    pub fn z_shape(&self) -> Option<[usize; 2]> {
        match self {
            Self::Attention(attention) => Some([attention.n_heads, attention.d_head]),
            Self::LatentAttention(attention) => Some([attention.n_heads, attention.d_value]),
            Self::GatedDelta(delta) => Some([delta.n_heads, delta.d_value]),
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
            Self::LatentAttention(attention) => attention.d_kept().saturating_mul(room),
            Self::GatedDelta(delta) => delta.kept_values(),
            Self::ShortConvolution(convolution) => convolution.channels * convolution.kept_positions(),
        }
    }
}
