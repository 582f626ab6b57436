//! `lens inspect`.

use clap::{Args, ValueEnum};

use super::{
    MORE_HELP,
    model::{NamedModel, SourceArgs},
};

/// Say what a model is made of
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "Reads config.json and the headers of the weights only: of a model on the hub, a few \
kilobytes. Weights in pickles (pytorch_model.bin) are fetched whole: they do not say at their beginning what they hold.

Examples:
  lens inspect
  lens inspect Qwen/Qwen2.5-0.5B --format json"
)]
pub struct InspectArgs {
    #[command(flatten)]
    pub model: NamedModel,
    #[command(flatten)]
    pub source: SourceArgs,
    /// What goes to stdout
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// The form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
}
