//! What to keep of a readout, and the readout itself.

use std::num::NonZeroUsize;

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use crate::{
    norm::NormMode,
    projection::{Projected, Tracked},
    statistic::{Evidence, Statistic, StatisticSet, Statistics, VectorFacts},
    token::TokenId,
};

/// What to keep of every readout.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Question {
    /// How many of the most probable tokens to keep; more than the vocabulary means the whole vocabulary.
    pub top_k: NonZeroUsize,
    /// Tokens whose logit, probability and rank are wanted everywhere.
    pub targets: Vec<TokenId>,
    /// The token that the first target is compared with ([`Statistic::LogitDiff`]).
    pub versus: Option<TokenId>,
    /// Which statistics to compute.
    pub statistics: StatisticSet,
    /// Which norm comes before the unembedding.
    pub norm: NormMode,
    /// How many tokens, at most, every readout of a position scores besides its own top and the targets, so that they
    /// can be followed from point to point: see [`tracked_tokens`](crate::tracked_tokens). 0 is none.
    pub tracked: usize,
}

/// Tokens of a position that its readouts track unless a question says otherwise.
const TRACKED: usize = 32;

impl Question {
    /// How many of the largest logits a projection has to find to answer this question.
    pub fn candidates(&self) -> usize {
        self.top_k.get().max(if self.statistics.needs().two_best { 2 } else { 1 })
    }

    crate::setters! {
        /// How many of the most probable tokens to keep; more than the vocabulary means the whole vocabulary.
        with_top_k => top_k: NonZeroUsize,
        /// Tokens whose logit, probability and rank are wanted everywhere.
        with_targets => targets: Vec<TokenId>,
        /// The token that the first target is compared with ([`Statistic::LogitDiff`]).
        with_versus => versus: Option<TokenId>,
        /// Which statistics to compute.
        with_statistics => statistics: StatisticSet,
        /// Which norm comes before the unembedding.
        with_norm => norm: NormMode,
        /// How many tokens, at most, every readout of a position scores besides its own top and the targets; 0 is none.
        with_tracked => tracked: usize,
    }
}

impl Default for Question {
    fn default() -> Self {
        Self {
            top_k: const { NonZeroUsize::new(10).expect("ten is not zero") },
            targets: Vec::new(),
            versus: None,
            statistics: StatisticSet::default(),
            norm: NormMode::default(),
            tracked: TRACKED,
        }
    }
}

/// One token of a readout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenScore {
    /// The token.
    pub id: TokenId,
    /// Its logit, after the model's scale and soft cap.
    pub logit: f32,
    /// Its probability, from 0 to 1, over all rows of the unembedding.
    pub prob: f32,
}

/// A token that was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TargetScore {
    /// The token, with its logit and probability.
    pub score: TokenScore,
    /// 1 + the number of tokens with a strictly larger logit.
    pub rank: u32,
}

/// What one vector decodes to: the readout of one (point, position).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Readout {
    /// The most probable tokens: larger logit first, ties by the smaller id.
    pub top: Vec<TokenScore>,
    /// `ln sum_v exp(logit_v)` over all rows of the unembedding, nats.
    pub log_sum_exp: f64,
    /// The statistics asked for that have a value here.
    pub statistics: Statistics,
    /// The targets, in the order of [`Question::targets`].
    pub targets: Vec<TargetScore>,
    /// Tokens that are the top-1 of other readouts of the position and are neither in `top` nor in `targets`.
    pub tracked: Vec<TokenScore>,
}

/// The tokens of the sequence and of the final readout that a readout tracks besides its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tracking {
    /// The final readout's top-1 token, in a readout that is not the final one.
    pub final_top1: Option<TokenId>,
    /// The token that comes next in the sequence.
    pub next: Option<TokenId>,
}

impl Tracking {
    /// The tokens whose logit and rank a projection has to track for `ask`, in the order that [`Readout::of`] expects.
    pub fn tokens(self, ask: &Question) -> Vec<TokenId> {
        let targets = ask.targets.iter().copied();
        self.final_top1_for(ask).into_iter().chain(targets).chain(ask.versus).chain(self.next).collect()
    }

