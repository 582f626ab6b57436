//! What is asked of a readout and what it answers.

use std::num::NonZeroUsize;

use crate::{NormMode, TokenId, projection::Projected};

/// What to keep of every readout.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// How many of the most probable tokens; more than the vocabulary means the whole vocabulary.
    pub top_k: NonZeroUsize,
    /// Tokens whose logit, probability and rank are wanted everywhere.
    pub targets: Vec<TokenId>,
    /// Which statistics.
    pub stats: Stats,
    /// Which norm stands in front of the unembedding.
    pub norm: NormMode,
}

impl Default for Question {
    fn default() -> Self {
        Self {
            top_k: const { NonZeroUsize::new(10).expect("ten is not zero") },
            targets: Vec::new(),
            stats: Stats::default(),
            norm: NormMode::default(),
        }
    }
}

/// Statistics over the whole distribution of a readout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Entropy, nats.
    pub entropy: bool,
    /// `KL(final ‖ readout)`, nats.
    pub kl: bool,
    /// Rank of the final readout's top-1 token.
    pub rank_of_final: bool,
    /// Jensen-Shannon divergence and total variation to the final readout; costs a second pass.
    pub distances: bool,
}

impl Default for Stats {
    fn default() -> Self {
        Self { entropy: true, kl: true, rank_of_final: true, distances: false }
    }
}

/// One token of a readout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenScore {
    /// The token.
    pub id: TokenId,
    /// Its logit, after the model's scale and soft cap.
    pub logit: f32,
    /// Its probability over all rows of the unembedding.
    pub prob: f32,
}

/// A token that was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TargetScore {
    /// Logit and probability.
    pub score: TokenScore,
    /// 1 + the number of tokens with a strictly larger logit.
    pub rank: u32,
}

/// What one vector decodes to: the readout of one (point, position).
#[derive(Debug, Clone, PartialEq)]
pub struct Readout {
    /// The most probable tokens: larger logit first, ties by the smaller id.
    pub top: Vec<TokenScore>,
    /// `ln sum_v exp(logit_v)`.
    pub log_sum_exp: f64,
    /// Entropy, nats.
    pub entropy: Option<f32>,
    /// `KL(final ‖ this)`, nats.
    pub kl_to_final: Option<f32>,
    /// Jensen-Shannon divergence to the final readout, nats.
    pub js_to_final: Option<f32>,
    /// Half the L1 distance to the final readout's distribution.
    pub tv_to_final: Option<f32>,
    /// Rank, here, of the final readout's top-1 token.
    pub rank_of_final: Option<u32>,
    /// `-ln p` of the token that comes next in the sequence, where there is one.
    pub cross_entropy: Option<f32>,
    /// The tokens asked for, in that order.
    pub targets: Vec<TargetScore>,
}

impl Readout {
    /// The readout of one projected vector whose tracked tokens are: the final top-1 (if `rank_of_final`), the
    /// targets, and the next token (if `has_next`).
    pub fn of(projected: &Projected, targets: &[TokenId], has_next: bool, rank_of_final: bool) -> Self {
        let log_sum_exp = projected.log_sum_exp;
        let log_prob = |logit: f32| f64::from(logit) - log_sum_exp;
        let score = |id, logit| TokenScore { id, logit, prob: log_prob(logit).exp() as f32 };
        let mut tracked = projected.tracked.iter();
        let rank_of_final = if rank_of_final { tracked.next().map(|t| t.rank) } else { None };
        let targets = targets
            .iter()
            .zip(tracked.by_ref())
            .map(|(id, t)| TargetScore { score: score(*id, t.logit), rank: t.rank })
            .collect();
        let cross_entropy = if has_next { tracked.next().map(|t| -log_prob(t.logit) as f32) } else { None };
        Self {
            top: projected.top.iter().map(|(id, logit)| score(*id, *logit)).collect(),
            log_sum_exp,
            entropy: projected.entropy.map(|v| v as f32),
            kl_to_final: projected.kl_to_final.map(|v| v as f32),
            js_to_final: projected.js_to_final.map(|v| v as f32),
            tv_to_final: projected.tv_to_final.map(|v| v as f32),
            rank_of_final,
            cross_entropy,
            targets,
        }
    }

    /// The name of the first number that is NaN or infinite, if there is one.
    pub fn not_finite(&self) -> Option<&'static str> {
        let scores = || self.top.iter().chain(self.targets.iter().map(|target| &target.score));
        let is_finite = |value: Option<f32>| value.is_none_or(f32::is_finite);
        [
            ("logit", scores().all(|score| score.logit.is_finite())),
            ("prob", scores().all(|score| score.prob.is_finite())),
            ("log_sum_exp", self.log_sum_exp.is_finite()),
            ("entropy", is_finite(self.entropy)),
            ("kl_to_final", is_finite(self.kl_to_final)),
            ("js_to_final", is_finite(self.js_to_final)),
            ("tv_to_final", is_finite(self.tv_to_final)),
            ("cross_entropy", is_finite(self.cross_entropy)),
        ]
        .into_iter()
        .find_map(|(name, is_finite)| (!is_finite).then_some(name))
    }

    /// The most probable token.
    pub fn top1(&self) -> Option<TokenId> {
        self.top.first().map(|score| score.id)
    }
}
