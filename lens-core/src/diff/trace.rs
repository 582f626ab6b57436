//! A comparison as a file: what was compared, what was found, and what the conditions said.

use serde::{Deserialize, Serialize};

use super::{gate::Judged, report::DiffReport};
use crate::{
    backend::ModelInfo,
    trace::{GeneratorTrace, ModelTrace},
};

/// The name of the form, in every file.
pub const SCHEMA: &str = "lens-diff/1";

/// A comparison as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DiffTrace {
    /// [`SCHEMA`].
    pub schema: String,
    /// The program.
    pub generator: GeneratorTrace,
    /// The model that the other is compared with.
    pub a: ModelTrace,
    /// The other.
    pub b: ModelTrace,
    /// What both read.
    pub text: DiffText,
    /// What was found.
    #[serde(flatten)]
    pub report: DiffReport,
    /// Conditions, with what became of them.
    pub conditions: Vec<Judged>,
    /// What has to be known, as sentences.
    pub notes: Vec<String>,
}

/// The text that both models read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DiffText {
    /// The SHA-256 of its file, in hexadecimal, where it is one.
    pub sha256: Option<String>,
    /// Tokens of the longest sequence.
    pub context: usize,
}

impl DiffText {
    /// A text that is read in sequences of `context` tokens.
    pub fn new(sha256: Option<String>, context: usize) -> Self {
        Self { sha256, context }
    }
}

impl DiffTrace {
    /// Of a report on two models; `generator` is the program's name and version.
    pub fn new(
        generator: (&str, &str),
        [a, b]: [&ModelInfo; 2],
        text: DiffText,
        report: DiffReport,
        conditions: Vec<Judged>,
        notes: Vec<String>,
    ) -> Self {
        let (name, version) = generator;
        Self {
            schema: SCHEMA.to_owned(),
            generator: GeneratorTrace { name: name.to_owned(), version: version.to_owned() },
            a: a.into(),
            b: b.into(),
            text,
            report,
            conditions,
            notes,
        }
    }
}
