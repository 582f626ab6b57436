//! Requests that cannot be run, and runs that fail.

use crate::{lens::LensError, sink::SinkError, steer::EditError};

/// A request that cannot be run, or a run that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The model cannot be read.
    #[error(transparent)]
    Lens(#[from] LensError),
    /// An intervention does not fit.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// An output cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A text, and nothing that turns texts into tokens.
    #[error("texts have no tokens here: give token ids instead")]
    NoTexts,
}
