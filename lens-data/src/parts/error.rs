//! Parts that cannot be written or put together.

use lens_core::corpus::CorpusError;

use crate::{format::DataError, store::StoreError};

/// Parts that cannot be written or put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PartsError {
    /// The store's own failure.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A table cannot be written.
    #[error(transparent)]
    Table(#[from] DataError),
    /// There is no run in the store.
    #[error("there are no parts of a corpus in {store}: it has no corpus.json")]
    NoRun {
        /// The store.
        store: String,
    },
    /// The store holds parts of another run.
    #[error("{store} holds parts of another run: {}", .differences.join(", "))]
    OtherRun {
        /// The store.
        store: String,
        /// In what they differ.
        differences: Vec<String>,
    },
    /// A file of the store is not what it should be.
    #[error("{name} cannot be read: {reason}")]
    Broken {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of a part is not the one that its manifest describes.
    #[error("{name} is not the file that {manifest} describes: {reason}")]
    OtherFile {
        /// Its name.
        name: String,
        /// The manifest's name.
        manifest: String,
        /// In what they differ.
        reason: String,
    },
    /// A part was made of other documents than those that are there now.
    #[error(
        "part {part} was made of other documents than those that are there now (from document {first} on): the \
         corpus has changed, or is another"
    )]
    OtherTexts {
        /// The part.
        part: u64,
        /// The number of its first document.
        first: u64,
    },
    /// Two processes found different ends.
    #[error(
        "the corpus ends otherwise here ({here} documents) than where another process read it ({there} documents): it \
         has changed, or is another"
    )]
    OtherEnd {
        /// Documents that were read here.
        here: u64,
        /// Documents that were read there.
        there: u64,
    },
    /// Nobody has read the corpus to its end.
    #[error("no process has read the corpus to its end: {parts} parts are there")]
    NoEnd {
        /// How many parts there are.
        parts: usize,
    },
    /// Some parts are not there.
    #[error("{missing} of {parts} parts are missing: {which}")]
    Missing {
        /// How many are missing.
        missing: u64,
        /// How many there should be.
        parts: u64,
        /// Which, with their documents.
        which: String,
    },
    /// What a part holds cannot be added.
    #[error("{name} cannot be added")]
    Statistics {
        /// The file's name.
        name: String,
        /// Why.
        #[source]
        source: CorpusError,
    },
}
