//! `lens corpus run` and `lens corpus merge`.

use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use lens_core::{ComponentSelection, Selection};
use lens_data::PromptFormat;

use super::{
    MORE_HELP,
    evaluate::EvaluateFormat,
    lens::LensNames,
    model::{MachineArgs, SourceArgs},
};
use crate::{
    format::{as_folder, is_folder, is_misnamed, not_results, of_file},
    shard::ShardChoice,
    values::{Pictures, from_one, share},
};

/// Statistics of a corpus, layer by layer, on one machine or on many
#[derive(Debug, Args)]
pub struct CorpusArgs {
    #[command(subcommand)]
    pub what: Corpus,
}

/// What is to be done with a corpus.
#[derive(Debug, Subcommand)]
pub enum Corpus {
    Run(Box<CorpusRunArgs>),
    Merge(CorpusMergeArgs),
}

impl Corpus {
    /// Options that cannot both be followed, in words.
    pub(super) fn contradiction(&self) -> Option<String> {
        match self {
            Self::Run(args) => args.misnamed().or_else(|| args.machine.contradiction()),
            Self::Merge(args) => args.contradiction(),
        }
    }
}

/// Read a corpus, or one shard of it, and write its statistics in parts
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "For every point and lens: entropy, KL and Jensen-Shannon divergence to the final readout, ranks of the \
final and of the next token, cross-entropy in nats and in bits for each byte, agreement of the most probable tokens, \
calibration, and the scripts of the most probable tokens; and at which layer positions are decided. Memory does not grow \
with the corpus.

The corpus is cut into parts of --part-documents documents each. Shard i of n, counted from 0, makes every n-th part, so \
that the result does not depend on n. A part is written whole or not at all: the same command goes on where an \
interrupted one was. `lens corpus merge` puts the parts together.

Texts and results may lie in an object store (s3://, gs://, az://, https://): see docs/corpora.md.

Examples:
  lens corpus run --input documents.jsonl -o statistics/
  lens corpus run -m Qwen/Qwen2.5-0.5B --input s3://texts/wiki/ -o s3://results/wiki/ --shard auto
  lens corpus run --input texts/ -o statistics/ --shard 2/8 --lens logit,tuned=tuned.safetensors"
)]
pub struct CorpusRunArgs {
    /// Hub id, local folder or GGUF file; without it, the demo model that is part of lens
    #[arg(short, long, value_name = "ID|DIR")]
    pub model: Option<String>,
    #[command(flatten)]
    pub source: SourceArgs,

    /// The texts: a file (lines, .jsonl, .csv, .parquet; packed or not), a folder of such files and of .txt files, or
    /// either in an object store; can be repeated
    #[arg(long = "input", value_name = "PLACE", required = true, help_heading = "Text")]
    pub inputs: Vec<String>,
    /// The field or column that holds the documents [default: text, or prompt]
    #[arg(long, visible_alias = "text-column", value_name = "NAME", help_heading = "Text")]
    pub text_field: Option<String>,
    /// Form of the texts, where their names do not tell: lines, jsonl or csv
    #[arg(long, value_name = "FORMAT", help_heading = "Text")]
    pub text_format: Option<PromptFormat>,
    /// The most documents to read [default: all]
    #[arg(long, value_name = "N", help_heading = "Text")]
    pub documents: Option<NonZeroU64>,
    /// Tokens of a window: a longer document is read in several [default: 512, or what the model takes]
    #[arg(long, value_name = "N", value_parser = from_one, help_heading = "Text")]
    pub context: Option<NonZeroUsize>,

    /// Which shard of how many, as in 2/8, counted from 0; or auto, from what Slurm, Kubernetes or torchrun say
    #[arg(long, value_name = "I/N|auto", default_value = "0/1", help_heading = "Parts")]
    pub shard: ShardChoice,
    /// Documents of a part
    #[arg(long, value_name = "N", default_value = "64", help_heading = "Parts")]
    pub part_documents: NonZeroU64,

    /// The lenses to read with, all from one forward pass: logit, tuned=PATH, jacobian=PATH, or a list of these; in the
    /// place of a path, a name on the hub; can be repeated [default: logit]
    #[arg(long = "lens", value_name = "KIND=PATH", help_heading = "What to read")]
    pub lenses: Vec<LensNames>,
    /// Layers: all, last, an index (-1 is the last), 0..8, 2..=4, or a list of these
    #[arg(long, value_name = "WHICH", default_value = "all", allow_hyphen_values = true)]
    #[arg(help_heading = "What to read")]
    pub layers: Selection,
    /// all, or a list of components [default: those that the lenses are made for; resid_post for the plain lens alone]
    #[arg(long, value_name = "NAMES", allow_hyphen_values = true, help_heading = "What to read")]
    pub components: Option<ComponentSelection>,
    /// How many of the most probable tokens are compared
    #[arg(short = 'k', long = "top-k", value_name = "N", value_parser = from_one, default_value = "5")]
    #[arg(help_heading = "What to read")]
    pub top_k: NonZeroUsize,
    /// Also the languages of what each layer would write, window by window
    #[arg(long, help_heading = "What to read")]
    pub languages: bool,
    /// Also a row for every position, layer and component, as Parquet beside each part
    #[arg(long, help_heading = "What to read")]
    pub rows: bool,

