//! What came of a sweep.

use serde::{Deserialize, Serialize};

use super::{
    cell::{Cell, Pair},
    metric::{Metric, Outcome},
    request::{Ablated, Direction, Prompt},
    tokens::Tokens,
};
use crate::token::TokenId;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Experiment {
    /// Activations of one prompt were put into the run of another.
    Patching {
        /// Which into which.
        direction: Direction,
    },
    /// Activations of a prompt were replaced.
    Ablation {
        /// By what.
        with: Ablated,
    },
    /// States of one prompt were put into a prompt that says what they hold.
    Patchscope,
}

/// A run without a change.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Run {
    /// The position that was read.
    pub read: usize,
    /// What it answers.
    pub outcome: Outcome,
}

/// What a run with one change answers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PatchedCell {
    /// What was changed.
    pub cell: Cell,
    /// The answer.
    pub outcome: Outcome,
}

/// Whether the answers are the model's own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PatchCheck {
    /// The largest difference between a logit of an unchanged run and that of the plain matrix product.
    pub max_abs_logit_error: f32,
    /// The largest difference between a logit of the run that was changed and that of a run, begun in the middle, that
    /// changes nothing: what is smaller than this in a cell is rounding.
    pub unchanged_error: f32,
    /// Whether rounding explains both. Results that failed must not be believed.
    pub passed: bool,
}

impl PatchCheck {
    pub(super) fn see(&mut self, error: f32, allowed: f32) {
        self.passed &= error <= allowed;
        self.max_abs_logit_error = worse(self.max_abs_logit_error, error);
    }

    /// Looks at the logits of the run itself and of one that changes nothing, whose sums are made in another order.
    pub(super) fn see_unchanged(&mut self, run: &Outcome, again: &Outcome, unit_roundoff: f32) {
        let scores = |outcome: &Outcome| [outcome.target, outcome.versus, Some(outcome.top)];
        for (one, other) in scores(run).into_iter().zip(scores(again)) {
            let Some((one, other)) = one.zip(other).filter(|(one, other)| one.id == other.id) else {
                continue;
            };
            let error = (one.logit - other.logit).abs();
            // Rounding grows from block to block; a fault of what is begun in the middle is of the logits' own size.
            self.passed &= error <= (1.0 + one.logit.abs()) * (ROUNDINGS * unit_roundoff).min(0.5);
            self.unchanged_error = worse(self.unchanged_error, error);
        }
    }
}

/// Roundings of a logit's own size that two orders of summation may be apart.
const ROUNDINGS: f32 = 1e4;

/// Not `f32::max`, which takes any number over a NaN.
fn worse(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

/// What came of a sweep.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Patched {
    /// What was done.
    pub experiment: Experiment,
    /// The run that was changed, as it is by itself.
    pub changed: Run,
    /// The run that activations were taken from, where it is one that is read.
    pub source: Option<Run>,
    /// The right answer.
    pub target: Option<TokenId>,
    /// The answer that it is compared with.
    pub versus: Option<TokenId>,
    /// The number that answers are judged by.
    pub metric: Metric,
    /// The positions that cells without one stand for.
    pub pairs: Vec<Pair>,
    /// The answer of every changed run.
    pub cells: Vec<PatchedCell>,
    /// Whether the answers are the model's own.
    pub check: PatchCheck,
    /// Passes that the cells took together, the two of the check included.
    pub passes: usize,
    /// What a reader has to know, as sentences.
    pub notes: Vec<String>,
}

impl Patched {
    pub(super) fn new(experiment: Experiment, prompt: Prompt<'_>, outcome: Outcome, tokens: &Tokens) -> Self {
        Self {
            experiment,
            changed: Run { read: prompt.read, outcome },
            source: None,
            target: tokens.target,
            versus: tokens.versus,
            metric: tokens.metric,
            pairs: Vec::new(),
            cells: Vec::new(),
            check: PatchCheck { max_abs_logit_error: 0.0, unchanged_error: 0.0, passed: false },
            passes: 0,
            notes: tokens.notes.clone(),
        }
    }

    /// The clean and the corrupted run, where there are two.
    pub fn clean_and_corrupted(&self) -> Option<(&Run, &Run)> {
        let source = self.source.as_ref()?;
        match self.experiment {
            Experiment::Patching { direction: Direction::Denoise } => Some((source, &self.changed)),
            Experiment::Patching { direction: Direction::Noise } => Some((&self.changed, source)),
            _ => None,
        }
    }

    /// What stands in a cell for an answer: in patching the share `(m - corrupted) / (clean - corrupted)` of a metric m,
    /// 0 where the answer is the corrupted prompt's and 1 where it is the clean one's; in an ablation `m - unchanged`; in
    /// a patchscope m. `None` where both prompts have the same metric, and where there is no such token.
    pub fn share(&self, outcome: &Outcome) -> Option<f64> {
        let value = outcome.value(self.metric)?;
        if let Some((clean, corrupted)) = self.clean_and_corrupted() {
            let (one, zero) = (clean.outcome.value(self.metric)?, corrupted.outcome.value(self.metric)?);
            return Some((value - zero) / (one - zero)).filter(|share| share.is_finite());
        }
        match self.experiment {
            Experiment::Ablation { .. } => Some(value - self.changed.outcome.value(self.metric)?),
            _ => Some(value),
        }
    }

    /// Says what about the two runs makes shares doubtful.
    pub(super) fn note_shares(&mut self) {
        let Some((clean, corrupted)) = self.clean_and_corrupted() else { return };
        let values = [clean, corrupted].map(|run| run.outcome.value(self.metric));
        let [Some(clean), Some(corrupted)] = values else { return };
        let apart = (clean - corrupted).abs();
        let rounding = f64::from(self.check.unchanged_error);
        if apart == 0.0 {
            self.notes.push(format!(
                "both prompts have the same {}, {clean:.4}: there are no shares, only values",
                self.metric
            ));
        } else if apart < 20.0 * rounding {
            self.notes.push(format!(
                "the prompts differ in {} by {apart:.4}, and rounding alone makes {rounding:.4}: shares are inexact",
                self.metric
            ));
        }
        if self.metric == Metric::LogitDiff && clean < corrupted {
            self.notes.push(
                "the clean prompt favours the target less than the corrupted one does: are the prompts or the tokens \
                 exchanged?"
                    .to_owned(),
            );
        }
    }
}
