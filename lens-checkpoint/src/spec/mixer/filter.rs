//! Causal filters as data.

use crate::spec::param::Param;

/// A causal filter that mixes each channel by itself with its last few values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FilterSpec {
    /// Channels.
    pub channels: usize,
    /// How many positions it covers, the newest included.
    pub kernel: usize,
    /// The filter of each channel, oldest position first, `[channels, 1, kernel]`.
    pub weight: Param,
    /// Added to what it returns, `[channels]`.
    pub bias: Option<Param>,
}

impl FilterSpec {
    /// `{prefix}.weight`, `[channels, 1, kernel]`, and `{prefix}.bias` if `bias`.
    pub fn new(prefix: &str, channels: usize, kernel: usize, bias: bool) -> Self {
        Self {
            channels,
            kernel,
            weight: Param::whole(format!("{prefix}.weight"), [channels, 1, kernel]),
            bias: bias.then(|| Param::whole(format!("{prefix}.bias"), [channels])),
        }
    }

    /// Its parameters.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        std::iter::once(&self.weight).chain(&self.bias)
    }

    /// How many values a sequence has to keep so that it can be continued.
    pub fn kept_values(&self) -> usize {
        self.channels * self.kernel.saturating_sub(1)
    }
}
