//! `lens evaluate`.

use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use lens_core::{ComponentSelection, Selection};

use super::{MORE_HELP, lens::LensNames, model::MachineArgs, text::ReaderArgs};
use crate::{
    drawn::DrawnAs,
    format::{as_folder, is_folder, is_misnamed, not_results, of_file},
    values::{Pictures, from_one, share},
};

/// Measure how well lenses predict a text, layer by layer
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "For every point and lens: KL(final || readout) in nats, the surprise at the token that comes next in \
nats and in bits for each byte of the text, and how often the most probable token is the model's own. Intervals are \
bootstrapped over sequences. Memory does not grow with the text.

Examples:
  lens evaluate --text documents.jsonl
  lens evaluate --text documents.jsonl --lens logit,tuned=tuned.safetensors --format csv
  lens evaluate --text documents.jsonl --lens logit,tuned=tuned.safetensors -o curves.svg"
)]
pub struct EvaluateArgs {
    #[command(flatten)]
    pub reader: ReaderArgs,
    /// Tokens of a sequence [default: 512, or what the model takes]
    #[arg(long, value_name = "N", value_parser = from_one, help_heading = "Text")]
    pub context: Option<NonZeroUsize>,
    /// The most sequences to read [default: all]
    #[arg(long, value_name = "N", help_heading = "Text")]
    pub sequences: Option<NonZeroU64>,

    /// The lenses to evaluate, all from one forward pass: logit, tuned=PATH, jacobian=PATH, or a list of these; in the
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

    /// How often the sequences are resampled for an interval
    #[arg(long, value_name = "N", default_value = "1000", help_heading = "Intervals")]
    pub resamplings: NonZeroUsize,
    /// The share of the resamplings that an interval holds, above 0 and below 1
    #[arg(long, value_name = "SHARE", default_value = "0.95", value_parser = share, help_heading = "Intervals")]
    pub confidence: f64,
    /// What the draws depend on
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Intervals")]
    pub seed: u64,

    #[command(flatten)]
    pub machine: MachineArgs,

    /// What goes to stdout
    #[arg(long, value_enum, default_value_t = EvaluateFormat::Table, value_name = "table|json|csv")]
    #[arg(hide_possible_values = true, help_heading = "Results")]
    pub format: EvaluateFormat,
    /// Write the results into a file in place of stdout, in the form that its name ends in (.txt, .json, .csv; .svg,
    /// .pdf, .png, .webp or .jpg: a picture), or all of them into a folder too: evaluation.json, evaluation.csv, and a picture
    #[arg(short, long, value_name = "FILE|DIR", help_heading = "Results")]
    pub out: Option<PathBuf>,
    /// How the picture of a folder is drawn: none, or svg, pdf, png, webp, jpg, several with commas [default: svg]
    #[arg(long, value_name = "FORMS", help_heading = "Results")]
    pub pictures: Option<Pictures>,
}

/// Where an evaluation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvaluateOut<'a> {
    /// To stdout.
    Stdout,
    /// Into a file, as a table, JSON or CSV.
    Results(&'a Path, EvaluateFormat),
    /// Into a file, as a picture.
    Picture(&'a Path),
    /// To stdout, and all of it into a folder.
    Folder(&'a Path),
}

impl EvaluateArgs {
    /// Where the results go: what a file holds, its name says.
    pub fn destination(&self) -> EvaluateOut<'_> {
        let Some(path) = self.out.as_deref() else { return EvaluateOut::Stdout };
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            _ if is_folder(path) => EvaluateOut::Folder(path),
            "txt" => EvaluateOut::Results(path, EvaluateFormat::Table),
            "json" => EvaluateOut::Results(path, EvaluateFormat::Json),
            "csv" => EvaluateOut::Results(path, EvaluateFormat::Csv),
            ending if DrawnAs::of_ending(ending).is_some() => EvaluateOut::Picture(path),
            _ => EvaluateOut::Folder(path),
        }
    }

    /// Options that cannot both be followed, in words.
    pub(super) fn contradiction(&self) -> Option<String> {
        let own = match self.destination() {
            EvaluateOut::Results(path, form)
                if self.format != EvaluateFormat::Table && self.format != form =>
            {
                Some(format!(
                    "{} is not the name of what --format asks for: leave --format out",
                    path.display()
                ))
            }
            EvaluateOut::Picture(path) if self.format != EvaluateFormat::Table => {
                Some(format!("{} is the name of a picture: leave --format out", path.display()))
            }
            EvaluateOut::Folder(path)
                if !is_folder(path) && (is_misnamed(path) || of_file(path).is_some()) =>
            {
                let endings = ["txt", "json", "csv", "svg", "pdf", "png", "webp", "jpg"];
                Some(format!("{}; {}", not_results(path, &endings), as_folder(path)))
            }
            EvaluateOut::Folder(_) => None,
            _ if self.pictures.is_some() => {
                Some("--pictures is for a folder of results: name one with -o".to_owned())
            }
            _ => None,
        };
        own.or_else(|| self.machine.contradiction())
    }
}

/// The form of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EvaluateFormat {
    Table,
    Json,
    Csv,
}
