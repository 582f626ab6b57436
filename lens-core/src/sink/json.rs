//! The trace as JSON.

use std::io::{self, Write};

use serde::Serialize;

use super::{Sink, SinkError, Whole};

/// A sink that writes the trace of every run to `out` as one line of JSON (`lens-trace/1`).
pub fn trace_json<W: Write>(mut out: W) -> impl Sink {
    Whole::new(move |trace| line(&mut out, trace).map_err(|error| SinkError::new("the trace", error)))
}

/// Writes `value` as JSON on one line and hands it on at once.
pub(super) fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes `value` as JSON for eyes.
pub(super) fn pretty(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}
