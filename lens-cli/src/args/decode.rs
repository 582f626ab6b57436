//! `lens decode`.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::{Args, ValueEnum};
use lens_core::{DirectionNorm, Selection};

use super::{
    MORE_HELP,
    model::{MachineArgs, SourceArgs},
};
use crate::{
    format::{self, RunFormat},
    values::{Device, Target, from_one},
};

/// Say what vectors mean: features of autoencoders, probes, steering vectors, or the model's own neurons, heads and embeddings
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "A direction v of the residual stream is decoded into the tokens that it makes most and least \
likely. No prompt is run: only the final norm and the unembedding are used, and libtorch is not needed.

The final norm's scale belongs to a position and not to a direction. --norm folded therefore reads v as W_U (w * v), with \
the weight w of the final norm and, where that is a layer norm, v less its mean; biases and the soft cap are left out. \
final-scale=S divides that by S, the norm's scale at a position, so that logits are those of one unit of v there. none \
multiplies the raw vector with the unembedding, and recomputed reads it as if it were the whole stream; both end as the \
model's own logits do, with bias and cap. Unembeddings in bf16 meet vectors rounded to bf16; --dtype f32 avoids that.

FILE is safetensors, npy, npz, a GGUF control vector, or the folder of an autoencoder (SAELens, sparsify, Gemma Scope), \
whose W_dec is read. Rows are vectors where they have the model's width, else columns are.

Examples:
  lens decode --neurons --layers -1
  lens decode --heads-ov --tokens \" Paris\" --layers 4..
  lens decode --embedding --format jsonl
  lens decode -m ID ./sae -o features.parquet
  lens decode -m ID happy.gguf --norm final-scale=12.5"
)]
#[group(id = "what", required = true, multiple = false, args = ["file", "neurons", "heads_ov", "embedding"])]
pub struct DecodeArgs {
    /// Hub id, local folder or GGUF file; without it, the demo model that is part of lens
    #[arg(short, long, value_name = "ID|DIR")]
    pub model: Option<String>,
    #[command(flatten)]
    pub source: SourceArgs,

    /// A file of vectors, or the folder of a sparse autoencoder
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Every neuron: the columns of the down projections, of each expert where there are several
    #[arg(long, help_heading = "What to decode")]
    pub neurons: bool,
    /// Every head's OV circuit on the --tokens: what it writes when it attends to one of them alone
    #[arg(long, requires = "tokens", help_heading = "What to decode")]
    pub heads_ov: bool,
    /// The embeddings of all tokens, or of the --tokens
    #[arg(long, help_heading = "What to decode")]
    pub embedding: bool,
    /// A tensor of FILE; can be repeated [default: W_dec, or direction.N, or the one that fits]
    #[arg(long = "tensor", value_name = "NAME", help_heading = "What to decode")]
    #[arg(conflicts_with_all = ["neurons", "heads_ov", "embedding"])]
    pub tensors: Vec<String>,
    /// Read columns where rows would fit, too
    #[arg(long, help_heading = "What to decode", conflicts_with_all = ["neurons", "heads_ov", "embedding"])]
    pub transpose: bool,
    /// A token by text or id (text:5 is the text 5); can be repeated
    #[arg(long, value_name = "TEXT|ID", allow_hyphen_values = true, help_heading = "What to decode")]
    #[arg(conflicts_with_all = ["file", "neurons"])]
    pub tokens: Vec<Target>,
    /// Layers of neurons and heads: all, last, an index (-1 is the last), 0..8, 2..=4, or a list of these
    #[arg(long, value_name = "WHICH", allow_hyphen_values = true, help_heading = "What to decode")]
    #[arg(conflicts_with_all = ["file", "embedding"])]
    pub layers: Option<Selection>,
    /// Rows of each tensor, neurons or heads of each layer, or token ids, written as layers are
    #[arg(long, value_name = "WHICH", default_value = "all", allow_hyphen_values = true)]
    #[arg(help_heading = "What to decode")]
    pub rows: Selection,

    /// The tokens to keep at each end
    #[arg(short = 'k', long, value_name = "K", default_value = "10", help_heading = "How to read")]
    #[arg(value_parser = from_one)]
    pub top_k: NonZeroUsize,
    /// What the final norm does to a vector: folded, final-scale=SCALE, none or recomputed
    #[arg(long, value_name = "MODE", default_value = "folded", help_heading = "How to read")]
    pub norm: DirectionNorm,
    /// Leave out vectors with values that are NaN or infinite, with a note, instead of ending there
    #[arg(long, help_heading = "How to read")]
    pub skip_nonfinite: bool,

    #[command(flatten)]
    pub machine: MachineArgs,

    /// What goes to stdout: a table of the first directions, or all of them in another form
    #[arg(long, value_enum, default_value_t = DecodeFormat::Table, help_heading = "Results")]
    #[arg(hide_possible_values = true, value_name = "table|jsonl|parquet|arrow|csv")]
    pub format: DecodeFormat,
    /// Write all directions into a file in place of stdout, in the form that its name ends in (.jsonl, .csv, .parquet,
    /// .arrow; packed with a further .gz or .zst)
    #[arg(short, long, value_name = "FILE", help_heading = "Results")]
    pub out: Option<PathBuf>,
}

/// The form of decoded directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DecodeFormat {
    /// The first ones, for people.
    Table,
    /// A JSON object on each line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
    /// Arrow's file format.
    Arrow,
    /// Comma-separated values.
    Csv,
}

impl DecodeFormat {
    /// The flat form, where it is one.
    pub fn flat(self) -> Option<lens_data::Format> {
        match self {
            Self::Parquet => Some(lens_data::Format::Parquet),
            Self::Arrow => Some(lens_data::Format::Arrow),
            Self::Csv => Some(lens_data::Format::Csv),
            Self::Table | Self::Jsonl => None,
        }
    }

    fn of_file(named: RunFormat) -> Option<Self> {
        match named {
            RunFormat::Jsonl => Some(Self::Jsonl),
            RunFormat::Parquet => Some(Self::Parquet),
            RunFormat::Arrow => Some(Self::Arrow),
            RunFormat::Csv => Some(Self::Csv),
            RunFormat::Table | RunFormat::Json | RunFormat::LogitlenskitV2 => None,
        }
    }
}

impl DecodeArgs {
    /// With what the name of the file implies: the form of the results.
    pub(super) fn settle(&mut self) {
        if let Some(named) = self.named()
            && self.format == DecodeFormat::Table
        {
            self.format = named;
        }
    }

    /// Options that cannot both be followed, in words.
    pub(super) fn contradiction(&self) -> Option<String> {
        let elsewhere = matches!(self.machine.device, Device::Place(place) if !place.is_host());
        if elsewhere || self.machine.device_map.is_some() {
            return Some(
                "directions are decoded on the processor: leave out --device and --device-map".to_owned(),
            );
        }
        let out = self.out.as_ref()?;
        match (self.named(), self.format) {
            (None, DecodeFormat::Table) => Some(format!(
                "{} does not say which form it is to have: end its name in .jsonl, .csv, .parquet or .arrow, or give \
                 a --format",
                out.display()
            )),
            (Some(named), asked) if named != asked => Some(format!(
                "{} is not the name of a file in the form that --format asks for: leave --format out, or give another \
                 name",
                out.display()
            )),
            _ => None,
        }
    }

    fn named(&self) -> Option<DecodeFormat> {
        DecodeFormat::of_file(format::of_file(self.out.as_deref()?)?)
    }
}
