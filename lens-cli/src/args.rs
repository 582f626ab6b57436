//! The command line as data.

use std::{
    num::{NonZeroU16, NonZeroUsize},
    path::{Path, PathBuf},
};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use lens_core::{ComponentSelection, Intervention, NormMode, Selection};
use lens_data::PromptFormat;
use lens_models::{checkpoint::Io, device::DeviceMap};
use lens_viz::Measure;

use crate::{
    style::When,
    to_file,
    values::{
        Device, Percent, Show, Size, StatisticNames, StopText, Target, Temperature, TokenIds, TopP, from_one,
    },
};

/// Below the short help.
const MORE_HELP: &str = "--help shows all options, with examples";

/// See what a language model believes at every layer.
#[derive(Debug, Parser)]
#[command(name = "lens", version, arg_required_else_help = true, disable_help_subcommand = true)]
#[command(after_help = "Without --model, lens uses a small model that is part of it. Try:
  lens run \"The capital of France is\"")]
pub(crate) struct Cli {
    /// Colours: auto, always or never
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, value_name = "WHEN", hide_possible_values = true)]
    pub(crate) color: When,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// With what other arguments imply: the form of results that the name of their file tells.
    pub(crate) fn settled(mut self) -> Self {
        if let Command::Run(args) = &mut self.command
            && let Some(named) = args.out_file().and_then(to_file::format)
            && args.format == RunFormat::Table
        {
            args.format = named;
        }
        self
    }

    /// Options that cannot both be followed, where clap's own rules do not reach: an option with a default value
    /// is always there.
    pub(crate) fn contradiction(&self) -> Option<clap::Error> {
        let args = match &self.command {
            Command::Run(args) => args,
            Command::Check(args) => return args.machine.contradiction(),
            _ => return None,
        };
        if let Some(error) = args.generate.contradiction() {
            return Some(error);
        }
        if let Some(error) = args.fits_many().or_else(|| args.fits_name()) {
            return Some(error);
        }
        let option = match (args.format, args.grid, args.tables) {
            (RunFormat::Table, _, _) | (_, None, false) => return args.machine.contradiction(),
            (_, Some(_), _) => "--grid",
            (_, None, true) => "--tables",
        };
        let instead =
            if args.out_file().is_some() { "name a folder with --out" } else { "write --format table" };
        conflict(format!("{option} shows results to people: leave it out, or {instead}"))
    }
}

impl MachineArgs {
    fn contradiction(&self) -> Option<clap::Error> {
        let both = self.device_map.is_some() && self.device != Device::Auto;
        both.then(|| conflict("--device-map says where everything runs: leave out --device".to_owned()))
            .flatten()
    }
}

impl RunArgs {
    /// The one file that the results go into, where --out names one.
    pub(crate) fn out_file(&self) -> Option<&Path> {
        self.out.as_deref().filter(|path| to_file::format(path).is_some() && !path.is_dir())
    }

    /// The folder that the results go into, where --out names one.
    pub(crate) fn out_folder(&self) -> Option<&Path> {
        self.out.as_deref().filter(|_| self.out_file().is_none())
    }

    /// A file whose name says something else than the form that was asked for.
    fn fits_name(&self) -> Option<clap::Error> {
        let file = self.out_file()?;
        let fits = match (to_file::format(file)?, self.format) {
            (RunFormat::Json, RunFormat::LogitlenskitV2) | (RunFormat::Jsonl, RunFormat::Json) => true,
            (named, asked) => named == asked,
        };
        if fits {
            return None;
        }
        conflict(format!(
            "{} is not the name of a file in the form that --format asks for: leave --format out, or give another name",
            file.display()
        ))
    }

    /// Options that show or compare one run, where there are several.
    fn fits_many(&self) -> Option<clap::Error> {
        let several = self.generate.trials.get() > 1;
        let one_form = self.format.flat().is_some() || self.format == RunFormat::LogitlenskitV2;
        let (option, other) = match (&self.input.prompts, one_form) {
            (Some(_), _) if self.compare => ("--compare", "--prompts"),
            (Some(_), _) if self.grid.is_some() => ("--grid", "--prompts"),
            (Some(_), _) if self.tables => ("--tables", "--prompts"),
            (Some(_), _) if several => ("--trials", "--prompts"),
            (Some(_), _) if self.format == RunFormat::LogitlenskitV2 => {
                ("--format logitlenskit-v2", "--prompts")
            }
            (None, true) if self.compare => ("--compare", "this --format"),
            (None, true) if several => ("--trials", "this --format"),
            _ => return None,
        };
        conflict(format!(
            "{option} shows one run in a form that {other} does not have: leave one of them out"
        ))
    }
}

