//! Rotary position embeddings (Su et al. 2021) and the ways to stretch them.
//!
//! Everything here is float64 and without tensors. Tables are made from it once for a step, in float32.

/// A rotary embedding over the first dimensions of a head.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Rope {
    /// Base of the geometric series of frequencies.
    pub theta: f64,
    /// The dimensions that the frequencies spread over. They rotate, and one more where they are odd in number.
    pub dims: usize,
    /// Which dimensions turn together.
    pub pairing: Pairing,
    /// How frequencies are changed for long contexts.
    pub scaling: RopeScaling,
}

/// Which two dimensions a rotation turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// `i` and `i + width / 2`: Llama, GPT-NeoX.
    HalfSplit,
    /// `i + width / 2` and `i`, so that all turn the other way round: nanochat.
    HalfSplitBackwards,
    /// `2 i` and `2 i + 1`: GPT-J, Cohere, GLM.
    Interleaved,
}

/// A change of the rotary frequencies, named as `rope_type` names it.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// None.
    Default,
    /// All frequencies divided by `factor` (position interpolation, Chen et al. 2023).
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// A base that grows with the sequence once it is longer than `max_positions` (dynamic NTK).
    Dynamic {
        /// How strongly the base grows.
        factor: f64,
        /// Length from which the base grows.
        max_positions: usize,
    },
    /// Low frequencies divided, high ones kept, and a ramp between (Llama 3.1).
    Llama3 {
        /// The divisor of low frequencies.
        factor: f64,
        /// Wavelengths above `original / low_freq_factor` are low.
        low_freq_factor: f64,
        /// Wavelengths below `original / high_freq_factor` are high.
        high_freq_factor: f64,
        /// The context length before stretching.
        original: usize,
    },
    /// A ramp over dimensions between interpolation and extrapolation (YaRN, Peng et al. 2023).
    Yarn {
        /// The divisor of interpolated frequencies.
        factor: f64,
        /// Rotations over the original context above which a dimension is extrapolated.
        beta_fast: f64,
        /// Rotations below which it is interpolated.
        beta_slow: f64,
        /// Factor on cosines and sines.
        attention_factor: f64,
        /// The context length before stretching.
        original: usize,
        /// Whether the ends of the ramp are rounded outwards to whole dimensions.
        truncate: bool,
    },
    /// The first frequencies divided by `factor`; the dimensions of all others do not turn (Gemma 4).
    Proportional {
        /// How many pairs of dimensions turn.
        pairs: usize,
        /// The divisor.
        factor: f64,
    },
    /// One divisor a dimension, from one of two lists (LongRoPE, Ding et al. 2024).
    LongRope {
        /// Divisors of a sequence that fits the original context, `[width / 2]`.
        short: Vec<f64>,
        /// Divisors of a longer one, for all of its positions, `[width / 2]`.
        long: Vec<f64>,
        /// The context length before stretching.
        original: usize,
        /// Factor on cosines and sines of a sequence that fits the original context, and of a longer one.
        attention_factors: [f64; 2],
    },
}

impl Rope {
    /// How many dimensions of a head rotate: even, and one more than `dims` where that is odd.
    pub fn width(&self) -> usize {
        self.dims.next_multiple_of(2)
    }

