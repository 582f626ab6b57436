//! The JSON form of a run: `lens-trace/1`.

mod faithfulness;
mod lenses;
mod new;
mod read;
mod validate;
mod with_statistics;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use read::present;

pub use crate::stopped::Stopped;
use crate::{
    backend::ModelInfo,
    mixer::MixerKind,
    norm::NormMode,
    point::Component,
    statistic::{Statistic, Statistics},
    token::TokenId,
};

pub use faithfulness::{FaithfulnessTrace, Grade, TRUSTED_UP_TO};
pub use lenses::{LensEntryTrace, UnknownLens};
pub use read::TraceError;

/// The schema that this crate writes and reads.
pub const SCHEMA: &str = "lens-trace/1";

/// One run of the lens, as it is written to JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LensTrace {
    /// [`SCHEMA`].
    pub schema: String,
    /// The number of the prompt in a run of many, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_index: Option<u64>,
    /// The name that the file of prompts gives the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What wrote the trace.
    pub generator: GeneratorTrace,
    /// The model.
    pub model: ModelTrace,
    /// The kind of lens; of several, the first one's.
    pub lens: LensKindTrace,
    /// The lenses; empty where the plain lens is the only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lenses: Vec<LensEntryTrace>,
    /// What was changed while the model ran; empty for the model as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interventions: Vec<InterventionTrace>,
    /// The prompt, as text.
    pub prompt: String,
    /// Every token of the sequence.
    pub tokens: Vec<TokenTrace>,
    /// Which of the tokens each role says, where the prompt is a conversation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleTrace>,
    /// The tokens that the model wrote, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepTrace>,
    /// How the model's continuation was chosen and why it ended, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<GenerationTrace>,
    /// Probability, from 0 to 1, above which a token makes a layer important.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub important_above: Option<f32>,
    /// The token that the first target is compared with in `logit_diff`, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versus: Option<NamedTrace>,
    /// The readouts, by position, then in order of execution.
    pub readouts: Vec<ReadoutTrace>,
    /// The model's own answer at each position read.
    #[serde(rename = "final")]
    pub finals: Vec<FinalTrace>,
    /// How far each lens can be trusted at each point; empty where the plain lens is the only one, and until the run is
    /// over. [`rows_faithfulness`](LensTrace::rows_faithfulness) finds it for any trace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faithfulness: Vec<FaithfulnessTrace>,
    /// Whether the readouts can be believed; null until something was compared, and in imported traces.
    pub self_check: Option<SelfCheckTrace>,
    /// Where the time went, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<TimingTrace>,
    /// What was assumed, dropped or left out on the way to these readouts, as sentences for a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Where the time of a run went, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TimingTrace {
    /// Seconds in forward passes, each waited for until it is done.
    pub forward: f64,
    /// Seconds spent decoding what they captured, self-checks included.
    pub readout: f64,
}

/// What wrote a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GeneratorTrace {
    /// Program.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The model of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelTrace {
    /// Hub id, folder, or `demo`.
    pub id: String,
    /// Commit, where known.
    pub revision: Option<String>,
    /// Family, as `model_type` names it.
    pub family: String,
    /// Whether the family was assumed by the user, against what config.json says.
    #[serde(default, skip_serializing_if = "is_false")]
    pub family_assumed: bool,
    /// Number of blocks.
    pub n_layers: u16,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Rows of the unembedding.
    pub n_vocab: usize,
    /// Type that the weights were computed with, such as `bf16`.
    pub dtype: String,
    /// Where it ran, such as `cpu` or `cuda:0`.
    pub device: String,
    /// The kind of mixer (attention or what stands in its place) of each block, `[n_layers]`; empty where all blocks
    /// have attention.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mixers: Vec<MixerKind>,
}

impl From<&ModelInfo> for ModelTrace {
    fn from(info: &ModelInfo) -> Self {
        Self {
            id: info.id.clone(),
            revision: info.revision.clone(),
            family: info.family.clone(),
            family_assumed: info.family_assumed,
            n_layers: info.n_layers,
            d_model: info.d_model,
            n_vocab: info.n_vocab,
            dtype: info.dtype.to_string(),
            device: info.device.clone(),
            mixers: match info.mixers.iter().all(|mixer| *mixer == MixerKind::Attention) {
                true => Vec::new(),
                false => info.mixers.clone(),
            },
        }
    }
}

/// The kind of lens that a trace was made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LensKindTrace {
    /// `logit`, `tuned` or `jacobian`.
    pub kind: String,
    /// The norm before the unembedding.
    pub norm: NormMode,
}

/// A token of the sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TokenTrace {
    /// Its id.
    pub id: TokenId,
    /// Its text.
    pub text: Arc<str>,
    /// Its exact bytes in hexadecimal; only where `text` does not spell them exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Arc<str>>,
    /// Whether the model wrote it.
    pub generated: bool,
}

/// A token outside of the sequence and of any readout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NamedTrace {
    /// Its id.
    pub id: TokenId,
    /// Its text.
    pub text: Arc<str>,
    /// Its exact bytes in hexadecimal; only where `text` does not spell them exactly.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub bytes: Option<Arc<str>>,
}

/// The tokens that one role says, as a range of positions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RoleTrace {
    /// `system`, `user` or `assistant`; `template` for what the chat template puts around messages.
    pub role: String,
    /// Position of the first token.
    pub start: usize,
    /// One past the position of the last token.
    pub end: usize,
}

