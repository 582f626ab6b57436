//! Why a continuation ended.

use serde::{Deserialize, Serialize};

/// Why a continuation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// As many tokens as were asked for.
    Length,
    /// A token that ends a text.
    EndOfText,
    /// One of the texts at which to stop.
    StopText,
    /// The model has no position for another token.
    Context,
    /// The user's signal.
    Interrupted,
}