    /// The inverse frequencies for a sequence of `length` tokens, `[width / 2]`.
    pub fn frequencies(&self, length: usize) -> Vec<f64> {
        let plain = series(self.theta, self.dims);
        match self.scaling {
            RopeScaling::Default => plain,
            RopeScaling::LongRope { ref short, ref long, original, .. } => {
                let divisors = if length > original { long } else { short };
                plain.into_iter().zip(divisors).map(|(f, divisor)| f / divisor).collect()
            }
            RopeScaling::Linear { factor } => plain.into_iter().map(|f| f / factor).collect(),
            RopeScaling::Proportional { pairs, factor } => {
                plain.into_iter().enumerate().map(|(i, f)| if i < pairs { f / factor } else { 0.0 }).collect()
            }
            RopeScaling::Dynamic { factor, max_positions } => {
                let (length, max, dims) =
                    (length.max(max_positions) as f64, max_positions as f64, self.dims as f64);
                let growth = factor * length / max - (factor - 1.0);
                series(self.theta * growth.powf(dims / (dims - 2.0)), self.dims)
            }
            RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original } => plain
                .into_iter()
                .map(|f| llama3(f, factor, low_freq_factor, high_freq_factor, original as f64))
                .collect(),
            RopeScaling::Yarn { factor, beta_fast, beta_slow, original, truncate, .. } => {
                let (low, high) = self.yarn_ramp(beta_fast, beta_slow, original as f64, truncate);
                let ramp = |i: usize| ((i as f64 - low) / (high - low)).clamp(0.0, 1.0);
                plain
                    .into_iter()
                    .enumerate()
                    .map(|(i, f)| f / factor * ramp(i) + f * (1.0 - ramp(i)))
                    .collect()
            }
        }
    }

    /// Whether a sequence of `seen` tokens has the frequencies of one of `total`.
    pub fn is_same_at(&self, seen: usize, total: usize) -> bool {
        match self.scaling {
            RopeScaling::Dynamic { max_positions, .. } => seen.max(max_positions) == total.max(max_positions),
            RopeScaling::LongRope { original, .. } => (seen > original) == (total > original),
            _ => true,
        }
    }

    /// How long a sequence this embedding is stretched for, in a model whose config says `context`. Files that stretch
    /// as they go, and many of those with YaRN, name the length before stretching; the others the one after it.
    pub fn reach(&self, context: usize) -> usize {
        let stretched = |length: usize, factor: f64| (length as f64 * factor) as usize;
        match self.scaling {
            RopeScaling::Dynamic { factor, max_positions } => context.max(stretched(max_positions, factor)),
            RopeScaling::Yarn { factor, original, .. } => context.max(stretched(original, factor)),
            _ => context,
        }
    }

    /// Factor on cosines and sines of a sequence of `length` tokens.
    pub fn attention_factor(&self, length: usize) -> f64 {
        match self.scaling {
            RopeScaling::Yarn { attention_factor, .. } => attention_factor,
            RopeScaling::LongRope { attention_factors: [short, long], original, .. } => {
                if length > original {
                    long
                } else {
                    short
                }
            }
            _ => 1.0,
        }
    }

    /// First and last dimension of YaRN's ramp.
    fn yarn_ramp(&self, beta_fast: f64, beta_slow: f64, original: f64, truncate: bool) -> (f64, f64) {
        let dims = self.dims as f64;
        let dimension = |rotations: f64| {
            dims * (original / (rotations * 2.0 * std::f64::consts::PI)).ln() / (2.0 * self.theta.ln())
        };
        let (mut low, mut high) = (dimension(beta_fast), dimension(beta_slow));
        if truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        let (low, high) = (low.max(0.0), high.min(dims - 1.0));
        // The reference avoids a division by zero in the same way.
        if low == high { (low, high + 0.001) } else { (low, high) }
    }
}

/// `theta^(-2i / dims)`.
fn series(theta: f64, dims: usize) -> Vec<f64> {
    (0..dims.div_ceil(2)).map(|i| theta.powf(-2.0 * i as f64 / dims as f64)).collect()
}

fn llama3(frequency: f64, factor: f64, low: f64, high: f64, original: f64) -> f64 {
    let wavelength = 2.0 * std::f64::consts::PI / frequency;
    if wavelength < original / high {
        frequency
    } else if wavelength > original / low {
        frequency / factor
    } else {
        let smooth = (original / wavelength - low) / (high - low);
        (1.0 - smooth) * frequency / factor + smooth * frequency
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rope(theta: f64, dims: usize, scaling: RopeScaling) -> Rope {
        Rope { theta, dims, pairing: Pairing::HalfSplit, scaling }
    }

    fn assert_close(rope: &Rope, golden: &[(usize, f64)]) {
        let frequencies = rope.frequencies(1);
        for (i, expected) in golden {
            let relative = (frequencies[*i] / expected - 1.0).abs();
            assert!(relative < 1e-5, "dimension {i}: {} instead of {expected}", frequencies[*i]);
        }
    }

    #[test]
    fn of_proportional_frequencies_the_first_alone_turn() {
        let scaling = RopeScaling::Proportional { pairs: 3, factor: 2.0 };
        let plain = rope(100.0, 16, RopeScaling::Default).frequencies(1);
        let frequencies = rope(100.0, 16, scaling).frequencies(1);
        assert_eq!(frequencies.len(), 8);
        for (i, (got, plain)) in frequencies.iter().zip(&plain).enumerate() {
            assert_eq!(*got, if i < 3 { plain / 2.0 } else { 0.0 }, "pair {i}");
        }
    }

    #[test]
    fn llama_3_frequencies_are_those_published() {
        let scaling = |factor| RopeScaling::Llama3 {
            factor,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original: 8192,
        };
        assert_close(
            &rope(5e5, 128, scaling(8.0)),
            &[
                (0, 1.0),
                (20, 0.0165604),
                (28, 0.00321145),
                (29, 0.00216657),
                (35, 9.55621e-05),
                (40, 3.4281e-05),
                (63, 3.06893e-07),
            ],
        );
        assert_close(
            &rope(5e5, 64, scaling(32.0)),
            &[
                (0, 1.0),
                (10, 0.0165604),
                (14, 0.00321145),
                (16, 0.000429557),
                (20, 8.57026e-06),
                (31, 9.41831e-08),
            ],
        );
    }

    #[test]
    fn a_dynamic_base_is_plain_until_the_context_is_full() {
        let dynamic = rope(1e4, 8, RopeScaling::Dynamic { factor: 2.0, max_positions: 16 });
        let plain = rope(1e4, 8, RopeScaling::Default);
        assert_eq!(dynamic.frequencies(16), plain.frequencies(16));
        assert!(dynamic.frequencies(17)[1] < plain.frequencies(17)[1]);
    }
}
