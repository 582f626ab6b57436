//! Runs that could not be.

use super::SamplingError;
use crate::{BackendError, Component, SelectionError};

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
    /// The numbers of the sampling make no sense.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
}
