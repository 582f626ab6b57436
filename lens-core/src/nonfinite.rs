//! Which kind of value was NaN or infinite.

use std::fmt;

use crate::point::Point;

/// What kind of value is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonFinite {
    /// The residual-stream vector itself.
    Activation,
    /// The logits of a finite vector: a weight of the unembedding is broken, or the product overflows.
    Logit,
    /// A query, key or value of attention; the point that an error names is the `z` that attention computes from it.
    Attention(AttentionInput),
    /// What a state space reads from its states; the point that an error names is what the mixer adds.
    StateSpace,
}

/// The inputs of attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttentionInput {
    /// Queries, normed and rotated.
    Queries,
    /// Keys, normed and rotated.
    Keys,
    /// Values.
    Values,
}

impl NonFinite {
    pub(crate) const ADVICE: &'static str =
        "the checkpoint may hold broken weights, or its numbers may overflow in this dtype";

    /// The place as a message names it: a point, or `L3.attn (queries)`.
    pub(crate) fn place(self, point: Point) -> String {
        match (self, point.layer()) {
            (Self::Attention(input), Some(layer)) => format!("L{layer}.attn ({input})"),
            (Self::StateSpace, Some(layer)) => format!("L{layer}.state_space"),
            _ => point.to_string(),
        }
    }
}

impl fmt::Display for AttentionInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queries => "queries",
            Self::Keys => "keys",
            Self::Values => "values",
        })
    }
}

impl fmt::Display for NonFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Activation => "an activation is NaN or infinite",
            Self::Logit => "a logit is NaN or infinite",
            Self::StateSpace => "what a state space reads is NaN or infinite",
            Self::Attention(AttentionInput::Queries) => "a query is NaN or infinite",
            Self::Attention(AttentionInput::Keys) => "a key is NaN or infinite",
            Self::Attention(AttentionInput::Values) => "a value of attention is NaN or infinite",
        })
    }
}
