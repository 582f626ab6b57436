//! The files of LogitLens4LLMs.

use std::io::Write;

use super::{Sink, SinkError, Whole, json};
use crate::predecessor::{all_layers, important_layers};

/// A sink that writes the contents of LogitLens4LLMs's `all_layers.json` to `out` for every run.
pub fn all_layers_json<W: Write>(mut out: W) -> impl Sink {
    Whole::new(move |trace| {
        json::pretty(&mut out, &all_layers(trace)).map_err(|error| SinkError::new("all_layers.json", error))
    })
}

/// A sink that writes the contents of LogitLens4LLMs's `important_layers.json` to `out` for every run.
pub fn important_layers_json<W: Write>(mut out: W) -> impl Sink {
    Whole::new(move |trace| {
        json::pretty(&mut out, &important_layers(trace))
            .map_err(|error| SinkError::new("important_layers.json", error))
    })
}
