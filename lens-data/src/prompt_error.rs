//! Why prompts cannot be read.

use std::io;

use crate::record::listed;

/// Why a prompt, or the rest of the file, cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// The record is not a prompt; those after it can be read.
    #[error("line {line}: {reason}")]
    Record {
        /// The line that it begins at, from 1.
        line: u64,
        /// Its number in the file, from 0.
        index: u64,
        /// The name that its file gives it, if that could be read.
        id: Option<String>,
        /// What is wrong.
        reason: String,
    },
    /// The file has no prompts: a CSV table without the column.
    #[error("the table has no column {wanted:?}; it has {}", listed(names))]
    NoColumn {
        /// The column.
        wanted: String,
        /// The columns of the file.
        names: Vec<String>,
    },
    /// The file does not say which of its columns has the prompts.
    #[error("the table has {n} columns {name:?}: give the one that is meant a name of its own")]
    SameName {
        /// The name.
        name: String,
        /// How many columns have it.
        n: usize,
    },
    /// The columns of the table are not separated by commas.
    #[error(
        "the columns of the table are separated by {separator}, and {wanted:?} is one of {}: separate them by commas",
        listed(names)
    )]
    Separator {
        /// What separates them: `semicolons` or `tabs`.
        separator: &'static str,
        /// The column.
        wanted: String,
        /// The columns of the file.
        names: Vec<String>,
    },
    /// Parquet that comes from a pipe or out of a packing.
    #[error(
        "it is Parquet, which is read from its end: give the file itself, not packed, and not through a pipe"
    )]
    ParquetInAStream,
    /// The rest of the file cannot be read.
    #[error("the rest of the file cannot be read")]
    Read(#[from] io::Error),
}

impl PromptError {
    /// Whether prompts that can be read may follow.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Record { .. })
    }
}
