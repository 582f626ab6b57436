//! `lens fit`.

use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
};

use clap::{Args, Subcommand, ValueEnum};
use lens_core::{Component, Site};

use super::{MORE_HELP, model::MachineArgs, text::ReaderArgs};
use crate::values::from_one;

/// Fit a lens of your own to a model
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub struct FitArgs {
    #[command(subcommand)]
    pub what: Fit,
}

/// What to fit.
#[derive(Debug, Subcommand)]
pub enum Fit {
    Tuned(Box<FitTunedArgs>),
    Jacobian(Box<FitJacobianArgs>),
    Merge(FitMergeArgs),
}

impl Fit {
    /// Options that cannot both be followed, in words.
    pub(super) fn contradiction(&self) -> Option<String> {
        match self {
            Self::Tuned(args) => args.machine.contradiction(),
            Self::Jacobian(args) => args.machine.contradiction(),
            Self::Merge(_) => None,
        }
    }
}

/// Where a fit goes.
#[derive(Debug, Args)]
pub struct KeptArgs {
    /// The lens file to write; beside it, under the same name with .fit after it, lies what an interrupted fit goes on
    /// from
    #[arg(short, long, value_name = "FILE", help_heading = "Results")]
    pub out: PathBuf,
    /// Begin anew, whatever an earlier fit has left
    #[arg(long, help_heading = "Results")]
    pub restart: bool,
    /// What goes to stdout
    #[arg(long, value_enum, default_value_t = FitFormat::Table, value_name = "table|json")]
    #[arg(hide_possible_values = true, help_heading = "Results")]
    pub format: FitFormat,
}

/// The form of what a fit says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FitFormat {
    Table,
    Json,
}

/// Train a tuned lens: x + W x + b for the input of every block, towards the model's own answer
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "Training is that of Belrose et al. (2023): translators begin at zero, the loss is KL(final || \
lens) in nats, gradients are clipped to a norm of 1, and SGD with Nesterov momentum or Adam follows them at a rate \
that falls to zero. A share of the text is held out, and says how far the lens has come.

An interrupted fit goes on where it was when the same command is given again; on one thread (--threads 1) the lens is \
then the same bit for bit.

Examples:
  lens fit tuned --text documents.jsonl -o tuned.safetensors
  lens fit tuned -m Qwen/Qwen2.5-0.5B --text wiki.parquet -o tuned.safetensors --tokens-per-step 32768"
)]
pub struct FitTunedArgs {
    #[command(flatten)]
    pub reader: ReaderArgs,
    #[command(flatten)]
    pub kept: KeptArgs,

    /// Tokens of a sequence [default: 2048, or what the model takes]
    #[arg(long, value_name = "N", value_parser = from_one, help_heading = "Text")]
    pub context: Option<NonZeroUsize>,
    /// Share of the text that is held out, from 0 to below 1; at most 256 sequences
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, help_heading = "Text")]
    pub held_out: f64,
    /// What is held out and the order of the rest depend on
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Text")]
    pub seed: u64,

    /// Steps of the optimiser
    #[arg(long, value_name = "N", default_value = "250", help_heading = "Training")]
    pub steps: NonZeroU64,
    /// Tokens of a step, no more than the text has
    #[arg(long, value_name = "N", value_parser = from_one, default_value = "262144", help_heading = "Training")]
    pub tokens_per_step: NonZeroUsize,
    /// Sequences that run at once
    #[arg(long, value_name = "N", value_parser = from_one, default_value = "1", help_heading = "Training")]
    pub batch: NonZeroUsize,
    /// sgd or adam
    #[arg(long, value_enum, default_value_t = OptimiserName::Sgd, value_name = "NAME", help_heading = "Training")]
    pub optimiser: OptimiserName,
    /// What the optimiser's usual learning rate is multiplied by (0.1 for sgd at this momentum, 0.001 for adam)
    #[arg(long, value_name = "X", default_value_t = 1.0, help_heading = "Training")]
    pub rate: f64,
    /// Momentum, or the first beta of adam
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "X", default_value_t = 0.9, help_heading = "Training")]
    pub momentum: f64,
    /// What of a parameter is added to its gradient
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "X", default_value_t = 1e-3, help_heading = "Training")]
    pub weight_decay: f64,
    /// Steps in which the rate rises [default: none for sgd; a fifth of the steps, at most 1000, for adam]
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub warmup: Option<u64>,
    /// The largest norm of the gradients of all translators together
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "X", default_value_t = 1.0, help_heading = "Training")]
    pub clip: f64,
    /// Steps after which the held-out text is read again
    #[arg(long, value_name = "N", default_value = "25", help_heading = "Training")]
    pub evaluate_every: NonZeroU64,
    /// Steps after which what an interrupted fit goes on from is written
    #[arg(long, value_name = "N", default_value = "25", help_heading = "Training")]
    pub keep_every: NonZeroU64,

    #[command(flatten)]
    pub machine: MachineArgs,
}

