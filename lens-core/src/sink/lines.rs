//! JSON lines: an event a line, written when it happens.

use std::io::Write;

use serde::Serialize;

use super::{End, Sink, SinkError, json};
use crate::trace::{GenerationTrace, LensTrace, PositionTrace, SelfCheckTrace, StepTrace, TokenTrace};

/// A sink that writes a line of JSON for the head, every position, every token and the end of a run, each with its
/// `event` (`run`, `position`, `step` or `end`), and flushes after each. The timing and the notes of the end are left
/// out.
#[derive(Debug)]
pub struct JsonLines<W> {
    out: W,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    /// The trace's head: everything that is known before the model runs.
    Run(&'a LensTrace),
    /// What was read at a position.
    Position {
        position: usize,
        #[serde(flatten)]
        read: &'a PositionTrace,
    },
    /// A token that was written.
    Step(&'a StepTrace),
    End {
        #[serde(skip_serializing_if = "Option::is_none")]
        generation: Option<&'a GenerationTrace>,
        self_check: Option<&'a SelfCheckTrace>,
    },
}

impl<W: Write> JsonLines<W> {
    /// A sink that writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// The writer that was given to [`new`](Self::new).
    pub fn into_inner(self) -> W {
        self.out
    }

    fn write(&mut self, event: &Event<'_>) -> Result<(), SinkError> {
        json::line(&mut self.out, event).map_err(|error| SinkError::new("JSON lines", error))
    }
}

impl<W: Write> Sink for JsonLines<W> {
    fn begin(&mut self, head: &LensTrace) -> Result<(), SinkError> {
        self.write(&Event::Run(head))
    }

    fn position(&mut self, read: PositionTrace) -> Result<(), SinkError> {
        self.write(&Event::Position { position: read.last.position, read: &read })
    }

    fn step(&mut self, step: StepTrace, _: TokenTrace) -> Result<(), SinkError> {
        self.write(&Event::Step(&step))
    }

    fn end(&mut self, end: End) -> Result<(), SinkError> {
        let (generation, self_check) = (end.generation.as_ref(), end.self_check.as_ref());
        self.write(&Event::End { generation, self_check })
    }
}
