//! `lens run`.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;
use lens_core::Intervention;
use lens_data::PromptFormat;
use lens_viz::Measure;

use super::{
    MORE_HELP,
    model::{MachineArgs, SourceArgs},
    read::ReadArgs,
};
use crate::{
    format::RunFormat,
    values::{Pictures, Size, StopText, Temperature, TemplateVar, TokenIds, TopP, from_one},
};

/// Read every layer and component for a prompt, and for each token that the model writes after it
#[derive(Debug, Args)]
#[command(
    override_usage = "lens run [OPTIONS] <PROMPT|--prompt-file|--token-ids|--messages|--prompts>",
    after_help = MORE_HELP,
    after_long_help = "The model runs once. At every layer, what attention and MLP add to the residual stream, \
and the stream itself, are decoded into next tokens by the model's own final norm and unembedding.

With -n the model goes on writing, and every token is read while it forms. --steer changes activations: POINT \
+= VECTOR adds, -= subtracts, = replaces, *= scales. A point is L14.attn_out, L0..4.resid_post, L*.mlp_out, embed, or a \
head L3.z.h5; [3] or [last] after it names positions. A vector is @'another prompt' (its last token; [2] another, \
[same] position by position), mean (of the prompt, or of mean@'another'), file:'vector.gguf' or \
file:'vectors.safetensors'#name, or a sum such as 4*@'love' - 4*@'hate'; = 0 silences, and -= proj(VECTOR) projects \
a direction out (h - v (v.h) / |v|^2; named heads each by themselves).

Examples:
  lens run \"The capital of France is\"
  lens run \"The capital of France is\" -n 8
  lens run \"The capital of France is\" --steer \"L4.resid_post[last] = @'The capital of Italy is'\" --compare
  lens run \"The capital of France is\" --positions all --grid
  lens run --token-ids 5,7,11 --layers 0,-1 --format json
  lens run -m Qwen/Qwen2.5-0.5B \"The capital of France is\" --target \" Paris\"
  lens run -m Qwen/Qwen3-0.6B --chat \"2+2?\" --prefill \"It is\" --template-var enable_thinking=false
  lens run -m openai-community/gpt2 \"The capital of France is\" --lens logit,tuned=gpt2"
)]
pub struct RunArgs {
    /// Hub id, local folder or GGUF file; without it, the demo model that is part of lens
    #[arg(short, long, value_name = "ID|DIR")]
    pub model: Option<String>,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub many: ManyArgs,
    #[command(flatten)]
    pub chat: ChatArgs,

    #[command(flatten)]
    pub read: ReadArgs,

    #[command(flatten)]
    pub generate: GenerateArgs,

    /// Change activations while the model runs, e.g. "L14.attn_out += 0.6*@'bananas'"; can be repeated
    #[arg(long, value_name = "CHANGE", help_heading = "What to change")]
    pub steer: Vec<Intervention>,
    /// Run the model as it is too, and show both side by side
    #[arg(long, requires = "steer", help_heading = "What to change")]
    pub compare: bool,

    #[command(flatten)]
    pub machine: MachineArgs,
    /// Say where the time went, on stderr and in the trace
    #[arg(hide_short_help = true)]
    #[arg(long, help_heading = "How to run")]
    pub timing: bool,
    /// Memory for captured activations, such as 64MB or 1GiB; long prompts run in steps that fit [default: 16MiB, or 64 positions; on a card a quarter of what is free]
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "SIZE", help_heading = "How to run")]
    pub memory_budget: Option<Size>,

    /// What goes to stdout
    #[arg(long, value_enum, default_value_t = RunFormat::Table, help_heading = "Results")]
    #[arg(hide_possible_values = true, value_name = "table|json|jsonl|parquet|arrow|csv|logitlenskit-v2")]
    pub format: RunFormat,
    /// With -n: the full table of every step, in place of a line
    #[arg(long, requires = "max_new_tokens", conflicts_with_all = ["compare", "grid"])]
    #[arg(help_heading = "Results")]
    pub tables: bool,
    /// Show layers and positions as a grid, with the top-1 token and its probability, logit, or a statistic such as rank,
    /// kl, entropy, margin or logit_diff
    #[arg(long, value_name = "STATISTIC", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "probability", conflicts_with = "compare", help_heading = "Results")]
    pub grid: Option<Measure>,
    /// Write the results into a file in place of stdout, in the form that its name ends in (.json, .jsonl, .csv, .parquet,
    /// .arrow; packed with a further .gz or .zst), or all results into a folder too: trace.json, readouts.parquet, tokens.parquet, all_layers.json,
    /// important_layers.json, heatmaps/ and lens.html (with --trials, into trial_0 and so on; with --compare, into before and after)
    #[arg(short, long, value_name = "FILE|DIR", help_heading = "Results")]
    pub out: Option<PathBuf>,
    /// How the pictures of a results folder are drawn: none, or svg, pdf, png, webp, jpg, several with commas [default: svg]
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "FORMS", help_heading = "Results")]
    pub pictures: Option<Pictures>,
}