/// How parameters follow their gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OptimiserName {
    Sgd,
    Adam,
}

/// Estimate a Jacobian lens: the mean Jacobian from every block's output to the final residual
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "Every document is one prompt, cut to --max-tokens. Of each, the Jacobian is summed over the \
positions of the final residual and averaged over those of the block, without the first --skip-first and the last; the \
lens is the mean over prompts. A prompt costs one forward pass and d_model / dim-batch backward ones; 100 prompts already \
make a usable lens. Lenses of different prompts are put together with `lens fit merge`.

An interrupted fit goes on where it was when the same command is given again.

Examples:
  lens fit jacobian --text documents.jsonl -o jacobian.safetensors --prompts 100
  lens fit jacobian -m Qwen/Qwen2.5-0.5B --text wiki.parquet -o part1.safetensors"
)]
pub struct FitJacobianArgs {
    #[command(flatten)]
    pub reader: ReaderArgs,
    #[command(flatten)]
    pub kept: KeptArgs,

    /// The most prompts to average over
    #[arg(long, value_name = "N", default_value = "1000", help_heading = "Text")]
    pub prompts: NonZeroU64,
    /// Documents at the beginning that are left out, for another part of the same text
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Text")]
    pub skip_prompts: u64,
    /// Prompts are cut to this many tokens
    #[arg(long, value_name = "N", value_parser = from_one, default_value = "128", help_heading = "Text")]
    pub max_tokens: NonZeroUsize,
    /// Positions at the beginning of a prompt that are left out
    #[arg(long, value_name = "N", default_value_t = 16, help_heading = "Estimate")]
    pub skip_first: usize,
    /// Rows of the Jacobians that a backward pass gives: as many copies of a prompt run at once
    #[arg(long, value_name = "N", value_parser = from_one, default_value = "8", help_heading = "Estimate")]
    pub dim_batch: NonZeroUsize,
    /// Where in the block: resid_post, attn_out or mlp_out
    #[arg(long, value_name = "SITE", default_value = "resid_post", value_parser = site, help_heading = "Estimate")]
    pub site: Site,
    /// Prompts after which what an interrupted fit goes on from is written
    #[arg(long, value_name = "N", default_value = "10", help_heading = "Estimate")]
    pub keep_every: NonZeroU64,

    #[command(flatten)]
    pub machine: MachineArgs,
}

/// A site that a Jacobian can be estimated at.
fn site(name: &str) -> Result<Site, String> {
    match name.parse::<Component>() {
        Ok(Component::Site(site @ (Site::ResidPost | Site::AttnOut | Site::MlpOut))) => Ok(site),
        _ => Err("it is none of resid_post, attn_out and mlp_out".to_owned()),
    }
}

/// Put Jacobian lenses of different prompts together, weighted by their prompts
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lens fit merge part1.safetensors part2.safetensors -o jacobian.safetensors")]
pub struct FitMergeArgs {
    /// The lens files
    #[arg(value_name = "FILE", required = true, num_args = 2..)]
    pub parts: Vec<PathBuf>,
    /// The lens file to write
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
}
