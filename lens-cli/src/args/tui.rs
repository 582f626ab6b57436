//! `lens tui`.

use std::num::NonZeroUsize;

use clap::Args;
use lens_core::{ComponentSelection, Intervention, NormMode, Selection};

use super::{
    MORE_HELP,
    lens::LensNames,
    model::{MachineArgs, SourceArgs},
    run::GenerateArgs,
};
use crate::values::{Size, StatisticNames, Target, from_one};

/// Walk through layers and positions on the screen of the terminal, while a model runs or in a saved trace
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "Type a prompt, and the grid of layers and positions fills: the first token of every cell, coloured by \
its probability or another statistic. Below the cursor, all that is known of a cell; tokens can be followed from layer to \
layer; and a film shows what each layer would have written. The key ? shows all keys.

A word that is the name of a file or folder is a saved trace, as lens render takes it, and needs no model; with -m it is a \
prompt.

Examples:
  lens tui
  lens tui \"The capital of France is\" -n 12
  lens tui results/trace.json
  lens tui -m Qwen/Qwen2.5-0.5B \"The capital of France is\" --target \" Paris\""
)]
pub struct TuiArgs {
    /// The text to begin with, or a saved trace; without it, the screen asks for a text
    #[arg(value_name = "PROMPT|TRACE")]
    pub what: Option<String>,
    /// Hub id, local folder or GGUF file; without it, the demo model that is part of lens
    #[arg(short, long, value_name = "ID|DIR")]
    pub model: Option<String>,
    /// Of several saved traces: which, by number from 0 or by name
    #[arg(long, value_name = "N|NAME", conflicts_with = "model")]
    pub trace: Option<String>,
    #[command(flatten)]
    pub source: SourceArgs,
    /// Ask texts as a user does, in the model's chat template
    #[arg(long)]
    pub chat: bool,
    /// What the system message says; implies --chat
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,

    /// Layers, written as for lens run
    #[arg(long, value_name = "WHICH", default_value = "all", allow_hyphen_values = true)]
    #[arg(help_heading = "What to read")]
    pub layers: Selection,
    /// Positions, written as layers are
    #[arg(long, value_name = "WHICH", default_value = "all", allow_hyphen_values = true)]
    #[arg(help_heading = "What to read")]
    pub positions: Selection,
    /// Components, written as for lens run
    #[arg(long, value_name = "NAMES", default_value = "all", allow_hyphen_values = true)]
    #[arg(help_heading = "What to read")]
    pub components: ComponentSelection,
    /// The lenses to read with: logit, tuned=PATH, jacobian=PATH, or a list of these; can be repeated [default: logit]
    #[arg(long = "lens", value_name = "KIND=PATH", help_heading = "What to read")]
    pub lenses: Vec<LensNames>,
    /// The most probable tokens to keep of each readout [default: 10]
    #[arg(short = 'k', long, value_name = "K", value_parser = from_one, help_heading = "What to read")]
    pub top_k: Option<NonZeroUsize>,
    /// A token to follow from the beginning, by text or id (text:5 is the text 5); can be repeated
    #[arg(
        long = "target",
        value_name = "TEXT|ID",
        allow_hyphen_values = true,
        help_heading = "What to read"
    )]
    pub targets: Vec<Target>,
    /// Norm before the unembedding: recomputed, final-scale or none
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "MODE", default_value = "recomputed", help_heading = "What to read")]
    pub norm: NormMode,
    /// Statistics of every readout, such as entropy,kl_to_final, or all
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "NAMES", help_heading = "What to read")]
    pub statistics: Option<StatisticNames>,

    #[command(flatten)]
    pub generate: GenerateArgs,

    /// Change activations while the model runs, as lens run does; can be repeated
    #[arg(long, value_name = "CHANGE", help_heading = "What to change")]
    pub steer: Vec<Intervention>,

    #[command(flatten)]
    pub machine: MachineArgs,
    /// Memory for captured activations, such as 64MB; long prompts run in steps that fit
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "SIZE", help_heading = "How to run")]
    pub memory_budget: Option<Size>,
}

impl TuiArgs {
    /// Options that cannot both be followed, in words.
    pub(super) fn contradiction(&self) -> Option<String> {
        let trials = (self.generate.trials.get() > 1)
            .then(|| "the screen shows one run: leave --trials out, and give another --seed".to_owned());
        trials.or_else(|| self.machine.contradiction())
    }

    /// An option that only a model can follow, if one was given.
    pub(crate) fn of_model(&self) -> Option<&'static str> {
        let given = [
            ("--model", self.model.is_some()),
            ("--revision", self.source.revision.is_some()),
            ("--adapter", !self.source.adapter.is_empty()),
            ("--chat", self.chat || self.system.is_some()),
            ("--lens", !self.lenses.is_empty()),
            ("--target", !self.targets.is_empty()),
            ("--statistics", self.statistics.is_some()),
            ("--top-k", self.top_k.is_some()),
            ("--max-new-tokens", self.generate.max_new_tokens.is_some()),
            ("--steer", !self.steer.is_empty()),
            ("--memory-budget", self.memory_budget.is_some()),
        ];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name)
    }
}
