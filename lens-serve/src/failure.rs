//! What went wrong, for the eyes of whoever looks at the page.

/// What went wrong, and what may help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
#[non_exhaustive]
pub struct Failure {
    /// What went wrong, as a sentence without a stop.
    pub error: String,
    /// What to do about it, as a sentence without a stop.
    pub help: Option<String>,
}

impl Failure {
    /// A failure against which nothing is known to help.
    pub fn new(error: impl Into<String>) -> Self {
        Self { error: error.into(), help: None }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}
