//! What can be wrong with a tokenizer.

use std::path::PathBuf;

/// A tokenizer that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file beside it is not what it should be.
    #[error("{file} cannot be used: {reason}")]
    SideFile {
        /// Which.
        file: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is not a tokenizer.
    #[error("tokenizer.json cannot be used: {reason}")]
    Broken {
        /// Why.
        reason: String,
    },
    /// The text, or what the tokenizer makes of it, is absurdly long.
    #[error(
        "the tokenizer would make {} bytes or more of a text of {text}, and reads {limit} at most: \
         {}", size, if text > limit { "give a shorter text" } else { "tokenizer.json is broken or made to do harm" }
    )]
    TooLong {
        /// Bytes of the text.
        text: u64,
        /// Bytes that the tokenizer would make of it.
        size: u64,
        /// Bytes that it may be.
        limit: u64,
    },
    /// A text cannot be encoded.
    #[error("the tokenizer cannot encode the text: {reason}")]
    Encode {
        /// Why.
        reason: String,
    },
}
