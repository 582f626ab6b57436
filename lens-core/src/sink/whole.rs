//! Outputs that need the whole run before they can be written.

use std::{error::Error, io::Write};

use super::{Collected, End, Sink, SinkError};
use crate::trace::{LensTrace, PositionTrace, StepTrace, TokenTrace};

/// A sink that collects a run and passes its trace to a function when the run is over.
#[derive(Debug, Clone)]
pub struct Whole<F> {
    collected: Collected,
    write: F,
}

impl<F: FnMut(&LensTrace) -> Result<(), SinkError>> Whole<F> {
    /// A sink that calls `write` with the trace of every run.
    pub fn new(write: F) -> Self {
        Self { collected: Collected::default(), write }
    }
}

impl<F: FnMut(&LensTrace) -> Result<(), SinkError>> Sink for Whole<F> {
    fn begin(&mut self, head: &LensTrace) -> Result<(), SinkError> {
        self.collected.begin(head)
    }

    fn position(&mut self, position: PositionTrace) -> Result<(), SinkError> {
        self.collected.position(position)
    }

    fn step(&mut self, step: StepTrace, token: TokenTrace) -> Result<(), SinkError> {
        self.collected.step(step, token)
    }

    fn end(&mut self, end: End) -> Result<(), SinkError> {
        self.collected.end(end)?;
        match self.collected.take() {
            Some(trace) => (self.write)(&trace),
            None => Ok(()),
        }
    }

    fn whole(&mut self, trace: &LensTrace) -> Result<(), SinkError> {
        (self.write)(trace)
    }
}

/// A sink that writes to `out` the text that `render` makes of every run's trace; errors call that text `what`.
pub fn rendered<W: Write, E: Into<Box<dyn Error + Send + Sync>>>(
    what: &'static str,
    mut out: W,
    mut render: impl FnMut(&LensTrace) -> Result<String, E>,
) -> impl Sink {
    Whole::new(move |trace| {
        let text = render(trace).map_err(|error| SinkError::new(what, error))?;
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        written.map_err(|error| SinkError::new(what, error))
    })
}
