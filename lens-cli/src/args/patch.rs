//! `lens patch`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use lens_core::{
    Selection,
    patch::{Ablated, Align, Direction, Metric, PatchSites, Per},
};

use super::{
    MORE_HELP,
    attribute::AttributeFormat,
    model::{MachineArgs, SourceArgs},
    run::ChatArgs,
};
use crate::values::{Pictures, Target, TokenIds};

/// Change activations place by place, and see what the answer owes to each
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "Patching runs two prompts of one form, and puts the activation of the clean one into the run of the \
corrupted one, at one place after the other (--direction noise: the other way round). A cell says how much of the \
difference between both answers comes with it: 0 is the corrupted answer, 1 the clean one. --ablate replaces activations \
of one prompt by zeros, by a mean, or by those of another prompt; cells are changes of the metric. --patchscope puts the \
state of every layer of the prompt into every layer of a prompt that makes the model say what it holds.
Both prompts are run once; what a change cannot reach is not run again.
With --chat, --system, --prefill and --template-var every text is what a user asks, as for lens run; conversations of \
several turns come from files. --target-prompt alone is read as it is written.

Examples:
  lens patch --clean \"The capital of France is\" --corrupted \"The capital of Italy is\"
  lens patch --clean-ids 5,7,11 --corrupted-ids 5,9,11 --sites heads --target 3 --versus 4
  lens patch \"The capital of France is\" --ablate mean --sites attn_out,mlp_out,heads
  lens patch \"The capital of France is\" --patchscope --positions 3
  lens patch -m Qwen/Qwen2.5-0.5B --clean \"The Louvre is in\" --corrupted \"The Prado is in\" -o out
  lens patch -m Qwen/Qwen3-0.6B --chat --clean \"Is 7 prime?\" --corrupted \"Is 8 prime?\" --prefill \"It is\""
)]
pub struct PatchArgs {
    /// Hub id or local folder; without it, the demo model that is part of lens
    #[arg(short, long, value_name = "ID|DIR")]
    pub model: Option<String>,
    #[command(flatten)]
    pub source: SourceArgs,

    /// The prompt, for --ablate and --patchscope
    #[arg(conflicts_with_all = ["token_ids", "messages"])]
    pub prompt: Option<String>,
    /// Token ids such as 1,2,3 in place of the prompt; no special token is added
    #[arg(long, value_name = "IDS", conflicts_with_all = ["messages", "ChatArgs"])]
    pub token_ids: Option<TokenIds>,
    /// A file with a conversation in place of the prompt, as for lens run
    #[arg(long, value_name = "FILE")]
    pub messages: Option<PathBuf>,
    /// The prompt with the right answer
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["clean_ids", "clean_messages"])]
    pub clean: Option<String>,
    /// The prompt with another answer
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["corrupted_ids", "corrupted_messages"])]
    pub corrupted: Option<String>,
    /// Token ids in place of --clean; no special token is added
    #[arg(long, value_name = "IDS", conflicts_with = "clean_messages")]
    pub clean_ids: Option<TokenIds>,
    /// Token ids in place of --corrupted; no special token is added
    #[arg(long, value_name = "IDS", conflicts_with = "corrupted_messages")]
    pub corrupted_ids: Option<TokenIds>,
    /// A file with a conversation in place of --clean
    #[arg(long, value_name = "FILE")]
    pub clean_messages: Option<PathBuf>,
    /// A file with a conversation in place of --corrupted
    #[arg(long, value_name = "FILE")]
    pub corrupted_messages: Option<PathBuf>,
    #[command(flatten)]
    pub chat: ChatArgs,

    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub other: OtherArgs,

    /// The right answer, by text or id (text:5 is the text 5) [default: what the clean, or unchanged, prompt is answered by]
    #[arg(long, value_name = "TEXT|ID", allow_hyphen_values = true, help_heading = "What is read")]
    pub target: Option<Target>,
    /// The answer that it is compared with [default: what the corrupted prompt is answered by]
    #[arg(long, value_name = "TEXT|ID", allow_hyphen_values = true, help_heading = "What is read")]
    pub versus: Option<Target>,
    /// logit_diff, logit, prob, or kl (to the clean, or unchanged, answer) [default: logit_diff, and logit of one token]
    #[arg(long, value_name = "METRIC", help_heading = "What is read")]
    pub metric: Option<Metric>,
    /// The position whose next token is the answer: last, or an index (-1 is the last)
    #[arg(long, value_name = "WHICH", default_value = "last", allow_hyphen_values = true)]
    #[arg(help_heading = "What is read")]
    pub position: Selection,

    #[command(flatten)]
    pub machine: MachineArgs,

    /// What goes to stdout
    #[arg(long, value_enum, default_value_t = AttributeFormat::Table, help_heading = "Results")]
    #[arg(hide_possible_values = true, value_name = "table|json")]
    pub format: AttributeFormat,
    /// Write a file in place of stdout (.json, or heatmaps as .svg, .pdf, .png, .webp or .jpg, one for each site), or a folder with all of them
    #[arg(short, long, value_name = "PATH", help_heading = "Results")]
    pub out: Option<PathBuf>,
    /// How the pictures of a results folder are drawn: none, or svg, pdf, png, webp, jpg, several with commas [default: svg]
    #[arg(long, value_name = "FORMS", help_heading = "Results")]
    pub pictures: Option<Pictures>,
}

