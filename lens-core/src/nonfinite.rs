//! Values that have no place in a distribution.

use std::fmt;

/// What kind of value is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonFinite {
    /// The residual-stream vector itself.
    Activation,
    /// The logits of a finite vector: a weight of the unembedding is broken, or the product overflows.
    Logit,
}

impl NonFinite {
    pub(crate) const ADVICE: &'static str = "the checkpoint may hold broken weights (`lens check` finds them), or overflow in this dtype (try --dtype f32)";
}

impl fmt::Display for NonFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Activation => "an activation is NaN or infinite",
            Self::Logit => "a logit is NaN or infinite",
        })
    }
}
