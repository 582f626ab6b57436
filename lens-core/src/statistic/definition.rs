//! What a statistic says of itself, and what its value is computed from.

use crate::projection::{Projected, Tracked};

/// One statistic.
pub(super) struct Definition {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) unit: Unit,
    pub(super) range: Range,
    pub(super) limits: Limits,
    pub(super) closer: Closer,
    pub(super) needs: Needs,
    pub(super) by_default: bool,
    pub(super) value: fn(&Evidence<'_>) -> Option<f64>,
}

/// The unit of a statistic's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unit {
    /// Nats: information in natural logarithms.
    Nats,
    /// Squared nats, the unit of a variance of surprise.
    SquareNats,
    /// Differences of logits.
    Logits,
    /// A rank from 1, a whole number.
    Rank,
    /// The residual stream's own unit, that of the length of a vector.
    Stream,
    /// No unit: a plain number.
    One,
}

impl Unit {
    /// The unit in words, empty where there is none.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::SquareNats => "nats²",
            Self::Logits => "logits",
            Self::Rank | Self::Stream | Self::One => "",
        }
    }

    /// Whether values are whole numbers.
    pub const fn is_whole(self) -> bool {
        matches!(self, Self::Rank)
    }
}

/// The values that a colour scale or an axis for a statistic spans.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Range {
    /// From the first number to the second.
    Linear(f64, f64),
    /// From the first number to the second, by orders of magnitude.
    Logarithmic(f64, f64),
    /// From 0 to the natural logarithm of the size of the vocabulary.
    VocabularyNats,
    /// From 1 to the size of the vocabulary, by orders of magnitude.
    VocabularyRanks,
    /// What the readouts at hand span: the statistic has no bounds of its own.
    Observed,
}

/// The values that a statistic can have at all, up to rounding.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Limits {
    /// Every finite number.
    Any,
    /// Zero and above.
    NotNegative,
    /// From the first number to the second.
    Within(f64, f64),
    /// From 0 to the natural logarithm of the size of the vocabulary.
    VocabularyNats,
    /// From 1 to the size of the vocabulary.
    Ranks,
}

/// Which values of a statistic are closer to the final readout, or surer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closer {
    /// Small ones.
    Smaller,
    /// Large ones.
    Larger,
    /// Neither: the sign or the size says something else.
    Neither,
}

/// What has to be computed for a statistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Needs {
    /// The entropy: minus the mean of the log-probability.
    pub entropy: bool,
    /// The variance of the log-probability.
    pub variance: bool,
    /// The two most probable tokens, whatever the question's top-k.
    pub two_best: bool,
    /// The captured vector itself, before the norm.
    pub vector: bool,
    /// The final readout of the position beside this one.
    pub divergence: bool,
    /// A second pass over the vocabulary, with the final readout beside this one.
    pub distances: bool,
    /// The final top-1 token's logit and rank here.
    pub final_top1: bool,
}

impl Needs {
    /// Nothing besides top-k, log-sum-exp and the tokens asked for.
    pub const NOTHING: Self = Self {
        entropy: false,
        variance: false,
        two_best: false,
        vector: false,
        divergence: false,
        distances: false,
        final_top1: false,
    };

    /// What either of the two needs.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            entropy: self.entropy || other.entropy,
            variance: self.variance || other.variance,
            two_best: self.two_best || other.two_best,
            vector: self.vector || other.vector,
            divergence: self.divergence || other.divergence,
            distances: self.distances || other.distances,
            final_top1: self.final_top1 || other.final_top1,
        }
    }
}

/// What is known of one readout when its statistics are computed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Evidence<'a> {
    /// The result of its pass over the vocabulary.
    pub projected: &'a Projected,
    /// The final readout's top-1 token here; `None` in the final readout itself.
    pub final_top1: Option<Tracked>,
    /// The token that comes next in the sequence, where there is one.
    pub next: Option<Tracked>,
    /// The tokens asked for, in the order asked.
    pub targets: &'a [Tracked],
    /// The token that the target is compared with, where one was asked for.
    pub versus: Option<Tracked>,
    /// Products of the vector before the norm, as it was captured or as a lens translated it, if a statistic needs
    /// them.
    pub vector: Option<VectorFacts>,
}

/// The products of a vector x, as it was captured or as a lens translated it, and the final residual f of its position,
/// both before the norm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VectorFacts {
    /// `|x|²`.
    pub square: f64,
    /// `|f|²`.
    pub final_square: f64,
    /// `x · f`.
    pub dot: f64,
    /// Whether this is the final readout, whose x is f.
    pub is_final: bool,
}

impl VectorFacts {
    /// The facts of a vector and the final residual `last`, both `[d_model]`, with sums in float64; `final_facts` are
    /// those of `last` itself, which all points of a position share.
    pub fn of(vector: &[f32], last: &[f32], final_facts: &Self) -> Self {
        Self {
            square: dot(vector, vector),
            final_square: final_facts.final_square,
            dot: dot(vector, last),
            is_final: false,
        }
    }

    /// The facts of the final residual itself, `[d_model]`.
    pub fn of_final(last: &[f32]) -> Self {
        let square = dot(last, last);
        Self { square, final_square: square, dot: square, is_final: true }
    }
}

/// The inner product, summed in float64.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
