//! Kinds of mixers: the part of a block through which a position sees earlier ones.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of a block's mixer: the part through which a position sees earlier ones, and whose output is `attn_out`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MixerKind {
    /// Attention over keys and values.
    Attention,
    /// Attention over keys and values that are made of one narrow vector a position.
    LatentAttention,
    /// Heads that keep a matrix from keys to values, which decays and is corrected at every position.
    GatedDeltaNet,
    /// A selective state space in which every channel decays at its own rates (Mamba).
    Mamba,
    /// A selective state space of heads, each of which decays as one (Mamba-2).
    Mamba2,
    /// Attention and a Mamba-2 state space side by side; what they add is one sum.
    AttentionAndMamba2,
    /// None: the block is an MLP alone.
    None,
    /// A short convolution of each channel with its last few values, between two gates.
    ShortConvolution,
    /// Heads that keep a matrix from keys to values, which decays at a rate of each head's own (lightning attention).
    LightningAttention,
}

impl MixerKind {
    /// Its name in traces, e.g. `attention`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::LatentAttention => "latent_attention",
            Self::GatedDeltaNet => "gated_delta_net",
            Self::Mamba => "mamba",
            Self::Mamba2 => "mamba2",
            Self::AttentionAndMamba2 => "attention_and_mamba2",
            Self::None => "none",
            Self::ShortConvolution => "short_convolution",
            Self::LightningAttention => "lightning_attention",
        }
    }
}

impl fmt::Display for MixerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
