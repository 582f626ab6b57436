//! Directions that cannot be had.

use lens_core::SelectionError;

use crate::host::HostError;

/// Directions that cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectionsError {
    /// A weight cannot be read.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A row or a layer that does not exist, or none at all.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// None of the chosen layers has what was asked for.
    #[error("none of the chosen layers has {what}")]
    Nothing {
        /// What.
        what: &'static str,
    },
    /// No token was named, where there is a direction for each token.
    #[error("the circuit of a head says something about a token: name at least one")]
    NoToken,
}
