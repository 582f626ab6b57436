//! Gated short convolutions as data.

use crate::spec::param::{LinearSpec, Param};

/// A gated short convolution (LFM2): `out(C ⊙ conv(B ⊙ x))`, where `B`, `C` and `x` are linear maps of the normed
/// stream, and `conv` mixes each channel by itself with its last values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ShortConvolutionSpec {
    /// Channels of the convolution.
    pub channels: usize,
    /// How many positions the filter covers, the newest included.
    pub kernel: usize,
    /// `x`, what is mixed, `[channels, d_model]`.
    pub value: LinearSpec,
    /// `B`, multiplied with `x` before the filter, `[channels, d_model]`.
    pub gate_in: LinearSpec,
    /// `C`, multiplied with what the filter returns, `[channels, d_model]`.
    pub gate_out: LinearSpec,
    /// The filter of each channel, oldest position first, `[channels, 1, kernel]`.
    pub filter: Param,
    /// Added to what the filter returns, `[channels]`.
    pub filter_bias: Option<Param>,
    /// Output projection, `[d_model, channels]`.
    pub output: LinearSpec,
}

impl ShortConvolutionSpec {
    /// Its parameters.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        [&self.value, &self.gate_in, &self.gate_out, &self.output]
            .into_iter()
            .flat_map(LinearSpec::params)
            .chain([&self.filter])
            .chain(&self.filter_bias)
    }

    /// How many values of each channel are kept so that a sequence can be continued: those that the next filter still
    /// covers.
    pub fn kept_positions(&self) -> usize {
        self.kernel.saturating_sub(1)
    }
}
