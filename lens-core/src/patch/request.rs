//! What is to be changed, and what is to be read.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{cell::Pair, metric::Metric, site::PatchSites};
use crate::{point::Site, selection::Selection, token::TokenId};

/// A prompt, and the position whose next token is the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prompt<'a> {
    /// Its tokens.
    pub tokens: &'a [TokenId],
    /// The position whose prediction is read.
    pub read: usize,
}

impl<'a> Prompt<'a> {
    /// A prompt whose last position is read.
    pub fn new(tokens: &'a [TokenId]) -> Self {
        Self { tokens, read: tokens.len().saturating_sub(1) }
    }

    crate::setters! {
        /// The position whose prediction is read.
        with_read => read: usize,
    }
}

/// Which prompt's activations are put into which run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Those of the clean prompt into the run of the corrupted one: what restores the answer.
    #[default]
    Denoise,
    /// Those of the corrupted prompt into the run of the clean one: what breaks it.
    Noise,
}

impl Direction {
    /// Its name: `denoise` or `noise`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Denoise => "denoise",
            Self::Noise => "noise",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What one cell of a grid stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// One position.
    Position,
    /// All chosen positions of a layer, changed at once.
    Layer,
}

/// The name is neither `position` nor `layer`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is neither position nor layer")]
pub struct ParsePerError(String);

impl FromStr for Per {
    type Err = ParsePerError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "position" => Ok(Self::Position),
            "layer" => Ok(Self::Layer),
            other => Err(ParsePerError(other.to_owned())),
        }
    }
}

/// The places that are changed, one after the other.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Places {
    /// What is changed of a block.
    pub sites: PatchSites,
    /// In which blocks. Where that is all of them, those that lack a site are left out of it, with a note.
    pub layers: Selection,
    /// At which positions; `None` is every position up to the one that is read.
    pub pairs: Option<Vec<Pair>>,
    /// Whether a cell is one position or all of them; `None` is all of them for heads, and one for everything else.
    pub per: Option<Per>,
}

impl Places {
    /// These sites in every block, at every position up to the one that is read.
    pub fn new(sites: PatchSites) -> Self {
        Self { sites, layers: Selection::all(), pairs: None, per: None }
    }

    /// The pairs, or every position of a run up to the one that is read.
    pub(super) fn pairs_or_all(&self, run: Prompt<'_>) -> Vec<Pair> {
        self.pairs.clone().unwrap_or_else(|| (0..=run.read).map(Pair::same).collect())
    }

    crate::setters! {
        /// In which blocks.
        with_layers => layers: Selection,
        /// At which positions; `None` is every position up to the one that is read.
        with_pairs => pairs: Option<Vec<Pair>>,
        /// Whether a cell is one position or all of them.
        with_per => per: Option<Per>,
    }
}

/// Which tokens and which number the answer is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Ask {
    /// The right answer; `None` is the most probable token of the clean, or unchanged, run.
    pub target: Option<TokenId>,
    /// The answer that it is compared with; `None` is the most probable token of the corrupted run, where there is one
    /// and it is another.
    pub versus: Option<TokenId>,
    /// The number; `None` is the logit difference where there are two tokens, and the logit where there is one.
    pub metric: Option<Metric>,
}

impl Ask {
    crate::setters! {
        /// The right answer.
        with_target => target: Option<TokenId>,
        /// The answer that it is compared with.
        with_versus => versus: Option<TokenId>,
        /// The number that the answer is judged by.
        with_metric => metric: Option<Metric>,
    }
}

/// What [`patch`](super::patch()) does.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PatchRequest<'a> {
    /// The prompt with the right answer.
    pub clean: Prompt<'a>,
    /// The prompt with another one.
    pub corrupted: Prompt<'a>,
    /// Which prompt's activations are put into which run.
    pub direction: Direction,
    /// Where. In a pair, `to` is a position of the run that is changed.
    pub places: Places,
    /// What is read.
    pub ask: Ask,
}

impl<'a> PatchRequest<'a> {
    /// Denoising at the usual sites, judged by the logit difference of the two prompts' own answers.
    pub fn new(clean: Prompt<'a>, corrupted: Prompt<'a>) -> Self {
        let places = Places::new(PatchSites::usual());
        Self { clean, corrupted, direction: Direction::default(), places, ask: Ask::default() }
    }

