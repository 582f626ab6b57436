//! Mixers as data: attention, or what a block has in its place; the part in which positions meet.

mod attention;
mod convolution;
mod delta;
mod filter;
mod latent;
mod lightning;
mod side_by_side;
mod state_space;

use std::sync::Arc;

use lens_core::{MixerKind, Site};

pub use attention::{
    Alibi, AlibiPrecision, AttentionGate, AttentionSpec, DifferentialSpec, GateFunction, GateScope, Mask,
    Position, QkNorm, QkScope, QueryGrowth, Sharing,
};
pub use convolution::ShortConvolutionSpec;
pub use delta::GatedDeltaSpec;
pub use filter::FilterSpec;
pub use latent::{LatentAttentionSpec, LatentQuery};
pub use lightning::LightningSpec;
pub use side_by_side::SideBySideSpec;
pub use state_space::{GateNorm, Mamba2Factors, Mamba2Spec, MambaSpec, ScanNorms};

use super::{
    param::{LinearSpec, Param},
    rope::Rope,
};

/// The part of a block through which a position sees earlier ones.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "there is one for each layer, and most are attention")]
pub enum MixerSpec {
    /// Attention over keys and values.
    Attention(AttentionSpec),
    /// Attention over keys and values that are made of one narrow vector a position.
    LatentAttention(LatentAttentionSpec),
    /// A gated delta net.
    GatedDelta(GatedDeltaSpec),
    /// A Mamba mixer.
    Mamba(Box<MambaSpec>),
    /// A Mamba-2 mixer.
    Mamba2(Box<Mamba2Spec>),
    /// Attention and a Mamba-2 mixer whose outputs are added up.
    SideBySide(Box<SideBySideSpec>),
    /// None: the block is an MLP alone.
    Absent,
    /// A gated short convolution.
    ShortConvolution(ShortConvolutionSpec),
    /// Lightning attention.
    Lightning(Box<LightningSpec>),
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
            Self::Mamba(_) => MixerKind::Mamba,
            Self::Mamba2(_) => MixerKind::Mamba2,
            Self::SideBySide(_) => MixerKind::AttentionAndMamba2,
            Self::Absent => MixerKind::None,
            Self::ShortConvolution(_) => MixerKind::ShortConvolution,
            Self::Lightning(_) => MixerKind::LightningAttention,
        }
    }

    /// Its parameters.
    pub fn params(&self) -> Vec<&Param> {
        match self {
            Self::Attention(attention) => attention.params().collect(),
            Self::LatentAttention(attention) => attention.params().collect(),
            Self::GatedDelta(delta) => delta.params().collect(),
            Self::Mamba(mamba) => mamba.params().collect(),
            Self::Mamba2(mamba) => mamba.params().collect(),
            Self::SideBySide(both) => both.params().collect(),
            Self::Absent => Vec::new(),
            Self::ShortConvolution(convolution) => convolution.params().collect(),
            Self::Lightning(lightning) => lightning.params().collect(),
        }
    }

    /// The projection back to the stream, `[d_model, ..]`, if there is one alone.
    pub fn output(&self) -> Option<&LinearSpec> {
        match self {
            Self::Attention(attention) => Some(&attention.o),
            Self::LatentAttention(attention) => Some(&attention.o),
            Self::GatedDelta(delta) => Some(&delta.o),
            Self::Mamba(mamba) => Some(&mamba.output),
            Self::Mamba2(mamba) => Some(&mamba.output),
            Self::SideBySide(_) | Self::Absent => None,
            Self::ShortConvolution(convolution) => Some(&convolution.output),
            Self::Lightning(lightning) => Some(&lightning.o),
        }
    }

    /// The rotary embedding that it uses, if any.
    pub fn rope(&self) -> Option<&Arc<Rope>> {
        match self {
            Self::Attention(attention) => attention.rope(),
            Self::LatentAttention(attention) => attention.rope.as_ref(),
            Self::SideBySide(both) => both.attention.rope(),
            Self::GatedDelta(_) | Self::Mamba(_) | Self::Mamba2(_) | Self::Absent => None,
            Self::ShortConvolution(_) | Self::Lightning(_) => None,
        }
    }

    /// The shape of `z` at one position, `[n_heads, width of a value]`; `None` if the mixer has no `z`.
    pub fn z_shape(&self) -> Option<[usize; 2]> {
        match self {
            Self::Attention(attention) => Some(attention.z_shape()),
            Self::LatentAttention(attention) => Some([attention.n_heads, attention.d_value]),
            Self::GatedDelta(delta) => Some([delta.n_heads, delta.d_value]),
            Self::Mamba2(mamba) => Some([mamba.n_heads, mamba.d_head]),
            Self::Lightning(lightning) => Some([lightning.n_heads, lightning.d_head]),
            Self::Mamba(_) | Self::SideBySide(_) | Self::Absent => None,
            Self::ShortConvolution(_) => None,
        }
    }

    /// The sites that a block with this mixer does not have.
    pub fn absent_sites(&self) -> &'static [Site] {
        match (self, self.z_shape()) {
            (Self::Absent, _) => &[Site::Z, Site::AttnOut, Site::ResidMid],
            (_, Some(_)) => &[],
            (_, None) => &[Site::Z],
        }
    }

    /// How many values its cache keeps of a sequence of `room` tokens, so that the sequence can be continued.
    pub fn kept_values(&self, room: usize) -> usize {
        match self {
            Self::Attention(attention) => attention.kept_values(room),
            Self::LatentAttention(attention) => attention.d_kept().saturating_mul(room),
            Self::GatedDelta(delta) => delta.kept_values(),
            Self::Mamba(mamba) => mamba.kept_values(),
            Self::Mamba2(mamba) => mamba.kept_values(),
            Self::SideBySide(both) => {
                both.attention.kept_values(room).saturating_add(both.mamba2.kept_values())
            }
            Self::Absent => 0,
            Self::ShortConvolution(convolution) => convolution.channels * convolution.kept_positions(),
            Self::Lightning(lightning) => lightning.kept_values(),
        }
    }
}
