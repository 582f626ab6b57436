//! Why documents cannot be read.

use std::{io, sync::Arc};

use crate::{prompt_error::PromptError, shown::shown, store::StoreError};

/// Why a document, or the rest of a corpus, cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The record, or the file that is one document, is broken; those after it can be read.
    #[error("{}{}: {reason}", shown(file), line.map_or(String::new(), |line| format!(", line {line}")))]
    Record {
        /// The file.
        file: Arc<str>,
        /// The line that it begins at, from 1; none where the file is one document.
        line: Option<u64>,
        /// Its number in the corpus, from 0.
        index: u64,
        /// The name that its file gives it, if that could be read.
        id: Option<String>,
        /// What is wrong.
        reason: String,
    },
    /// A file cannot be opened, or not be read to its end. Nothing follows: what came after it would have other numbers
    /// than where it can be read.
    #[error("cannot read documents from {}", shown(file))]
    File {
        /// The file.
        file: Arc<str>,
        /// Why.
        #[source]
        source: PromptError,
    },
    /// An input that does not exist or cannot be looked at.
    #[error("cannot find the documents of {}", shown(input))]
    Input {
        /// The input.
        input: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder without a file that is read.
    #[error(
        "{} has no file of documents: those end in .jsonl, .ndjson, .csv, .parquet or .txt, packed with gzip or zstd or \
         not{}",
        shown(input),
        if *others == 0 { " (it is empty)".to_owned() } else { format!(" ({others} others are there)") }
    )]
    Nothing {
        /// The folder.
        input: String,
        /// How many other files it has.
        others: u64,
    },
    /// There is neither an object nor a folder of that name.
    #[error("{} is neither an object nor a folder with objects", shown(input))]
    NoObject {
        /// The address.
        input: String,
    },
    /// A store that cannot be opened or listed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing was named.
    #[error("no file or folder of documents is named")]
    NoInput,
    /// Stdin is named twice.
    #[error("stdin is named twice, and can be read once")]
    StdinTwice,
}

impl DocumentError {
    /// Whether documents that can be read may follow.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Record { .. })
    }
}
