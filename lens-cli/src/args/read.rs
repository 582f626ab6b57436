//! What is read of a run, wherever a command runs a prompt and shows it.

use std::num::NonZeroUsize;

use clap::Args;
use lens_core::{ComponentSelection, NormMode, Selection};

use super::lens::LensNames;
use crate::values::{Percent, StatisticNames, Target, from_one};

/// Which layers, positions, components, lenses, tokens and statistics are read.
#[derive(Debug, Args)]
pub struct ReadArgs {
    /// Layers: all, last, an index (-1 is the last), 0..8, 2..=4, or a list of these; embed, which is in no layer, is
    /// read with all of them or where --components names it
    #[arg(long, value_name = "WHICH", default_value = "all", allow_hyphen_values = true)]
    #[arg(help_heading = "What to read")]
    pub layers: Selection,
    /// Positions, written as layers are [default: last; of lens tui: all]
    #[arg(long, value_name = "WHICH", allow_hyphen_values = true, help_heading = "What to read")]
    pub positions: Option<Selection>,
    /// all, or a list of embed, resid_pre, attn_out, resid_mid, mlp_out, resid_post (or LogitLens4LLMs's names), heads, and
    /// single heads as head.3
    #[arg(long, value_name = "NAMES", default_value = "all", allow_hyphen_values = true)]
    #[arg(help_heading = "What to read")]
    pub components: ComponentSelection,
    /// The lenses to read with, all from one forward pass: logit, tuned=PATH, jacobian=PATH, or a list of these; in the
    /// place of a path, a name on the hub; can be repeated [default: logit]
    #[arg(long = "lens", value_name = "KIND=PATH", help_heading = "What to read")]
    pub lenses: Vec<LensNames>,
    /// The most probable tokens to keep of each readout [default: 10]
    #[arg(short = 'k', long, value_name = "K", help_heading = "What to read")]
    #[arg(value_parser = from_one)]
    pub top_k: Option<NonZeroUsize>,
    /// A token to watch everywhere, by text or id (text:5 is the text 5); can be repeated
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
    /// Probability of a token above which a layer counts as important
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "PERCENT", default_value = "3", help_heading = "What to read")]
    pub threshold: Percent,
    /// A token to compare the --target with: every readout has the difference of their logits (logit_diff)
    #[arg(
        long,
        value_name = "TEXT|ID",
        allow_hyphen_values = true,
        requires = "targets",
        help_heading = "What to read"
    )]
    pub versus: Option<Target>,
    /// Statistics of every readout, such as entropy,kl_to_final, or all [default: all but js_to_final and tv_to_final,
    /// which need a second pass over the vocabulary]
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "NAMES", help_heading = "What to read")]
    pub statistics: Option<StatisticNames>,
    /// Jensen-Shannon divergence and total variation to the final readout too
    #[arg(hide_short_help = true)]
    #[arg(long, help_heading = "What to read")]
    pub distances: bool,
}