impl GenerateArgs {
    /// Options that choose among tokens, where the most probable one is taken.
    fn contradiction(&self) -> Option<clap::Error> {
        let option = match (self.temperature.0 == 0.0, self.top_p.0 < 1.0, self.top_k_sampling) {
            (true, true, _) => "--top-p",
            (true, _, Some(_)) => "--top-k-sampling",
            _ => return None,
        };
        conflict(format!(
            "{option} has no effect at temperature 0, which takes the most probable token: give a --temperature \
             above 0, or leave out {option}"
        ))
    }
}

fn conflict(says: String) -> Option<clap::Error> {
    Some(Cli::command().error(clap::error::ErrorKind::ArgumentConflict, says))
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<RunArgs>),
    Render(Box<RenderArgs>),
    Inspect(InspectArgs),
    Check(CheckArgs),
    Families(FamiliesArgs),
    /// Print a completion script for a shell
    #[command(after_help = MORE_HELP, after_long_help = "Example:
  lens completions bash > lens.bash")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Read every layer and component for a prompt, and for each token that the model writes after it
#[derive(Debug, Args)]
#[command(
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
  lens run -m Qwen/Qwen2.5-0.5B \"The capital of France is\" --target \" Paris\""
)]
pub(crate) struct RunArgs {
    /// Hub id or local folder; without it, the demo model that is part of lens
    #[arg(short, long, value_name = "ID|DIR")]
    pub(crate) model: Option<String>,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) many: ManyArgs,
    #[command(flatten)]
    pub(crate) chat: ChatArgs,

    /// Layers: all, last, an index (-1 is the last), 0..8, 2..=4, or a list of these; embed, which is in no layer, is
    /// read with all of them or where --components names it
    #[arg(long, value_name = "WHICH", default_value = "all", allow_hyphen_values = true)]
    #[arg(help_heading = "What to read")]
    pub(crate) layers: Selection,
    /// Positions, written as layers are
    #[arg(long, value_name = "WHICH", default_value = "last", allow_hyphen_values = true)]
    #[arg(help_heading = "What to read")]
    pub(crate) positions: Selection,
    /// all, or a list of embed, resid_pre, attn_out, resid_mid, mlp_out, resid_post (or LogitLens4LLMs's names)
    #[arg(long, value_name = "NAMES", default_value = "all", allow_hyphen_values = true)]
    #[arg(help_heading = "What to read")]
    pub(crate) components: ComponentSelection,
    /// The most probable tokens to keep of each readout [default: 10]
    #[arg(short = 'k', long, value_name = "K", help_heading = "What to read")]
    #[arg(value_parser = from_one)]
    pub(crate) top_k: Option<NonZeroUsize>,
    /// A token to watch everywhere, by text or id (text:5 is the text 5); can be repeated
    #[arg(
        long = "target",
        value_name = "TEXT|ID",
        allow_hyphen_values = true,
        help_heading = "What to read"
    )]
    pub(crate) targets: Vec<Target>,
    /// Norm before the unembedding: recomputed, final-scale or none
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "MODE", default_value = "recomputed", help_heading = "What to read")]
    pub(crate) norm: NormMode,
    /// Probability of a token above which a layer counts as important
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "PERCENT", default_value = "3", help_heading = "What to read")]
    pub(crate) threshold: Percent,
    /// A token to compare the --target with: every readout has the difference of their logits (logit_diff)
    #[arg(
        long,
        value_name = "TEXT|ID",
        allow_hyphen_values = true,
        requires = "targets",
        help_heading = "What to read"
    )]
    pub(crate) versus: Option<Target>,
    /// Statistics of every readout, such as entropy,kl_to_final, or all [default: all but js_to_final and tv_to_final,
    /// which need a second pass over the vocabulary]
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "NAMES", help_heading = "What to read")]
    pub(crate) statistics: Option<StatisticNames>,
    /// Jensen-Shannon divergence and total variation to the final readout too
    #[arg(hide_short_help = true)]
    #[arg(long, help_heading = "What to read")]
    pub(crate) distances: bool,

    #[command(flatten)]
    pub(crate) generate: GenerateArgs,

    /// Change activations while the model runs, e.g. "L14.attn_out += 0.6*@'bananas'"; can be repeated
    #[arg(long, value_name = "CHANGE", help_heading = "What to change")]
    pub(crate) steer: Vec<Intervention>,
    /// Run the model as it is too, and show both side by side
    #[arg(long, requires = "steer", help_heading = "What to change")]
    pub(crate) compare: bool,

    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    /// Say where the time went, on stderr and in the trace
    #[arg(hide_short_help = true)]
    #[arg(long, help_heading = "How to run")]
    pub(crate) timing: bool,
    /// Memory for captured activations, such as 64MB or 1GiB; long prompts run in steps that fit [default: 16MiB, or 64 positions]
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "SIZE", help_heading = "How to run")]
    pub(crate) memory_budget: Option<Size>,

    /// What goes to stdout
    #[arg(long, value_enum, default_value_t = RunFormat::Table, help_heading = "Results")]
    #[arg(hide_possible_values = true, value_name = "table|json|jsonl|parquet|arrow|csv|logitlenskit-v2")]
    pub(crate) format: RunFormat,
    /// With -n: the full table of every step, in place of a line
    #[arg(long, requires = "max_new_tokens", conflicts_with_all = ["compare", "grid"])]
    #[arg(help_heading = "Results")]
    pub(crate) tables: bool,
    /// Show layers and positions as a grid, with the top-1 token and its probability, logit, or a statistic such as rank,
    /// kl, entropy, margin or logit_diff
    #[arg(long, value_name = "STATISTIC", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "probability", conflicts_with = "compare", help_heading = "Results")]
    pub(crate) grid: Option<Measure>,
    /// Write the results into a file in place of stdout, in the form that its name ends in (.json, .jsonl, .csv, .parquet,
    /// .arrow; packed with a further .gz or .zst), or all results into a folder too: trace.json, readouts.parquet, tokens.parquet, all_layers.json,
    /// important_layers.json, heatmaps/ and lens.html (with --trials, into trial_0 and so on; with --compare, into before and after)
    #[arg(short, long, value_name = "FILE|DIR", help_heading = "Results")]
    pub(crate) out: Option<PathBuf>,
}

