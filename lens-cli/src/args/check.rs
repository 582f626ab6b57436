//! `lens check`.

use clap::Args;

use super::{
    MORE_HELP,
    model::{MachineArgs, NamedModel, SourceArgs},
};
use crate::values::TokenIds;

/// Check that the readouts of a model can be believed
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "Looks for broken weights, and checks on real numbers what must hold for every model: that \
the residual stream is the sum of its parts, that no position sees a later one, that a sequence run in two steps \
equals one step, and that the last readout is the model's own answer.

Examples:
  lens check
  lens check demo --prompt \"The capital of France is\""
)]
pub struct CheckArgs {
    #[command(flatten)]
    pub model: NamedModel,
    #[command(flatten)]
    pub source: SourceArgs,
    /// A text to check with, in place of ids from all over the vocabulary
    #[arg(long, value_name = "TEXT", conflicts_with = "token_ids")]
    pub prompt: Option<String>,
    /// Token ids to check with
    #[arg(long, value_name = "IDS")]
    pub token_ids: Option<TokenIds>,
    #[command(flatten)]
    pub machine: MachineArgs,
}
