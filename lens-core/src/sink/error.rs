//! Why an output could not be written.

/// An output that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {what}")]
pub struct SinkError {
    what: String,
    #[source]
    cause: Box<dyn std::error::Error + Send + Sync>,
}

impl SinkError {
    /// `what` cannot be written (a noun, such as a file's name), because of `cause`.
    pub fn new(what: impl Into<String>, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { what: what.into(), cause: cause.into() }
    }

    /// What cannot be written.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What went wrong.
    pub fn into_cause(self) -> Box<dyn std::error::Error + Send + Sync> {
        self.cause
    }
}
