//! `lens tui`.

use std::path::PathBuf;

use clap::Args;
use lens_core::{Intervention, NormMode, Selection};

use super::{
    MORE_HELP,
    model::{MachineArgs, SourceArgs},
    read::ReadArgs,
    run::{ChatArgs, GenerateArgs},
};
use crate::values::Size;

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
  lens tui -m Qwen/Qwen3-0.6B --messages chat.json --template-var enable_thinking=false
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
    /// A conversation to begin with, as for lens run; a text that is typed takes the place of its last message
    #[arg(long, value_name = "FILE", conflicts_with_all = ["what", "trace"])]
    pub messages: Option<PathBuf>,
    #[command(flatten)]
    pub chat: ChatArgs,

    #[command(flatten)]
    pub read: ReadArgs,

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
        let stdin = || {
            let is_stdin = self.messages.as_deref().is_some_and(|path| path.as_os_str() == "-");
            is_stdin
                .then(|| "--messages - reads stdin, which the screen needs for keys: name a file".to_owned())
        };
        let chat = || self.chat.contradiction(self.messages.is_some());
        trials.or_else(stdin).or_else(chat).or_else(|| self.machine.contradiction())
    }

    /// An option that only a model can follow, if one was given.
    pub(crate) fn of_model(&self) -> Option<&'static str> {
        let given = [
            ("--model", self.model.is_some()),
            ("--revision", self.source.revision.is_some()),
            ("--adapter", !self.source.adapter.is_empty()),
            ("--chat", self.chat.is_chat()),
            ("--layers", self.read.layers != Selection::all()),
            ("--positions", self.read.positions.is_some()),
            ("--components", !self.read.components.is_all()),
            ("--norm", self.read.norm != NormMode::default()),
            ("--lens", !self.read.lenses.is_empty()),
            ("--target", !self.read.targets.is_empty()),
            ("--statistics", self.read.statistics.is_some()),
            ("--distances", self.read.distances),
            ("--top-k", self.read.top_k.is_some()),
            ("--max-new-tokens", self.generate.max_new_tokens.is_some()),
            ("--steer", !self.steer.is_empty()),
            ("--memory-budget", self.memory_budget.is_some()),
        ];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name)
    }
}