/// A token that the model wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepTrace {
    /// The number of the step, from 0.
    pub step: usize,
    /// The position whose readouts say how it formed: the one before the token's own.
    pub position: usize,
    /// The token that was sampled.
    pub token: SampledTrace,
}

/// A sampled token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SampledTrace {
    /// Its id.
    pub id: TokenId,
    /// Its text.
    pub text: Arc<str>,
    /// Its exact bytes in hexadecimal; only where `text` does not spell them exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Arc<str>>,
    /// Its probability, from 0 to 1, in the final readout, before temperature and truncation.
    pub prob: f32,
}

/// How a continuation was chosen, and why it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GenerationTrace {
    /// What logits were divided by; 0 is greedy.
    pub temperature: f32,
    /// Only the smallest set of most probable tokens whose probabilities add up to this, in `(0, 1]`, was sampled from.
    pub top_p: f32,
    /// Only this many of the most probable tokens were sampled from; `None` is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub top_k: Option<usize>,
    /// Seed of the random numbers, as it was before the trial's number was added.
    pub seed: u64,
    /// Which of several trials, from 0.
    pub trial: usize,
    /// Why it ended.
    pub stopped: Stopped,
}

/// Something that was changed while the model ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InterventionTrace {
    /// The point, with its head where there is one.
    pub point: String,
    /// What was done: `add`, `scale`, `zero`, `mean`, `replace` or `project`.
    pub kind: String,
    /// The intervention in its canonical form.
    pub text: String,
    /// The positions that it was restricted to; `None` where it applied at every position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<Vec<usize>>,
}

/// A token of a readout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TopTrace {
    /// Its id.
    pub id: TokenId,
    /// Its text.
    pub text: Arc<str>,
    /// Its exact bytes in hexadecimal; only where `text` does not spell them exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Arc<str>>,
    /// Its logit, after the model's scale and soft cap.
    pub logit: f32,
    /// Its probability, from 0 to 1.
    pub prob: f32,
}

/// A token that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TargetTrace {
    /// The token, with its logit and probability.
    #[serde(flatten)]
    pub token: TopTrace,
    /// 1 + the number of tokens with a strictly larger logit; absent where that is not known, as in imported traces.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub rank: Option<u32>,
}

/// The readout of one (point, position).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReadoutTrace {
    /// The block; null for `embed`.
    pub layer: Option<u16>,
    /// The component that was read.
    pub component: Component,
    /// The position; its readout is about the next token.
    pub position: usize,
    /// The name of the lens, where the trace lists [lenses](LensTrace::lenses).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lens: Option<Arc<str>>,
    /// Whether the point is a sum that no part of the model reads.
    #[serde(default, rename = "virtual", skip_serializing_if = "is_false")]
    pub is_virtual: bool,
    /// The most probable tokens.
    pub top: Vec<TopTrace>,
    /// Its statistics, each under its name.
    #[serde(flatten)]
    pub statistics: Statistics,
    /// The tokens asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetTrace>,
    /// Tokens that are the top-1 of other readouts of the position and are neither in `top` nor in `targets`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracked: Vec<TopTrace>,
}

impl ReadoutTrace {
    /// The logit and probability of a token, if this readout keeps them: among its top, the tokens asked for or those
    /// tracked.
    pub fn score(&self, id: TokenId) -> Option<&TopTrace> {
        let targets = self.targets.iter().map(|target| &target.token);
        self.top.iter().chain(targets).chain(&self.tracked).find(|token| token.id == id)
    }

    /// The value of a statistic, in its unit.
    pub fn get(&self, statistic: Statistic) -> Option<f64> {
        self.statistics.get(statistic)
    }
}

/// The model's own answer at a position.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FinalTrace {
    /// The position.
    pub position: usize,
    /// The most probable tokens.
    pub top: Vec<TopTrace>,
    /// Its statistics, each under its name.
    #[serde(flatten)]
    pub statistics: Statistics,
    /// First layer from which the top-1 token of `resid_post` is the final one and stays so, from 0.
    pub decided_at: Option<usize>,
    /// The layers read in which `attn_out`, `mlp_out` or `resid_post` has a token above the threshold.
    #[serde(default)]
    pub important_layers: Vec<u16>,
    /// The layers that move the prediction most ([`important_by_movement`](crate::important_by_movement)); absent where
    /// the distances of `resid_post` were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub important_by_movement: Option<Vec<u16>>,
    /// The tokens asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetTrace>,
}

impl FinalTrace {
    /// The value of a statistic, in its unit.
    pub fn get(&self, statistic: Statistic) -> Option<f64> {
        self.statistics.get(statistic)
    }
}

/// Everything that was read at one position.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PositionTrace {
    /// The model's own answer.
    #[serde(rename = "final")]
    pub last: FinalTrace,
    /// The readouts, in order of execution.
    pub readouts: Vec<ReadoutTrace>,
}

/// The comparison of a final readout with the backend's plain matrix product: the worst of the run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SelfCheckTrace {
    /// Largest absolute difference of a logit, among the top tokens and the targets.
    pub max_abs_logit_error: f32,
    /// Whether rounding explains both differences.
    pub passed: bool,
    /// The position whose final readout was compared.
    #[serde(default)]
    pub position: usize,
    /// Absolute difference of the log-sum-exp over the whole vocabulary, nats.
    #[serde(default)]
    pub log_sum_exp_error: f32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
fn is_false(value: &bool) -> bool {
    !value
}