/// Which activations are changed.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is changed")]
pub struct PlaceArgs {
    /// A list of resid_pre, z, attn_out, resid_mid, mlp_out, resid_post, heads, and single heads such as head.3
    /// [default: resid_pre,attn_out,mlp_out; of --ablate attn_out,mlp_out; of --patchscope resid_post]
    #[arg(long, value_name = "SITES")]
    pub sites: Option<PatchSites>,
    /// all, or indices and ranges such as 0..8,-1; of --patchscope, the layers that states are taken from
    #[arg(long, value_name = "WHICH", default_value = "all", allow_hyphen_values = true)]
    pub layers: Selection,
    /// all, or indices and ranges, of the prompt that is changed [default: all up to --position]; of --patchscope, the
    /// positions that states are taken from [default: last]
    #[arg(long, value_name = "WHICH", allow_hyphen_values = true)]
    pub positions: Option<Selection>,
    /// How positions of prompts of different lengths correspond: start or end
    #[arg(long, value_enum, value_name = "start|end", hide_possible_values = true)]
    pub align: Option<AlignName>,
    /// A cell for each position, or one for all chosen positions of a layer [default: position; of heads and --ablate layer]
    #[arg(long, value_name = "position|layer")]
    pub per: Option<Per>,
    /// denoise puts clean activations into the corrupted run, noise the other way round
    #[arg(long, value_enum, value_name = "denoise|noise", hide_possible_values = true)]
    pub direction: Option<DirectionName>,
}

/// Ablations and patchscopes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Ablations and patchscopes")]
pub struct OtherArgs {
    /// Replace activations of the prompt: by zero, by their mean over the prompt's positions or over those of --prompts, or
    /// resample: by those of --other or of one of --prompts
    #[arg(long, value_enum, value_name = "zero|mean|resample", hide_possible_values = true)]
    #[arg(conflicts_with = "patchscope")]
    pub ablate: Option<AblateName>,
    /// A file of prompts to take the mean over, or one of them to resample from: one on each line, or .jsonl, .csv
    #[arg(long, value_name = "FILE", requires = "ablate")]
    pub prompts: Option<PathBuf>,
    /// The prompt whose activations --ablate resample takes
    #[arg(long, value_name = "TEXT", requires = "ablate", conflicts_with = "prompts")]
    pub other: Option<String>,
    /// Which of --prompts --ablate resample takes
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Put states of the prompt into a prompt that makes the model say what they hold
    #[arg(long)]
    pub patchscope: bool,
    /// The prompt that states are put into
    #[arg(long, value_name = "TEXT", requires = "patchscope")]
    #[arg(default_value = "cat -> cat; 135 -> 135; hello -> hello; ?")]
    pub target_prompt: String,
    /// Token ids in place of --target-prompt
    #[arg(long, value_name = "IDS", requires = "patchscope")]
    pub target_ids: Option<TokenIds>,
    /// The position of --target-prompt that states are put at
    #[arg(long, value_name = "WHICH", default_value = "last", allow_hyphen_values = true)]
    pub target_position: Selection,
    /// The layers that states are put into
    #[arg(long, value_name = "WHICH", default_value = "all", allow_hyphen_values = true)]
    pub target_layers: Selection,
}

/// What `lens patch` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchMode {
    /// Two prompts.
    Patching,
    /// One prompt.
    Ablation(Ablated),
    /// A prompt and one that says what it holds.
    Patchscope,
}

impl PatchArgs {
    /// What is to be done.
    pub fn mode(&self) -> PatchMode {
        match self.other.ablate {
            Some(ablate) => PatchMode::Ablation(ablate.into()),
            None if self.other.patchscope => PatchMode::Patchscope,
            None => PatchMode::Patching,
        }
    }

    /// The file that the results are written to, and the folder, whichever was named.
    pub fn out_folder(&self) -> Option<&std::path::Path> {
        self.out.as_deref().filter(|path| path.extension().is_none())
    }

