//! Why two models could not be compared.

use super::{pair::PairError, side::Side};
use crate::{backend::BackendError, lens::LensError, nonfinite::NonFinite, point::Point};

/// Why two models could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// The models are of different shapes.
    #[error("the models cannot be compared point by point: {}", differences.join("; "))]
    Unlike {
        /// What differs, each with the values of A and B.
        differences: Vec<String>,
    },
    /// A selection does not fit a model.
    #[error("model {side} ({model})")]
    Selection {
        /// Whose it is.
        side: Side,
        /// Its name.
        model: String,
        /// What does not fit.
        #[source]
        source: LensError,
    },
    /// A model could not be run.
    #[error("model {side} ({model}) cannot be run over the text")]
    Run {
        /// Which model.
        side: Side,
        /// Its name.
        model: String,
        /// What failed.
        #[source]
        source: BackendError,
    },
    /// Model B could not be run on what model A computed.
    #[error("model B ({model}) cannot be run on the inputs of A's blocks")]
    Guided {
        /// Its name.
        model: String,
        /// What failed.
        #[source]
        source: BackendError,
    },
    /// A value of one of the models is not finite.
    #[error("model {side} ({model}): {what} at {point}, position {position}")]
    NonFinite {
        /// Whose it is.
        side: Side,
        /// Its name.
        model: String,
        /// What is not finite.
        what: NonFinite,
        /// Where.
        point: Point,
        /// At which position of its sequence.
        position: usize,
    },
    /// A final readout differs from the model's plain matrix product.
    #[error(
        "the readouts of model {side} ({model}) differ from its plain matrix product by more than rounding explains"
    )]
    SelfCheck {
        /// Which model.
        side: Side,
        /// Its name.
        model: String,
    },
    /// A number that was made of finite ones is not finite.
    #[error("{measure} at {point}, position {position}, is not finite: the models' logits are too far apart")]
    NotANumber {
        /// Which number.
        measure: &'static str,
        /// Where.
        point: Point,
        /// At which position of its sequence.
        position: usize,
    },
    /// The readouts could not be compared.
    #[error("the readouts at {point} cannot be compared")]
    Readouts {
        /// Where.
        point: Point,
        /// What failed.
        #[source]
        source: CompareError,
    },
}

/// Why the readouts of captured vectors could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// The readouts themselves.
    #[error(transparent)]
    Pair(#[from] PairError),
    /// What was captured could not be read.
    #[error("what model {side} captured cannot be read")]
    Rows {
        /// Which model.
        side: Side,
        /// What failed.
        #[source]
        source: BackendError,
    },
}
