//! The statistics of a corpus in parts, in a [`Store`](crate::Store).
//!
//! A corpus is cut into parts of a fixed number of consecutive documents, however many processes share it out: process i of
//! n makes the parts whose number leaves i when divided by n. So a part is the same whoever makes it, and all parts in
//! their order are the same statistics to the last bit. In the store lie:
//!
//! - `corpus.json`: what all parts have in common, the [`Run`];
//! - `part-00000000.parquet`: the statistics of a part, one row for each measure of a column ([`Cell`]), and
//!   `tokens-00000000.parquet` where its rows were asked for;
//! - `part-00000000.json`: its [`Manifest`], written last: which documents, which could not be read, and the size and
//!   SHA-256 of each file. What has no manifest is no part.
//! - `end.json`: the [`End`] of the corpus, written by every process that has come there.
//!
//! [`Cell`]: lens_core::corpus::Cell

mod error;
mod made;
mod manifest;
mod merge;
mod rows;
mod table;

pub use error::PartsError;
pub use made::{Parts, Stored};
pub use manifest::{End, Failure, FileOf, Made, Manifest, Run};
pub use merge::{Merged, Missing, merge};
pub use rows::{CorpusTokens, TokenAt};
pub use table::{of_parquet, to_parquet};
