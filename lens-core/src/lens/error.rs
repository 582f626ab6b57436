//! Runs that could not be.

use super::SamplingError;
use crate::{backend::BackendError, point::Component, selection::SelectionError, size::ByteSize};

/// A run of the lens that could not be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LensError {
    /// No token to read.
    #[error("the prompt has no tokens: there is no position to read")]
    NoTokens,
    /// A selection does not fit the model or the sequence.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// A component that was asked for by name and is no part of this model's stream.
    #[error(
        "this {family} model has no {component}: its branches are not summands of the residual stream, because a \
         norm stands behind their sum. embed, resid_pre and resid_post can be read"
    )]
    AbsentComponent {
        /// The component.
        component: Component,
        /// The model's family.
        family: String,
    },
    /// More results than may be kept.
    #[error(
        "{readouts} readouts with {kept} tokens each take up to {}, and results may take {}: read fewer positions, \
         layers or components, keep fewer tokens of each, or write fewer",
        ByteSize(*bytes as u64), ByteSize(*allowed as u64)
    )]
    TooMuch {
        /// Readouts, final ones included.
        readouts: usize,
        /// Tokens that each keeps.
        kept: usize,
        /// Bytes that they take; the largest number there is stands for all beyond it.
        bytes: usize,
        /// Bytes that they may take.
        allowed: usize,
    },
    /// The threshold of important layers is no number.
    #[error("a layer is important above a probability, and {threshold} is not a finite number")]
    Threshold {
        /// What was given.
        threshold: f32,
    },
    /// The numbers of the sampling make no sense.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
}
