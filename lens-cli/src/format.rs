//! The forms in which a run says what it read.

use std::path::Path;

use clap::ValueEnum;

use crate::packed::Packing;

/// The form of what a run says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RunFormat {
    /// For people.
    Table,
    /// One trace, when all is done.
    Json,
    /// A line for the run, for every position and step as it is read, and for the end.
    Jsonl,
    /// The table of readouts as Apache Parquet.
    Parquet,
    /// The table of readouts in Arrow's file format.
    Arrow,
    /// The table of readouts as comma-separated values.
    Csv,
    /// The JSON of logitlenskit's viewer, version 2.
    LogitlenskitV2,
}

impl RunFormat {
    /// The flat form, where it is one.
    pub fn flat(self) -> Option<lens_data::Format> {
        match self {
            Self::Parquet => Some(lens_data::Format::Parquet),
            Self::Arrow => Some(lens_data::Format::Arrow),
            Self::Csv => Some(lens_data::Format::Csv),
            Self::Table | Self::Json | Self::Jsonl | Self::LogitlenskitV2 => None,
        }
    }
}

/// What a file of results holds, by its name without what it says of the packing; `None` for other names, which are
/// those of folders.
pub fn of_file(path: &Path) -> Option<RunFormat> {
    let (_, name) = Packing::of(path);
    match name.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "json" => Some(RunFormat::Json),
        "jsonl" => Some(RunFormat::Jsonl),
        "parquet" => Some(RunFormat::Parquet),
        "arrow" => Some(RunFormat::Arrow),
        "csv" => Some(RunFormat::Csv),
        _ => None,
    }
}