/// What the model writes.
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// The most tokens to write
    #[arg(short = 'n', long, value_name = "N", help_heading = "What to write")]
    #[arg(value_parser = from_one)]
    pub(crate) max_new_tokens: Option<NonZeroUsize>,
    /// 0 takes the most probable token; above, tokens are sampled, the more evenly the higher
    #[arg(
        long,
        requires = "max_new_tokens",
        value_name = "T",
        default_value = "0",
        help_heading = "What to write"
    )]
    #[arg(allow_hyphen_values = true)]
    pub(crate) temperature: Temperature,
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
    pub(crate) top_p: TopP,
    /// Sample from this many of the most probable tokens [default: all]
    #[arg(long, requires = "max_new_tokens", value_name = "K", help_heading = "What to write")]
    #[arg(hide_short_help = true)]
    #[arg(value_parser = from_one)]
    pub(crate) top_k_sampling: Option<NonZeroUsize>,
    /// Of the random numbers; the same seed samples the same tokens
    #[arg(
        long,
        requires = "max_new_tokens",
        value_name = "SEED",
        default_value_t = 0,
        help_heading = "What to write"
    )]
    pub(crate) seed: u64,
    /// How often to write, each time with the next seed
    #[arg(
        long,
        requires = "max_new_tokens",
        value_name = "N",
        default_value = "1",
        help_heading = "What to write"
    )]
    #[arg(value_parser = from_one)]
    pub(crate) trials: NonZeroUsize,
    /// End at this text, in which \n, \t and \\ mean what they do elsewhere; can be repeated
    #[arg(hide_short_help = true)]
    #[arg(
        long,
        requires = "max_new_tokens",
        value_name = "TEXT",
        allow_hyphen_values = true,
        help_heading = "What to write"
    )]
    pub(crate) stop: Vec<StopText>,
}

/// Draw a saved trace: tables, heatmaps, curves, and a page to explore it
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "Everything that lens run writes with --out or prints with --format json and jsonl can be shown: one run, comparisons, \
trials, and the runs of many prompts. No model is needed.

