//! The trace of a run.

use super::{End, Sink, SinkError};
use crate::trace::{LensTrace, PositionTrace, StepTrace, TokenTrace};

/// A sink that builds the trace of the latest run.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    trace: Option<LensTrace>,
}

impl Collected {
    /// The trace so far; `None` before a run begins.
    pub fn trace(&self) -> Option<&LensTrace> {
        self.trace.as_ref()
    }

    /// The trace so far, by value.
    pub fn into_trace(self) -> Option<LensTrace> {
        self.trace
    }

    /// Takes the trace out and leaves nothing behind.
    pub fn take(&mut self) -> Option<LensTrace> {
        self.trace.take()
    }
}

impl Sink for Collected {
    fn begin(&mut self, head: &LensTrace) -> Result<(), SinkError> {
        self.trace = Some(head.clone());
        Ok(())
    }

    fn position(&mut self, position: PositionTrace) -> Result<(), SinkError> {
        if let Some(trace) = &mut self.trace {
            trace.finals.push(position.last);
            trace.readouts.extend(position.readouts);
        }
        Ok(())
    }

    fn step(&mut self, step: StepTrace, token: TokenTrace) -> Result<(), SinkError> {
        if let Some(trace) = &mut self.trace {
            trace.steps.push(step);
            trace.tokens.push(token);
        }
        Ok(())
    }

    fn end(&mut self, end: End) -> Result<(), SinkError> {
        if let Some(trace) = &mut self.trace {
            let End { generation, self_check, timing, notes } = end;
            (trace.generation, trace.self_check, trace.timing) = (generation, self_check, timing);
            trace.notes.extend(notes);
            trace.judge_rows();
        }
        Ok(())
    }

    fn whole(&mut self, trace: &LensTrace) -> Result<(), SinkError> {
        self.trace = Some(trace.clone());
        Ok(())
    }
}