    /// Options that cannot both be followed, in words.
    pub(super) fn contradiction(&self) -> Option<String> {
        let pair = [self.has_clean(), self.has_corrupted()];
        let one = self.prompt.is_some() || self.token_ids.is_some() || self.messages.is_some();
        let says = match (self.mode(), pair, one) {
            (PatchMode::Patching, [true, true], false) => None,
            (PatchMode::Patching, _, true) => {
                Some("one prompt is for --ablate and --patchscope: patching has two, --clean and --corrupted")
            }
            (PatchMode::Patching, ..) => Some("patching has two prompts: give --clean and --corrupted"),
            (_, [false, false], true) => None,
            (_, [false, false], false) => Some("there is no prompt: give a text, or --token-ids"),
            _ => Some("--clean and --corrupted are for patching: --ablate and --patchscope have one prompt"),
        };
        let says = says.or_else(|| self.idle()).map(str::to_owned);
        let json_file = self.format == AttributeFormat::Json && self.out.is_some() && !self.is_json_file();
        let json = json_file.then(|| {
            "--format json is for stdout and files that end in .json: a folder has the JSON by itself"
                .to_owned()
        });
        let chat = || self.chat.contradiction(self.has_messages());
        says.or_else(chat).or(json).or_else(|| self.machine.contradiction())
    }

    fn has_clean(&self) -> bool {
        self.clean.is_some() || self.clean_ids.is_some() || self.clean_messages.is_some()
    }

    fn has_corrupted(&self) -> bool {
        self.corrupted.is_some() || self.corrupted_ids.is_some() || self.corrupted_messages.is_some()
    }

    fn has_messages(&self) -> bool {
        self.messages.is_some() || self.clean_messages.is_some() || self.corrupted_messages.is_some()
    }

    /// Whether a conversation is asked for where a prompt is given by its token ids.
    fn converses_in_ids(&self) -> bool {
        let has_ids = self.token_ids.is_some() || self.clean_ids.is_some() || self.corrupted_ids.is_some();
        has_ids && (self.chat.is_chat() || self.chat.prefill.is_some() || !self.chat.template_vars.is_empty())
    }

    /// Whether both files of conversations are to come from one stream.
    fn reads_stdin_twice(&self) -> bool {
        let is_stdin = |path: &Option<PathBuf>| path.as_deref().is_some_and(|path| path.as_os_str() == "-");
        is_stdin(&self.clean_messages) && is_stdin(&self.corrupted_messages)
    }

    fn is_json_file(&self) -> bool {
        let ending = self.out.as_deref().and_then(std::path::Path::extension);
        ending.is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
    }

    /// An option that would do nothing.
    fn idle(&self) -> Option<&'static str> {
        let mode = self.mode();
        let (places, other) = (&self.places, &self.other);
        let is_patching = mode == PatchMode::Patching;
        let resamples = mode == PatchMode::Ablation(Ablated::Resample);
        if self.converses_in_ids() {
            return Some(
                "token ids are read as they are: --chat, --system, --prefill and --template-var are for texts",
            );
        }
        if self.reads_stdin_twice() {
            return Some("--clean-messages and --corrupted-messages cannot both be read from stdin");
        }
        if places.direction.is_some() && !is_patching {
            return Some("--direction is for patching: here one prompt alone is changed");
        }
        if places.align.is_some() && !is_patching && !resamples {
            return Some("--align is for two prompts: here one prompt alone is changed");
        }
        if places.per.is_some() && mode == PatchMode::Patchscope {
            return Some("--per is not for --patchscope, whose cells are pairs of layers");
        }
        if other.other.is_some() && !resamples {
            return Some("--other is for --ablate resample");
        }
        if resamples && other.other.is_none() && other.prompts.is_none() {
            return Some(
                "--ablate resample takes the activations of another prompt: give --other or --prompts",
            );
        }
        if other.prompts.is_some() && mode == PatchMode::Ablation(Ablated::Zero) {
            return Some("--ablate zero takes nothing of other prompts: leave --prompts out");
        }
        let draws = self.pictures.is_some() && self.out_folder().is_none();
        draws.then_some("--pictures is for a folder of results: give -o FOLDER")
    }
}

/// How positions correspond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AlignName {
    Start,
    End,
}

impl From<AlignName> for Align {
    fn from(name: AlignName) -> Self {
        match name {
            AlignName::Start => Self::Start,
            AlignName::End => Self::End,
        }
    }
}

/// Which prompt's activations are put into which run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DirectionName {
    Denoise,
    Noise,
}

impl From<DirectionName> for Direction {
    fn from(name: DirectionName) -> Self {
        match name {
            DirectionName::Denoise => Self::Denoise,
            DirectionName::Noise => Self::Noise,
        }
    }
}

/// What takes the place of activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AblateName {
    Zero,
    Mean,
    Resample,
}

impl From<AblateName> for Ablated {
    fn from(name: AblateName) -> Self {
        match name {
            AblateName::Zero => Self::Zero,
            AblateName::Mean => Self::Mean,
            AblateName::Resample => Self::Resample,
        }
    }
}