Examples:
  lens run \"The capital of France is\" --positions all --format json > trace.json
  lens render trace.json -o lens.html
  lens render trace.json --kind grid
  lens render trace.json --kind grid-kl -o grid.svg
  lens render trace.json --kind trajectories --tokens \" Paris\" -o paris.png
  lens render trace.json --positions 0..2
  lens render trace.json trace.json -o both.html
  lens render trace.json trace.json --kind difference-entropy
  lens render trace.json --format logitlenskit-v2 -o v2.json"
)]
pub(crate) struct RenderArgs {
    /// Files and folders that lens run has written, or logitlenskit's JSON; - is stdin. A page shows all of them, a
    /// difference two
    #[arg(required = true, value_name = "TRACE")]
    pub(crate) traces: Vec<PathBuf>,
    /// Of several traces: which, by number from 0 or by name; can be repeated
    #[arg(long, value_name = "N|NAME", help_heading = "What to show")]
    pub(crate) trace: Vec<String>,
    /// What to show: table, page, all-layers, important-layers, grid, grid-logit, grid-rank, grid-kl,
    /// grid-entropy, trajectories, curves, or what differs between two traces: difference (of probabilities, or of that of
    /// --tokens), difference-kl and so on [default: what the file's name implies]
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Option<Show>,
    /// The file to write: .svg, .png, .html, .txt or .json; without it, tables and grids go to the terminal
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write the data and no picture: json (lens's own) or logitlenskit-v2 [default: logitlenskit-v2 for .json]
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true, conflicts_with = "kind")]
    pub(crate) format: Option<RenderFormat>,

    /// Positions; heatmaps and curves show one [default: the last; for pages and grids all]
    #[arg(long, value_name = "WHICH", allow_hyphen_values = true, help_heading = "What to show")]
    pub(crate) positions: Option<Selection>,
    /// In place of a position: what was read when this token was generated, from 0
    #[arg(long, value_name = "STEP", conflicts_with = "positions", help_heading = "What to show")]
    pub(crate) step: Option<usize>,
    /// Layers, written as for lens run
    #[arg(long, value_name = "WHICH", allow_hyphen_values = true, help_heading = "What to show")]
    pub(crate) layers: Option<Selection>,
    /// Every how many layers one is shown; the last one always is
    #[arg(long, value_name = "N", default_value = "1", help_heading = "What to show")]
    pub(crate) stride: NonZeroU16,
    /// Components, written as for lens run
    #[arg(long, value_name = "NAMES", help_heading = "What to show")]
    pub(crate) components: Option<ComponentSelection>,
    /// The most ranks of a heatmap, predictions below a table, and tokens of a readout on a page
    #[arg(short = 'k', long, value_name = "K", help_heading = "What to show")]
    #[arg(value_parser = from_one)]
    pub(crate) top_k: Option<NonZeroUsize>,
    /// A token whose trajectory or difference to draw, by text or id; can be repeated
    #[arg(long, value_name = "TEXT|ID", allow_hyphen_values = true, help_heading = "What to show")]
    pub(crate) tokens: Vec<Target>,
    /// Probability of a token above which a layer counts as important [default: that of the run]
    #[arg(long, value_name = "PERCENT", help_heading = "What to show")]
    pub(crate) threshold: Option<Percent>,

    /// The most pixels that a page is wide
    #[arg(long, value_name = "PIXELS", help_heading = "Looks")]
    pub(crate) width: Option<u32>,
    /// Pixels of a PNG for each pixel of the page [default: 2]
    #[arg(long, value_name = "FACTOR", help_heading = "Looks")]
    pub(crate) scale: Option<f32>,
    /// Colours: viridis or cividis [default: viridis]
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true, help_heading = "Looks")]
    pub(crate) ramp: Option<RampName>,
    /// What stands above the picture
    #[arg(long, value_name = "TEXT", help_heading = "Looks")]
    pub(crate) title: Option<String>,
}

/// The form of a trace's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RenderFormat {
    /// The trace, one on each line.
    Json,
    /// The JSON of logitlenskit's viewer, version 2.
    LogitlenskitV2,
}

/// The colours of probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RampName {
    Viridis,
    Cividis,
}

impl From<RampName> for lens_viz::Ramp {
    fn from(name: RampName) -> Self {
        match name {
            RampName::Viridis => Self::Viridis,
            RampName::Cividis => Self::Cividis,
        }
    }
}

