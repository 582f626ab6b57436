//! Why a continuation ended.

use serde::{Deserialize, Serialize};

/// Why a continuation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// As many tokens were written as were asked for.
    Length,
    /// The model wrote a token that ends a text.
    EndOfText,
    /// The model wrote one of the texts at which to stop.
    StopText,
    /// The sequence has reached the most positions that the model has, or the length that it was made for.
    Context,
    /// It was interrupted, by the user or by a sink that asked to stop.
    Interrupted,
}
