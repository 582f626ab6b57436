//! Many prompts in, readouts as flat tables out, for pandas, Polars, DuckDB and whatever else reads columns.
//!
//! Two tables come out of a run, each written batch by batch while positions arrive, so that memory does not grow with
//! the number of prompts:
//!
//! - **readouts**: one row for every readout (prompt, position, layer, component and lens), with a column for each
//!   statistic under its own name and the most probable tokens as list columns;
//! - **tokens**: one row for every token of every prompt, with the model's own answer after it where that was read.
//!
//! A third one comes from decoding vectors without a prompt: **directions**, one row for every vector.
//!
//! [`Column::all`] of each table describes its columns. Formats are [`Format::Parquet`], [`Format::Arrow`] (the IPC
//! file format, also known as Feather 2) and [`Format::Csv`], in which lists are JSON arrays.
//!
//! ```
//! use lens_core::{Lens, LensTrace, Plan, TokenId, TraceContext, toy::ToyBackend, Backend};
//! use lens_data::{Format, Prompt, TableWriter, Readouts};
//!
//! # let mut model = ToyBackend::new(3, 16, 50, 7);
//! # let tokens = [3, 14, 15].map(TokenId);
//! # let reading = Lens::new(&mut model).read(&tokens, &Plan::default())?;
//! # let context = TraceContext::new(("doc", "0"), model.info(), &tokens, &());
//! # let trace = LensTrace::new(&reading, &context);
//! let mut table = TableWriter::<Readouts, _>::new(Vec::new(), Format::Csv)?;
//! let prompt = Prompt { index: 0, id: None };
//! for readout in &trace.readouts {
//!     table.push(&(prompt, &trace.lens, readout))?;
//! }
//! let csv = String::from_utf8(table.finish()?)?;
//! assert!(csv.starts_with("prompt,id,position,layer,component,lens,"));
//! assert_eq!(csv.lines().count(), 1 + trace.readouts.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`ReadoutSink`] and [`TokenSink`] write the tables while a model runs. [`Prompts`] reads prompts from lines, JSON
//! lines or a column of a table, one after the other.

mod bounded;
mod column;
mod decoded;
mod documents;
mod format;
mod json_line;
pub mod packed;
mod parquet_texts;
pub mod parts;
mod prompt_error;
mod prompts;
mod readouts;
mod record;
mod shown;
mod sink;
mod sound_parquet;
mod store;
mod tokens;
#[cfg(test)]
mod web;

pub use column::{Cells, Column, Kind, Table};
pub use decoded::{DirectionRow, DirectionToken, Directions};
pub use documents::{Document, DocumentError, Documents};
pub use format::{DataError, Format, ParseFormatError, TableWriter};
pub use prompt_error::PromptError;
pub use prompts::{ParsePromptFormatError, PromptFormat, Prompts};
pub use readouts::Readouts;
pub use record::{PromptInput, PromptRecord};
pub use sink::{ReadoutSink, TokenSink};
pub use sound_parquet::is_reading_parquet;
pub use store::{Entry, Reason, Store, StoreError};
pub use tokens::{TokenRow, Tokens};

/// Which prompt a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prompt<'a> {
    /// Its number in the run, from 0.
    pub index: u64,
    /// The name that its file gives it.
    pub id: Option<&'a str>,
}