/// What the model reads.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct InputArgs {
    /// The text; - reads it from stdin
    pub(crate) prompt: Option<String>,
    /// A file with the text; a line feed at its end is not part of it (nor on stdin)
    #[arg(long, value_name = "FILE")]
    pub(crate) prompt_file: Option<PathBuf>,
    /// Token ids such as 1,2,3 in place of a text; no special token is added
    #[arg(long, value_name = "IDS")]
    pub(crate) token_ids: Option<TokenIds>,
    /// Many prompts, one load: a file with one on each line (.jsonl: objects with text, messages or token_ids, and an id;
    /// .csv: the column text), - reads stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) prompts: Option<PathBuf>,
}

/// How a file of prompts is read.
#[derive(Debug, Args)]
pub(crate) struct ManyArgs {
    /// lines, jsonl or csv, whatever the file's name ends in
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "FORMAT", requires = "prompts")]
    pub(crate) prompts_format: Option<PromptFormat>,
    /// The field or column that holds the prompts [default: text, or prompt]
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "NAME", requires = "prompts")]
    pub(crate) prompts_column: Option<String>,
}

/// How the text becomes a conversation.
#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// Ask the text as a user does, in the model's chat template
    #[arg(long, conflicts_with = "token_ids")]
    pub(crate) chat: bool,
    /// What the system message says; implies --chat
    #[arg(long, value_name = "TEXT", conflicts_with = "token_ids")]
    pub(crate) system: Option<String>,
}

/// Say what a model is made of
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "Reads config.json and the headers of the weights only: of a model on the hub, a few \
kilobytes.

Examples:
  lens inspect
  lens inspect Qwen/Qwen2.5-0.5B --format json"
)]
pub(crate) struct InspectArgs {
    /// Hub id, local folder, or demo
    #[arg(value_name = "MODEL", default_value = "demo")]
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// What goes to stdout
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

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
pub(crate) struct CheckArgs {
    /// Hub id, local folder, or demo
    #[arg(value_name = "MODEL", default_value = "demo")]
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// A text to check with, in place of ids from all over the vocabulary
    #[arg(long, value_name = "TEXT", conflicts_with = "token_ids")]
    pub(crate) prompt: Option<String>,
    /// Token ids to check with
    #[arg(long, value_name = "IDS")]
    pub(crate) token_ids: Option<TokenIds>,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
}

/// List the supported families of models
#[derive(Debug, Args)]
#[command(after_help = MORE_HELP, after_long_help = "Examples:
  lens families
  lens families --format markdown")]
pub(crate) struct FamiliesArgs {
    /// What goes to stdout
    #[arg(long, value_enum, default_value_t = ListFormat::Table)]
    pub(crate) format: ListFormat,
}

/// Where checkpoints may come from.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// Branch, tag or commit of a model on the hub
    #[arg(long, value_name = "REV")]
    pub(crate) revision: Option<String>,
    /// Use what is on this machine only
    #[arg(long)]
    pub(crate) offline: bool,
    /// Read the config as that of this family (see lens families), whatever its model_type says
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "FAMILY")]
    pub(crate) assume_family: Option<String>,
    /// Ignore keys of config.json and tensors that the family does not use, with a note
    #[arg(long)]
    pub(crate) ignore_extra: bool,
}

/// How to run.
#[derive(Debug, Args)]
pub(crate) struct MachineArgs {
    /// Type of the weights; auto keeps the one they are stored in
    #[arg(long, value_enum, default_value_t = Dtype::Auto, help_heading = "How to run")]
    pub(crate) dtype: Dtype,
    /// auto, cpu, cuda, cuda:1 or mps; auto takes the first card where libtorch and the driver have one, and others
    /// and the processor where the model does not fit
    #[arg(long, value_name = "DEVICE", default_value = "auto", help_heading = "How to run")]
    pub(crate) device: Device,
    /// Layers on several devices: auto (cards first, the rest on the processor), balanced, or a list such as
    /// 0-15=cuda:0,16-31=cuda:1,rest=cpu
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "MAP", help_heading = "How to run")]
    pub(crate) device_map: Option<DeviceMap>,
    /// How weights come into memory: map or read [default: map, and read from network file systems]
    #[arg(long, value_enum, value_name = "map|read", default_value_t = IoChoice::Auto, hide_default_value = true)]
    #[arg(hide_short_help = true)]
    #[arg(hide_possible_values = true, help_heading = "How to run")]
    pub(crate) io: IoChoice,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "How to run")]
    pub(crate) threads: Option<u16>,
}

/// How weights come into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum IoChoice {
    Auto,
    Map,
    Read,
}

