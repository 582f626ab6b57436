//! `lens diff`.

use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use lens_core::{
    ComponentSelection, Selection,
    diff::{Condition, Side},
};
use lens_data::PromptFormat;

use super::{
    EvaluateFormat, MORE_HELP,
    model::{Dtype, IoChoice, MachineArgs, SourceArgs},
    text::TextArgs,
};
use crate::{
    drawn::DrawnAs,
    format::{as_folder, is_folder, is_misnamed, not_results, of_file},
    values::{Device, Pictures, from_one, share, threshold},
};

/// Compare two models on a text, and say where the computation changed: a gate for fine-tunes and quantisations
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "Both models read the text once, side by side in memory. For every point: how far the captured vectors are \
apart, and how far the readouts are, each through the model's own final norm and unembedding. Then B is run on the \
inputs of A's blocks: what a component adds differs by its own doing alone (own), so that the first change is named.

A condition is [POINT.]MEASURE[.mean|.min|.max], one of > >= < <=, and a number. Without a point it is about the final \
readouts: kl, js, top1, reciprocal_rank, cross_entropy, own. Points have relative, cosine, own, kl, js, top1, \
reciprocal_rank. Where one holds, the results are written and lens ends with 1.

Examples:
  lens diff demo demo --dtype-b bf16 --corpus documents.jsonl
  lens diff org/base org/tuned --corpus documents.jsonl --fail-if 'kl>0.01' --fail-if 'top1<0.99'
  lens diff base/ tuned/ --corpus documents.jsonl --components all,heads -o diff/
  lens diff base/ base/ --adapter-b adapter/ --corpus documents.jsonl"
)]
pub struct DiffArgs {
    /// The model to compare with: hub id, local folder or GGUF file, or demo
    #[arg(value_name = "A")]
    pub a: String,
    /// The model that is compared; may be A again, in another dtype or revision
    #[arg(value_name = "B")]
    pub b: String,

    /// Branch, tag or commit of A on the hub
    #[arg(long, value_name = "REV", help_heading = "Models")]
    pub revision_a: Option<String>,
    /// Branch, tag or commit of B on the hub
    #[arg(long, value_name = "REV", help_heading = "Models")]
    pub revision_b: Option<String>,
    /// Merge a LoRA adapter into A: a folder or a name on the hub (@REV may follow); several are added in order
    #[arg(long, value_name = "PATH|HUB", help_heading = "Models")]
    pub adapter_a: Vec<String>,
    /// Merge a LoRA adapter into B
    #[arg(long, value_name = "PATH|HUB", help_heading = "Models")]
    pub adapter_b: Vec<String>,
    /// Type of A's weights; auto keeps the one they are stored in
    #[arg(long, value_enum, default_value_t = Dtype::Auto, value_name = "DTYPE", help_heading = "Models")]
    pub dtype_a: Dtype,
    /// Type of B's weights
    #[arg(long, value_enum, default_value_t = Dtype::Auto, value_name = "DTYPE", help_heading = "Models")]
    pub dtype_b: Dtype,
    /// Use what is on this machine only
    #[arg(long, help_heading = "Models")]
    pub offline: bool,
    /// Read both configs as those of this family (see lens families), whatever their model_type says
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "FAMILY", help_heading = "Models")]
    pub assume_family: Option<String>,
    /// Ignore keys of config.json and tensors that the family does not use, with a note
    #[arg(long, help_heading = "Models")]
    pub ignore_extra: bool,

    /// The text: lines, each a document; JSON lines (.jsonl) or a table (.csv, .parquet) with a field text; packed with
    /// gzip or zstd or not. Documents are read as they are: no chat template is put around them
    #[arg(long, value_name = "FILE", help_heading = "Text")]
    pub corpus: PathBuf,
    /// Form of the text, where its name does not tell: lines, jsonl or csv (Parquet is recognised by itself)
    #[arg(long, value_name = "FORMAT", help_heading = "Text")]
    pub text_format: Option<PromptFormat>,
    /// The field or column that holds the documents [default: text, or prompt]
    #[arg(long, value_name = "NAME", help_heading = "Text")]
    pub text_column: Option<String>,
    /// Tokens of a sequence [default: 512, or what both models take]
    #[arg(long, value_name = "N", value_parser = from_one, help_heading = "Text")]
    pub context: Option<NonZeroUsize>,
    /// The most sequences to read [default: all]
    #[arg(long, value_name = "N", help_heading = "Text")]
    pub sequences: Option<NonZeroU64>,

    /// Layers: all, last, an index (-1 is the last), 0..8, 2..=4, or a list of these
    #[arg(long, value_name = "WHICH", default_value = "all", allow_hyphen_values = true)]
    #[arg(help_heading = "What to compare")]
    pub layers: Selection,
    /// all, heads (every head, besides), or a list of components
    #[arg(long, value_name = "NAMES", default_value = "all", allow_hyphen_values = true)]
    #[arg(help_heading = "What to compare")]
    pub components: ComponentSelection,
    /// Which readouts to compare: all, or those at the end alone (final), which is many times faster and leaves kl, js, top1
    /// and reciprocal_rank of points out
    #[arg(long, value_enum, default_value_t = ReadoutsName::All, value_name = "all|final")]
    #[arg(hide_possible_values = true, help_heading = "What to compare")]
    pub readouts: ReadoutsName,
    /// The difference of its own that a component has to exceed to be called changed [default: what the rounding of
    /// the dtypes may make]
    #[arg(long, value_name = "X", value_parser = threshold, help_heading = "What to compare")]
    pub threshold: Option<f64>,

    /// End with 1 where this holds, e.g. 'kl>0.01', 'top1<0.99', 'kl.max>0.5' or 'L12.mlp_out.relative>0.1'; can be
    /// repeated
    #[arg(long, value_name = "CONDITION", help_heading = "Gate")]
    pub fail_if: Vec<Condition>,

    /// How often the sequences are resampled for an interval
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "N", default_value = "1000", help_heading = "Intervals")]
    pub resamplings: NonZeroUsize,
    /// The share of the resamplings that an interval holds, above 0 and below 1
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "SHARE", default_value = "0.95", value_parser = share, help_heading = "Intervals")]
    pub confidence: f64,
    /// What the draws depend on
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Intervals")]
    pub seed: u64,

    /// auto, cpu, cuda, cuda:1 or mps, for both models
    #[arg(long, value_name = "DEVICE", default_value = "auto", help_heading = "How to run")]
    pub device: Device,
    /// How weights come into memory: map or read [default: map, and read from network file systems]
    #[arg(long, value_enum, value_name = "map|read", default_value_t = IoChoice::Auto, hide_default_value = true)]
    #[arg(hide_short_help = true)]
    #[arg(hide_possible_values = true, help_heading = "How to run")]
    pub io: IoChoice,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "How to run")]
    pub threads: Option<u16>,

    /// What goes to stdout
    #[arg(long, value_enum, default_value_t = EvaluateFormat::Table, value_name = "table|json|csv")]
    #[arg(hide_possible_values = true, help_heading = "Results")]
    pub format: EvaluateFormat,
    /// Write the results into a file in place of stdout, in the form that its name ends in (.txt, .json, .csv, .html; .svg,
    /// .pdf, .png, .webp or .jpg: pictures), or all of them into a folder too: diff.json, diff.csv, diff.html, and pictures
    #[arg(short, long, value_name = "FILE|DIR", help_heading = "Results")]
    pub out: Option<PathBuf>,
    /// How the pictures of a folder are drawn: none, or svg, pdf, png, webp, jpg, several with commas [default: svg]
    #[arg(long, value_name = "FORMS", help_heading = "Results")]
    pub pictures: Option<Pictures>,
}