/// What the model writes.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// The most tokens to write
    #[arg(short = 'n', long, value_name = "N", help_heading = "What to write")]
    #[arg(value_parser = from_one)]
    pub max_new_tokens: Option<NonZeroUsize>,
    /// 0 takes the most probable token; above, tokens are sampled, the more evenly the higher
    #[arg(
        long,
        requires = "max_new_tokens",
        value_name = "T",
        default_value = "0",
        help_heading = "What to write"
    )]
    #[arg(allow_hyphen_values = true)]
    pub temperature: Temperature,
    /// Sample from the smallest set of tokens with this probability
    #[arg(
        long,
        requires = "max_new_tokens",
        value_name = "P",
        default_value = "1",
        help_heading = "What to write"
    )]
    #[arg(hide_short_help = true)]
    #[arg(allow_hyphen_values = true)]
    pub top_p: TopP,
    /// Sample from this many of the most probable tokens [default: all]
    #[arg(long, requires = "max_new_tokens", value_name = "K", help_heading = "What to write")]
    #[arg(hide_short_help = true)]
    #[arg(value_parser = from_one)]
    pub top_k_sampling: Option<NonZeroUsize>,
    /// Of the random numbers; the same seed samples the same tokens
    #[arg(
        long,
        requires = "max_new_tokens",
        value_name = "SEED",
        default_value_t = 0,
        help_heading = "What to write"
    )]
    pub seed: u64,
    /// How often to write, each time with the next seed
    #[arg(
        long,
        requires = "max_new_tokens",
        value_name = "N",
        default_value = "1",
        help_heading = "What to write"
    )]
    #[arg(value_parser = from_one)]
    pub trials: NonZeroUsize,
    /// End at this text, in which \n, \t and \\ mean what they do elsewhere; can be repeated
    #[arg(hide_short_help = true)]
    #[arg(
        long,
        requires = "max_new_tokens",
        value_name = "TEXT",
        allow_hyphen_values = true,
        help_heading = "What to write"
    )]
    pub stop: Vec<StopText>,
}

/// What the model reads.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct InputArgs {
    /// The text; - reads it from stdin
    pub prompt: Option<String>,
    /// A file with the text; a line feed at its end is not part of it (nor on stdin)
    #[arg(long, value_name = "FILE")]
    pub prompt_file: Option<PathBuf>,
    /// Token ids such as 1,2,3 in place of a text; no special token is added
    #[arg(long, value_name = "IDS", conflicts_with = "ChatArgs")]
    pub token_ids: Option<TokenIds>,
    /// A conversation for the model's chat template: a JSON list of objects with role and content, or an object with
    /// messages and perhaps tools; - reads stdin
    #[arg(long, value_name = "FILE")]
    pub messages: Option<PathBuf>,
    /// Many prompts, one load: a file with one on each line (.jsonl: objects with text, messages or token_ids, and an id;
    /// .csv: the column text), - reads stdin
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
}

/// How a file of prompts is read.
#[derive(Debug, Args)]
pub struct ManyArgs {
    /// lines, jsonl or csv, whatever the file's name ends in
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "FORMAT", requires = "prompts")]
    pub prompts_format: Option<PromptFormat>,
    /// The field or column that holds the prompts [default: text, or prompt]
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "NAME", requires = "prompts")]
    pub prompts_column: Option<String>,
    /// Show the prompts side by side, at most 16; with -o, on one page with what differs between them, and all traces in
    /// traces.jsonl
    #[arg(long, requires = "prompts")]
    pub compare_prompts: bool,
}

/// How the text becomes a conversation.
#[derive(Debug, Args)]
pub struct ChatArgs {
    /// Ask the text as a user does, in the model's chat template
    #[arg(long)]
    pub chat: bool,
    /// What the system message says; implies --chat
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// How the assistant's answer begins: the model goes on from there (with --chat, --system or --messages)
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub prefill: Option<String>,
    /// A variable for the chat template, such as enable_thinking=false: JSON, or else a text; can be repeated
    #[arg(long = "template-var", value_name = "NAME=VALUE")]
    pub template_vars: Vec<TemplateVar>,
}

impl ChatArgs {
    /// Whether a text is what a user asks.
    pub fn is_chat(&self) -> bool {
        self.chat || self.system.is_some()
    }

    /// Options that need a conversation where there is none, in words.
    pub(super) fn contradiction(&self, has_messages: bool) -> Option<String> {
        if self.is_chat() || has_messages {
            return None;
        }
        let option = match (&self.prefill, self.template_vars.is_empty()) {
            (Some(_), _) => "--prefill is how an answer begins",
            (None, false) => "--template-var is for the chat template",
            (None, true) => return None,
        };
        Some(format!("{option}: it needs --chat, --system or messages"))
    }
}