impl From<IoChoice> for Io {
    fn from(choice: IoChoice) -> Self {
        match choice {
            IoChoice::Auto => Self::Auto,
            IoChoice::Map => Self::Map,
            IoChoice::Read => Self::Read,
        }
    }
}

/// The type of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dtype {
    Auto,
    #[value(alias = "float32")]
    F32,
    #[value(alias = "bfloat16")]
    Bf16,
    #[value(aliases = ["float16", "half"])]
    F16,
}

/// The form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

/// The form of what a run says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RunFormat {
    /// For people.
    Table,
    /// One trace, when all is done.
    Json,
    /// A line for the run, for every position and step as it is read, and for the end.
    Jsonl,
    /// The table of readouts as Apache Parquet.
    Parquet,
    /// The table of readouts in Arrow's file format.
    Arrow,
    /// The table of readouts as comma-separated values.
    Csv,
    /// The JSON of logitlenskit's viewer, version 2.
    LogitlenskitV2,
}

impl RunFormat {
    /// The flat form, where it is one.
    pub(crate) fn flat(self) -> Option<lens_data::Format> {
        match self {
            Self::Parquet => Some(lens_data::Format::Parquet),
            Self::Arrow => Some(lens_data::Format::Arrow),
            Self::Csv => Some(lens_data::Format::Csv),
            Self::Table | Self::Json | Self::Jsonl | Self::LogitlenskitV2 => None,
        }
    }
}

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    Table,
    Json,
    Markdown,
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    fn refusal(args: &[&str]) -> ErrorKind {
        Cli::try_parse_from([&["lens", "run", "a"], args].concat()).expect_err("it was accepted").kind()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_value_that_makes_no_sense_is_refused() {
        for args in [
            ["--layers", "0..x"],
            ["--positions", ""],
            ["--components", "z"],
            ["-k", "0"],
            ["-k", "-1"],
            ["--target", ""],
            ["--threshold", "nan"],
            ["--threads", "0"],
            ["--memory-budget", "much"],
            ["--device", "gpu"],
            ["--format", "xml"],
            ["-n", "0"],
            ["--temperature", "-1"],
            ["--temperature", "inf"],
            ["--top-p", "0"],
            ["--top-p", "1.5"],
            ["--top-k-sampling", "0"],
            ["--seed", "-1"],
            ["--trials", "0"],
            ["--stop", ""],
            ["--color", "red"],
            ["--token-ids", "1,two"],
        ] {
            let kind = refusal(&args);
            let expected = [
                ErrorKind::ValueValidation,
                ErrorKind::InvalidValue,
                ErrorKind::UnknownArgument,
                ErrorKind::ArgumentConflict,
            ];
            assert!(expected.contains(&kind), "{args:?}: {kind:?}");
        }
    }

    #[test]
    fn what_is_written_has_the_defaults_of_a_greedy_continuation() {
        let cli = Cli::try_parse_from(["lens", "run", "a", "-n", "3", "--stop", "-"]);
        let Ok(Cli { command: Command::Run(args), .. }) = cli else { panic!("{cli:?}") };
        let generate = &args.generate;
        assert_eq!((generate.temperature.0, generate.top_p.0, generate.seed), (0.0, 1.0, 0));
        assert_eq!((generate.trials.get(), generate.top_k_sampling), (1, None));
        assert_eq!(generate.stop, [StopText("-".to_owned())]);
    }

    #[test]
    fn what_is_for_people_contradicts_what_is_for_programs() {
        for (args, contradicts) in [
            (&["--grid", "--format", "json"][..], true),
            (&["-n", "2", "--tables", "--format", "jsonl"], true),
            (&["--grid"], false),
            (&["-n", "2", "--tables"], false),
        ] {
            let cli = Cli::try_parse_from([&["lens", "run", "a"], args].concat()).unwrap();
            assert_eq!(cli.contradiction().is_some(), contradicts, "{args:?}");
        }
    }

    #[test]
    fn selections_may_begin_with_a_hyphen() {
        let cli = Cli::try_parse_from([
            "lens",
            "run",
            "a",
            "--layers",
            "-3..-1",
            "--positions",
            "-1",
            "--target",
            "-",
        ]);
        let Ok(Cli { command: Command::Run(args), .. }) = cli else { panic!("{cli:?}") };
        assert_eq!(args.layers.resolve(8, "layer").unwrap(), [5, 6]);
        assert_eq!(args.targets, [Target::Text("-".to_owned())]);
    }
}
