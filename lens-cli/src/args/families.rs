//! `lens families`.

use clap::{Args, ValueEnum};

use super::MORE_HELP;

/// List the supported families of models
#[derive(Debug, Args)]
#[command(after_help = MORE_HELP, after_long_help = "Examples:
  lens families
  lens families --format markdown")]
pub struct FamiliesArgs {
    /// What goes to stdout
    #[arg(long, value_enum, default_value_t = ListFormat::Table)]
    pub format: ListFormat,
}

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    Table,
    Json,
    Markdown,
}
