//! Why a request could not be run.

use crate::{attribution::AttributionError, lens::LensError, sink::SinkError, steer::EditError};

/// A request that cannot be run, or a run that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The lens failed.
    #[error(transparent)]
    Lens(#[from] LensError),
    /// A logit cannot be taken apart.
    #[error(transparent)]
    Attribution(#[from] AttributionError),
    /// An intervention does not fit the model or the prompt.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// An output cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A text was given, and there is nothing that turns texts into tokens.
    #[error("texts have no tokens here: give token ids instead")]
    NoTexts,
}