    /// The run that activations are taken from, and the one that is changed.
    pub(super) fn runs(&self) -> (Prompt<'a>, Prompt<'a>) {
        match self.direction {
            Direction::Denoise => (self.clean, self.corrupted),
            Direction::Noise => (self.corrupted, self.clean),
        }
    }

    crate::setters! {
        /// Which prompt's activations are put into which run.
        with_direction => direction: Direction,
        /// Where. In a pair, `to` is a position of the run that is changed.
        with_places => places: Places,
        /// What is read.
        with_ask => ask: Ask,
    }
}

/// What took the place of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ablated {
    /// Zeros.
    Zero,
    /// A mean.
    Mean,
    /// The activation of another prompt.
    Resample,
}

impl Ablated {
    /// Its name: `zero`, `mean` or `resample`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::Mean => "mean",
            Self::Resample => "resample",
        }
    }
}

/// What takes the place of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement<'a> {
    /// Zeros.
    Zero,
    /// The mean over the prompt's own positions, up to the one that is read.
    Mean,
    /// The mean over all positions of these prompts.
    MeanOf(&'a [Vec<TokenId>]),
    /// What is there in the run of another prompt.
    Resample(&'a [TokenId]),
}

impl Replacement<'_> {
    /// Its kind.
    pub fn kind(self) -> Ablated {
        match self {
            Self::Zero => Ablated::Zero,
            Self::Mean | Self::MeanOf(_) => Ablated::Mean,
            Self::Resample(_) => Ablated::Resample,
        }
    }
}

/// What [`ablate`](super::ablate()) does.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AblationRequest<'a> {
    /// The prompt.
    pub prompt: Prompt<'a>,
    /// What takes the place of an activation.
    pub with: Replacement<'a>,
    /// Where.
    pub places: Places,
    /// What is read.
    pub ask: Ask,
}

impl<'a> AblationRequest<'a> {
    /// What attention and MLP add, at all positions of a layer at once.
    pub fn new(prompt: Prompt<'a>, with: Replacement<'a>) -> Self {
        let places = Places::new(PatchSites::branches()).with_per(Some(Per::Layer));
        Self { prompt, with, places, ask: Ask::default() }
    }

    crate::setters! {
        /// Where.
        with_places => places: Places,
        /// What is read.
        with_ask => ask: Ask,
    }
}

/// What [`patchscope`](super::patchscope()) does.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PatchscopeRequest<'a> {
    /// The prompt whose states are looked into; its read position does not matter.
    pub source: Prompt<'a>,
    /// The positions that states are taken from, ascending.
    pub source_positions: Vec<usize>,
    /// The layers that they are taken from.
    pub source_layers: Selection,
    /// The prompt that makes the model say what a state holds.
    pub target: Prompt<'a>,
    /// The position of it where the state is put.
    pub target_position: usize,
    /// The layers where it is put.
    pub target_layers: Selection,
    /// Which state of a layer: `resid_post` or `resid_pre`.
    pub site: Site,
    /// What is read.
    pub ask: Ask,
}

impl<'a> PatchscopeRequest<'a> {
    /// The state of every layer at the last position of `source`, into every layer at the last position of `target`.
    pub fn new(source: Prompt<'a>, target: Prompt<'a>) -> Self {
        Self {
            source,
            source_positions: vec![source.read],
            source_layers: Selection::all(),
            target,
            target_position: target.read,
            target_layers: Selection::all(),
            site: Site::ResidPost,
            ask: Ask::default(),
        }
    }

    crate::setters! {
        /// The positions that states are taken from, ascending.
        with_source_positions => source_positions: Vec<usize>,
        /// The layers that they are taken from.
        with_source_layers => source_layers: Selection,
        /// The position of the target prompt where a state is put.
        with_target_position => target_position: usize,
        /// The layers where it is put.
        with_target_layers => target_layers: Selection,
        /// Which state of a layer: `resid_post` or `resid_pre`.
        with_site => site: Site,
        /// What is read.
        with_ask => ask: Ask,
    }
}