    /// How often the documents are resampled for intervals
    #[arg(long, value_name = "N", default_value_t = 200, help_heading = "Intervals")]
    pub resamplings: usize,
    /// What the draws depend on
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Intervals")]
    pub seed: u64,

    #[command(flatten)]
    pub machine: MachineArgs,

    /// Where the parts go: a folder, or a place in an object store
    #[arg(short, long, value_name = "PLACE", help_heading = "Results")]
    pub out: String,
}

impl CorpusRunArgs {
    /// A place that is named as a file is, in words.
    fn misnamed(&self) -> Option<String> {
        let path = Path::new(&self.out);
        let is_file = !self.out.contains("://") && !is_folder(path);
        (is_file && (is_misnamed(path) || of_file(path).is_some())).then(|| {
            format!(
                "{} is the name of a file, and the parts of a corpus are files in a folder: name one, and lens corpus merge \
                 puts them together into a table, JSON, CSV, a page or pictures; {}",
                path.display(),
                as_folder(path)
            )
        })
    }
}

/// Put the parts of a corpus together
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "Every file is compared with the hash in its part's manifest, and the texts of all parts with those \
that the corpus ends with. A part that is missing is named; --partial leaves it out.

Examples:
  lens corpus merge statistics/
  lens corpus merge statistics/ --format json
  lens corpus merge s3://results/wiki/ -o curves/"
)]
pub struct CorpusMergeArgs {
    /// Where the parts are: a folder, or a place in an object store
    #[arg(value_name = "PLACE")]
    pub parts: String,
    /// Leave out parts that are missing, with a note
    #[arg(long)]
    pub partial: bool,
    /// The share of the resamplings that an interval holds, above 0 and below 1
    #[arg(long, value_name = "SHARE", default_value = "0.95", value_parser = share)]
    pub confidence: f64,
    /// What goes to stdout
    #[arg(long, value_enum, default_value_t = EvaluateFormat::Table, value_name = "table|json|csv")]
    #[arg(hide_possible_values = true, help_heading = "Results")]
    pub format: EvaluateFormat,
    /// Write the results into a file in place of stdout, in the form that its name ends in (.txt, .json, .csv, .html), or all
    /// of them into a folder too: corpus.json, corpus.csv, corpus.html and pictures
    #[arg(short, long, value_name = "FILE|DIR", help_heading = "Results")]
    pub out: Option<PathBuf>,
    /// How the pictures of a folder are drawn: none, or svg, pdf, png, webp, jpg, several with commas [default: svg]
    #[arg(long, value_name = "FORMS", help_heading = "Results")]
    pub pictures: Option<Pictures>,
}

/// Where a merged corpus goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorpusOut<'a> {
    /// To stdout.
    Stdout,
    /// Into a file.
    File(&'a Path, CorpusFile),
    /// To stdout, and all of it into a folder.
    Folder(&'a Path),
    /// The name is that of no results.
    Misnamed(&'a Path),
}

/// What one file of results holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorpusFile {
    /// A table, JSON or CSV.
    Results(EvaluateFormat),
    /// The page.
    Page,
}

impl CorpusMergeArgs {
    /// Where the results go: what a file holds, its name says.
    pub fn destination(&self) -> CorpusOut<'_> {
        let Some(path) = self.out.as_deref() else { return CorpusOut::Stdout };
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let results = |format| CorpusOut::File(path, CorpusFile::Results(format));
        match ending.to_ascii_lowercase().as_str() {
            _ if is_folder(path) => CorpusOut::Folder(path),
            "" => CorpusOut::Folder(path),
            "txt" => results(EvaluateFormat::Table),
            "json" => results(EvaluateFormat::Json),
            "csv" => results(EvaluateFormat::Csv),
            "html" => CorpusOut::File(path, CorpusFile::Page),
            _ => CorpusOut::Misnamed(path),
        }
    }

    fn contradiction(&self) -> Option<String> {
        let named = |path: &Path| path.display().to_string();
        match self.destination() {
            CorpusOut::Misnamed(path) => Some(format!(
                "{}; pictures are written into a folder, in the forms that --pictures says; {}",
                not_results(path, &["txt", "json", "csv", "html"]),
                as_folder(path)
            )),
            CorpusOut::File(path, file)
                if self.format != EvaluateFormat::Table && file != CorpusFile::Results(self.format) =>
            {
                Some(format!("{} is not the name of what --format asks for: leave --format out", named(path)))
            }
            CorpusOut::Folder(_) => None,
            _ if self.pictures.is_some() => {
                Some("--pictures is for a folder of results: name one with -o".to_owned())
            }
            _ => None,
        }
    }
}
