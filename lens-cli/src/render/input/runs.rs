//! The runs of a file, and what is said of its parts that are none.

use anyhow::anyhow;
use lens_core::LensTrace;

/// The runs of a file.
#[derive(Default)]
pub(super) struct Runs {
    /// What each is called, where the file says so.
    pub(super) labels: Vec<Option<String>>,
    pub(super) traces: Vec<LensTrace>,
    /// What was left out.
    pub(super) notes: Vec<String>,
}

impl Runs {
    pub(super) fn push(&mut self, label: Option<&str>, trace: LensTrace) {
        self.labels.push(label.map(str::to_owned));
        self.traces.push(trace);
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.labels.append(&mut other.labels);
        self.traces.append(&mut other.traces);
        self.notes.append(&mut other.notes);
    }
}

/// What is said of a prompt that was not read.
pub(super) fn failure(index: u64, error: &str) -> String {
    format!("prompt {index} is left out, it could not be read: {error}")
}

/// The error of an event that comes where none is expected.
pub(super) fn unexpected(event: &str) -> anyhow::Error {
    anyhow!("a {event:?} before the run that it belongs to has begun")
}
