//! The files of LogitLens4LLMs.

use std::io::Write;

use super::{Sink, SinkError, Whole, json};
use crate::predecessor::{all_layers, important_layers};

/// Writes `all_layers.json` of every run.
pub fn all_layers_json<W: Write>(mut out: W) -> impl Sink {
    Whole::new(move |trace| {
        json::pretty(&mut out, &all_layers(trace)).map_err(|error| SinkError::new("all_layers.json", error))
    })
}

/// Writes `important_layers.json` of every run.
pub fn important_layers_json<W: Write>(mut out: W) -> impl Sink {
    Whole::new(move |trace| {
        json::pretty(&mut out, &important_layers(trace))
            .map_err(|error| SinkError::new("important_layers.json", error))
    })
}