/// Which readouts of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReadoutsName {
    All,
    Final,
}

/// A model of a comparison, and how it is to be opened and run.
#[derive(Debug)]
pub struct SideArgs<'a> {
    /// What the user calls it.
    pub model: &'a str,
    /// Where it may come from.
    pub source: SourceArgs,
    /// How it is run.
    pub machine: MachineArgs,
}

/// Where a comparison goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffOut<'a> {
    /// To stdout.
    Stdout,
    /// Into a file, as a table, JSON or CSV.
    Results(&'a Path, EvaluateFormat),
    /// Into a file, as a page.
    Page(&'a Path),
    /// Into files, as pictures.
    Pictures(&'a Path),
    /// To stdout, and all of it into a folder.
    Folder(&'a Path),
}

impl DiffArgs {
    /// One of the models: the only place where what the two have of their own is told apart.
    pub fn side(&self, side: Side) -> SideArgs<'_> {
        let (model, revision, adapter, dtype) = match side {
            Side::A => (&self.a, &self.revision_a, &self.adapter_a, self.dtype_a),
            Side::B => (&self.b, &self.revision_b, &self.adapter_b, self.dtype_b),
        };
        SideArgs {
            model,
            source: SourceArgs {
                revision: revision.clone(),
                adapter: adapter.clone(),
                offline: self.offline,
                assume_family: self.assume_family.clone(),
                ignore_extra: self.ignore_extra,
            },
            machine: MachineArgs {
                dtype,
                device: self.device,
                device_map: None,
                io: self.io,
                threads: self.threads,
            },
        }
    }

    /// The text.
    pub fn text(&self) -> TextArgs {
        TextArgs {
            text: self.corpus.clone(),
            text_format: self.text_format,
            text_column: self.text_column.clone(),
        }
    }

    /// Where the results go: what a file holds, its name says.
    pub fn destination(&self) -> DiffOut<'_> {
        let Some(path) = self.out.as_deref() else { return DiffOut::Stdout };
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            _ if is_folder(path) => DiffOut::Folder(path),
            "txt" => DiffOut::Results(path, EvaluateFormat::Table),
            "json" => DiffOut::Results(path, EvaluateFormat::Json),
            "csv" => DiffOut::Results(path, EvaluateFormat::Csv),
            "html" => DiffOut::Page(path),
            ending if DrawnAs::of_ending(ending).is_some() => DiffOut::Pictures(path),
            _ => DiffOut::Folder(path),
        }
    }

    /// Options that cannot both be followed, in words.
    pub(super) fn contradiction(&self) -> Option<String> {
        let is_table = self.format == EvaluateFormat::Table;
        match self.destination() {
            DiffOut::Results(path, form) if !is_table && self.format != form => Some(format!(
                "{} is not the name of what --format asks for: leave --format out",
                path.display()
            )),
            DiffOut::Page(path) | DiffOut::Pictures(path) if !is_table => {
                Some(format!("{} is the name of a page or a picture: leave --format out", path.display()))
            }
            DiffOut::Folder(path) if !is_folder(path) && (is_misnamed(path) || of_file(path).is_some()) => {
                let endings = ["txt", "json", "csv", "html", "svg", "pdf", "png", "webp", "jpg"];
                Some(format!("{}; {}", not_results(path, &endings), as_folder(path)))
            }
            DiffOut::Folder(_) => None,
            _ if self.pictures.is_some() => {
                Some("--pictures is for a folder of results: name one with -o".to_owned())
            }
            _ => None,
        }
    }
}
