//! `lens attribute`.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::{Args, ValueEnum};
use lens_core::{Component, Intervention, Point, Selection, Site};
use lens_data::PromptFormat;

use super::{
    MORE_HELP,
    lens::LensName,
    model::{MachineArgs, SourceArgs},
    run::{ChatArgs, InputArgs},
};
use crate::values::{Target, from_one};

/// Say which parts of a model a logit comes from
#[derive(Debug, Args)]
#[command(
    override_usage = "lens attribute [OPTIONS] --target <TEXT|ID> <PROMPT>",
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
  lens attribute \"The capital of France is\" --target \" Paris\" --steer \"L3.z.h1 = 0\"
  lens attribute \"The capital of France is\" --target \" Paris\" --lens tuned=./lens --point embed
  lens attribute --prompts ./prompts.jsonl --target \" Paris\" --format json
  lens attribute -m Qwen/Qwen2.5-0.5B \"The capital of France is\" --target \" Paris\" -o heads.svg"
)]
pub struct AttributeArgs {
    /// Hub id, local folder or GGUF file; without it, the demo model that is part of lens
    #[arg(short, long, value_name = "ID|DIR")]
    pub model: Option<String>,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub input: InputArgs,
    /// lines, jsonl or csv, whatever the name of the file of prompts ends in
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "FORMAT", requires = "prompts")]
    pub prompts_format: Option<PromptFormat>,
    /// The field or column that holds the prompts [default: text, or prompt]
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "NAME", requires = "prompts")]
    pub prompts_column: Option<String>,
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
    /// Take apart what is read at this place in place of the model's own logit: embed, or the input or output of a block, such
    /// as L4.resid_pre
    #[arg(long, value_name = "POINT", value_parser = point, help_heading = "What to take apart")]
    pub point: Option<Point>,
    /// Read it there through a lens: tuned=PATH or jacobian=PATH; in the place of a path, a name on the hub
    #[arg(long = "lens", value_name = "KIND=PATH", requires = "point", help_heading = "What to take apart")]
    pub lens: Option<LensName>,
    /// How many neurons to name, of those with the largest shares; 0 is none
    #[arg(long, value_name = "K", default_value_t = 20, help_heading = "What to take apart")]
    pub neurons: usize,

    /// Change activations while the model runs, as lens run does; what a change adds is a part of its own; can be repeated
    #[arg(long, value_name = "CHANGE", help_heading = "What to change")]
    pub steer: Vec<Intervention>,

    #[command(flatten)]
    pub machine: MachineArgs,

    /// What goes to stdout; of many prompts, JSON is a line for each
    #[arg(long, value_enum, default_value_t = AttributeFormat::Table, help_heading = "Results")]
    #[arg(hide_possible_values = true, value_name = "table|json")]
    pub format: AttributeFormat,
    /// The most parts, heads and neurons below the table [default: 10]
    #[arg(short = 'k', long, value_name = "K", value_parser = from_one, help_heading = "Results")]
    pub top_k: Option<NonZeroUsize>,
    /// Write a file in place of stdout: .json (of many prompts .jsonl), a page (.html), or a heatmap of layers and heads
    /// (.svg, .pdf, .png, .webp, .jpg)
    #[arg(short, long, value_name = "FILE", help_heading = "Results")]
    pub out: Option<PathBuf>,
}

impl AttributeArgs {
    /// Options that cannot both be followed, in words.
    pub(super) fn contradiction(&self) -> Option<String> {
        let file = self.out.as_deref().filter(|_| self.format == AttributeFormat::Json);
        let is_json =
            |end: &std::ffi::OsStr| end.eq_ignore_ascii_case("json") || end.eq_ignore_ascii_case("jsonl");
        let other = file.filter(|file| !file.extension().is_some_and(is_json));
        let other = other.map(|file| {
            format!(
                "{} is not the name of a file of JSON, which --format asks for: leave --format out, or give another name",
                file.display()
            )
        });
        let plain = (self.lens == Some(LensName::Logit))
            .then(|| "--lens logit is how --point reads by itself: leave --lens out".to_owned());
        let chat = || self.chat.contradiction(self.input.messages.is_some());
        other.or(plain).or_else(chat).or_else(|| self.machine.contradiction())
    }
}

/// A place in the stream.
fn point(written: &str) -> Result<Point, String> {
    let unknown =
        || "it is neither embed nor the input or output of a block, such as L4.resid_pre".to_owned();
    if written == "embed" {
        return Ok(Point::Embed);
    }
    let (layer, site) =
        written.strip_prefix('L').and_then(|rest| rest.split_once('.')).ok_or_else(unknown)?;
    match (layer.parse(), site.parse()) {
        (Ok(layer), Ok(Component::Site(site @ (Site::ResidPre | Site::ResidPost)))) => {
            Ok(Point::block(layer, site))
        }
        _ => Err(unknown()),
    }
}

/// The form of an attribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AttributeFormat {
    Table,
    Json,
}