    fn final_top1_for(self, ask: &Question) -> Option<TokenId> {
        self.final_top1.filter(|_| ask.statistics.needs().final_top1)
    }
}

impl Readout {
    /// The readout of one projected vector whose tracked tokens are those of `tracking`; `vector` holds the products of
    /// the vector before the norm, if a statistic needs them.
    pub fn of(
        projected: &Projected,
        vector: Option<VectorFacts>,
        ask: &Question,
        tracking: Tracking,
    ) -> Self {
        let log_sum_exp = projected.log_sum_exp;
        let prob = |logit: f32| (f64::from(logit) - log_sum_exp).exp() as f32;
        let score = |id, logit| TokenScore { id, logit, prob: prob(logit) };
        let mut tracked = projected.tracked.iter().copied();
        let mut take = |token: Option<TokenId>| token.and_then(|_| tracked.next());
        let final_top1 = take(tracking.final_top1_for(ask));
        let targets: Vec<Tracked> = ask.targets.iter().filter_map(|id| take(Some(*id))).collect();
        let versus = take(ask.versus);
        let evidence =
            Evidence { projected, final_top1, next: take(tracking.next), targets: &targets, versus, vector };
        let value = |statistic: Statistic| Some((statistic, statistic.of(&evidence)?));
        let statistics = ask.statistics.iter().filter_map(value).collect();
        Self {
            top: projected.top.iter().take(ask.top_k.get()).map(|(id, logit)| score(*id, *logit)).collect(),
            log_sum_exp,
            statistics,
            targets: ask
                .targets
                .iter()
                .zip(&targets)
                .map(|(id, token)| TargetScore { score: score(*id, token.logit), rank: token.rank })
                .collect(),
            tracked: Vec::new(),
        }
    }

    /// The readouts of rows that were projected together, `width` to a row and the final one last: `projected(i)` is what
    /// is known of readout `i` of `[rows, width]`, `vectors` are the facts of their vectors, if a statistic needs them, and
    /// `tracking` says for each row which tokens were tracked, in its final readout too.
    pub fn of_rows(
        width: usize,
        tracking: &[Tracking],
        projected: impl Fn(usize) -> Projected + Sync,
        vectors: Option<&[VectorFacts]>,
        ask: &Question,
    ) -> Vec<Vec<Self>> {
        let of = |row: usize, column: usize| {
            let (i, is_final) = (row * width + column, column + 1 == width);
            let (mut projected, mut tracking) = (projected(i), tracking[row]);
            if is_final {
                // Its own best token has no rank of its own there.
                if tracking.final_top1_for(ask).is_some() {
                    projected.tracked.remove(0);
                }
                tracking.final_top1 = None;
            }
            Self::of(&projected, vectors.map(|vectors| vectors[i]), ask, tracking)
        };
        let rows = (0..tracking.len()).into_par_iter();
        rows.map(|row| (0..width).map(|column| of(row, column)).collect()).collect()
    }

    /// The name of the first number that is NaN or infinite, if there is one.
    pub fn not_finite(&self) -> Option<&'static str> {
        let targets = || self.targets.iter().map(|target| &target.score);
        let scores = || self.top.iter().chain(targets()).chain(&self.tracked);
        let of_tokens = [
            ("logit", scores().all(|score| score.logit.is_finite())),
            ("prob", scores().all(|score| score.prob.is_finite())),
            ("log_sum_exp", self.log_sum_exp.is_finite()),
        ];
        let statistics =
            self.statistics.iter().map(|(statistic, value)| (statistic.name(), value.is_finite()));
        of_tokens.into_iter().chain(statistics).find_map(|(name, is_finite)| (!is_finite).then_some(name))
    }

    /// The most probable token.
    pub fn top1(&self) -> Option<TokenId> {
        self.top.first().map(|score| score.id)
    }

    /// The value of a statistic, in its unit.
    pub fn get(&self, statistic: Statistic) -> Option<f64> {
        self.statistics.get(statistic)
    }
}
