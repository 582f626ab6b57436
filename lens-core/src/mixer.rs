//! Kinds of mixers: through what the positions of a block see earlier ones.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The part of a block through which positions see earlier ones: what `attn_out` is the output of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MixerKind {
    /// Attention over keys and values.
    Attention,
    /// A short convolution of each channel with its last few values, between two gates.
    ShortConvolution,
}

impl MixerKind {
    /// Its name in traces, e.g. `attention`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::ShortConvolution => "short_convolution",
        }
    }
}

impl fmt::Display for MixerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
