//! `lens attribute`.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::{Args, ValueEnum};
use lens_core::Selection;

use super::{
    MORE_HELP,
    model::{MachineArgs, SourceArgs},
    run::ChatArgs,
};
use crate::values::{Target, TokenIds, from_one};

/// Say which parts of a model a logit comes from
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "The model runs once. With the statistics of the final norm given, a token's logit is the sum of \
what the embedding and every attention and MLP add, and of biases: each has its share, and so have every head and neuron. \
The sum is checked, and its error is printed. With --versus, every number is the share in the difference of two logits. \
Shares are those of the logit before a soft cap and after a logit scale. A norm between a head or neuron and the stream is \
taken with its statistics at the position, so that shares still add up.

Examples:
  lens attribute \"The capital of France is\" --target \" Paris\"
  lens attribute \"The capital of France is\" --target \" Paris\" --versus \" Rome\"
  lens attribute --token-ids 5,7,11 --target 9 --format json
  lens attribute -m Qwen/Qwen2.5-0.5B \"The capital of France is\" --target \" Paris\" -o heads.svg"
)]
pub struct AttributeArgs {
    /// Hub id, local folder or GGUF file; without it, the demo model that is part of lens
    #[arg(short, long, value_name = "ID|DIR")]
    pub model: Option<String>,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub input: OneInputArgs,
    #[command(flatten)]
    pub chat: ChatArgs,

    /// The token whose logit is taken apart, by text or id (text:5 is the text 5)
    #[arg(long, value_name = "TEXT|ID", allow_hyphen_values = true, help_heading = "What to take apart")]
    pub target: Target,
    /// A token whose logit is subtracted
    #[arg(long, value_name = "TEXT|ID", allow_hyphen_values = true, help_heading = "What to take apart")]
    pub versus: Option<Target>,
    /// The position whose next token is predicted: last, or an index (-1 is the last)
    #[arg(long, value_name = "WHICH", default_value = "last", allow_hyphen_values = true)]
    #[arg(help_heading = "What to take apart")]
    pub position: Selection,
    /// How many neurons to name, of those with the largest shares; 0 is none
    #[arg(long, value_name = "K", default_value_t = 20, help_heading = "What to take apart")]
    pub neurons: usize,

    #[command(flatten)]
    pub machine: MachineArgs,

    /// What goes to stdout
    #[arg(long, value_enum, default_value_t = AttributeFormat::Table, help_heading = "Results")]
    #[arg(hide_possible_values = true, value_name = "table|json")]
    pub format: AttributeFormat,
    /// The most parts, heads and neurons below the table [default: 10]
    #[arg(short = 'k', long, value_name = "K", value_parser = from_one, help_heading = "Results")]
    pub top_k: Option<NonZeroUsize>,
    /// Write a file in place of stdout: .json, a page (.html), or a heatmap of layers and heads (.svg, .png)
    #[arg(short, long, value_name = "FILE", help_heading = "Results")]
    pub out: Option<PathBuf>,
}

impl AttributeArgs {
    /// Options that cannot both be followed, in words.
    pub(super) fn contradiction(&self) -> Option<String> {
        let file = self.out.as_deref().filter(|_| self.format == AttributeFormat::Json);
        let other = file.filter(|file| !file.extension().is_some_and(|end| end.eq_ignore_ascii_case("json")));
        let other = other.map(|file| {
            format!(
                "{} is not the name of a file of JSON, which --format asks for: leave --format out, or give another name",
                file.display()
            )
        });
        other.or_else(|| self.machine.contradiction())
    }
}

/// The one text that the model reads.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct OneInputArgs {
    /// The text; - reads it from stdin
    pub prompt: Option<String>,
    /// A file with the text; a line feed at its end is not part of it (nor on stdin)
    #[arg(long, value_name = "FILE")]
    pub prompt_file: Option<PathBuf>,
    /// Token ids such as 1,2,3 in place of a text; no special token is added
    #[arg(long, value_name = "IDS")]
    pub token_ids: Option<TokenIds>,
}

/// The form of an attribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AttributeFormat {
    Table,
    Json,
}
