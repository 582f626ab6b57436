//! A text of many documents, to fit lenses to or to evaluate them on, and the model that reads it.

use std::path::PathBuf;

use clap::Args;
use lens_data::PromptFormat;

use super::model::SourceArgs;

/// A model, and a text that it reads.
#[derive(Debug, Args)]
pub struct ReaderArgs {
    /// Hub id, local folder or GGUF file; without it, the demo model that is part of lens
    #[arg(short, long, value_name = "ID|DIR")]
    pub model: Option<String>,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub text: TextArgs,
}

/// A text of many documents.
#[derive(Debug, Args)]
pub struct TextArgs {
    /// The text: lines, each a document; JSON lines (.jsonl) or a table (.csv, .parquet) with a field text; packed with
    /// gzip or zstd or not
    #[arg(long, value_name = "FILE", help_heading = "Text")]
    pub text: PathBuf,
    /// Form of the text, where its name does not tell: lines, jsonl or csv (Parquet is recognised by itself)
    #[arg(long, value_name = "FORMAT", help_heading = "Text")]
    pub text_format: Option<PromptFormat>,
    /// The field or column that holds the documents [default: text, or prompt]
    #[arg(long, value_name = "NAME", help_heading = "Text")]
    pub text_column: Option<String>,
}
