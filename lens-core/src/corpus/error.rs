//! Readings and parts that cannot be added.

/// A reading, or the statistics of a part, that cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// The reading failed its self-check.
    #[error(
        "the readouts of a window differ from the model's plain matrix product by more than rounding explains"
    )]
    SelfCheck,
    /// The reading lacks a statistic.
    #[error("the reading does not have {statistic}")]
    NotAsked {
        /// Its name.
        statistic: &'static str,
    },
    /// The readings are not of the same points and lenses.
    #[error("a window was read at other points, or by other lenses, than those before it")]
    OtherPoints,
    /// The parts were made with other options.
    #[error("the parts were made with other numbers of top tokens or resamplings, or another seed")]
    OtherOptions,
    /// What was kept of a part is not the statistics of one.
    #[error("the part does not hold the statistics of a corpus: {reason}")]
    Cells {
        /// What is wrong with it.
        reason: String,
    },
}
