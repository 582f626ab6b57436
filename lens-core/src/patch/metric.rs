//! What is read of a run, and the number that it is judged by.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    readout::{Readout, TokenScore},
    statistic::Statistic,
};

/// The number that an answer is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The logit of the target less that of the other token.
    LogitDiff,
    /// The logit of the target.
    Logit,
    /// The probability of the target.
    Prob,
    /// `KL(reference ‖ run)` of the answers, nats: the reference is the clean, or unchanged, run.
    Kl,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 4] = [Self::LogitDiff, Self::Logit, Self::Prob, Self::Kl];

    /// Its name: `logit_diff`, `logit`, `prob` or `kl`.
    pub fn name(self) -> &'static str {
        match self {
            Self::LogitDiff => "logit_diff",
            Self::Logit => "logit",
            Self::Prob => "prob",
            Self::Kl => "kl",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{name}\" is no metric (known: logit_diff, logit, prob, kl)")]
pub struct ParseMetricError {
    name: String,
}

impl FromStr for Metric {
    type Err = ParseMetricError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|metric| metric.name() == name);
        known.ok_or_else(|| ParseMetricError { name: name.to_owned() })
    }
}

/// What a run answers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// The most probable token.
    pub top: TokenScore,
    /// The right answer, where there is one.
    pub target: Option<TokenScore>,
    /// The answer that it is compared with, where there is one.
    pub versus: Option<TokenScore>,
    /// `KL(reference ‖ run)`, nats.
    pub kl: f64,
}

impl Outcome {
    /// What a readout says whose targets are the answer and what it is compared with.
    pub(super) fn of(readout: &Readout) -> Option<Self> {
        let mut targets = readout.targets.iter().map(|target| target.score);
        Some(Self {
            top: *readout.top.first()?,
            target: targets.next(),
            versus: targets.next(),
            kl: readout.get(Statistic::KlToFinal).unwrap_or(0.0),
        })
    }

    /// The number that it is judged by; `None` where that needs a token that was not asked for.
    pub fn value(&self, metric: Metric) -> Option<f64> {
        let logit = |score: TokenScore| f64::from(score.logit);
        match metric {
            Metric::LogitDiff => Some(logit(self.target?) - logit(self.versus?)),
            Metric::Logit => self.target.map(logit),
            Metric::Prob => Some(f64::from(self.target.unwrap_or(self.top).prob)),
            Metric::Kl => Some(self.kl),
        }
    }
}
