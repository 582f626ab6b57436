//! From what the kernels wrote to what a readout is made of.

use lens_core::{
    TokenId,
    projection::{self, Projected},
};

use super::{Wanted, layout::Layout};
use crate::kernel::{Apart, Key, Sums, Tracked, records};

/// The answers of a chunk, `[rows, width]`; the last of a row is its final readout's.
#[derive(Debug, Clone)]
pub struct Answers {
    width: usize,
    k: usize,
    n_tracked: usize,
    sums: Vec<Sums>,
    /// `[rows, width, k]`, in no order.
    top: Vec<Key>,
    /// `[rows, width, n_tracked]`.
    tracked: Vec<Tracked>,
    apart: Vec<Apart>,
    /// For each row.
    wanted: Vec<Vec<Wanted>>,
}

impl Answers {
    pub(super) fn new(layout: &Layout, written: &[u8], width: usize, wanted: &[Vec<Wanted>]) -> Self {
        Self {
            width,
            k: layout.k,
            n_tracked: layout.n_tracked,
            sums: records(&written[layout.sums()]),
            top: records(&written[layout.top()]),
            tracked: records(&written[layout.tracked()]),
            apart: records(&written[layout.apart()]),
            wanted: wanted.to_vec(),
        }
    }

    /// Whether all logits of all readouts are finite: every one that is not makes a sum NaN or infinite.
    pub fn are_finite(&self) -> bool {
        self.sums.iter().all(|sums| log_sum_exp(sums).is_finite() && entropy(sums).is_finite())
    }

    /// The best token of a row's final readout.
    pub fn final_top1(&self, row: usize) -> Option<TokenId> {
        self.best(row * self.width + self.width - 1).map(|(token, _)| token)
    }

    /// What is known of readout `i`. The tokens wanted are all there, in the final readout as well.
    pub fn projected(&self, i: usize) -> Projected {
        let (row, sums) = (i / self.width, &self.sums[i]);
        let last = row * self.width + self.width - 1;
        let is_other = i != last;
        let mean = sums.first / sums.weights;
        let apart = self.apart.get(i).filter(|_| is_other);
        // Σ p_f (f - z), and what the two log-sum-exps differ by.
        let to_final = |last: &Sums| {
            sums.towards / last.weights + (sums.max - last.max) + (sums.weights.ln() - last.weights.ln())
        };
        Projected {
            top: self.top(i),
            log_sum_exp: log_sum_exp(sums),
            entropy: Some(entropy(sums)),
            variance: Some((sums.second / sums.weights - mean * mean).max(0.0)),
            kl_to_final: is_other.then(|| to_final(&self.sums[last])),
            js_to_final: apart.map(|apart| 0.5 * apart.middle),
            tv_to_final: apart.map(|apart| 0.5 * apart.variation),
            tracked: self.wanted[row]
                .iter()
                .enumerate()
                .map(|(n, wanted)| self.tracked(i, n, *wanted))
                .collect(),
        }
    }

    fn keys(&self, i: usize) -> &[Key] {
        &self.top[i * self.k..][..self.k]
    }

    /// The largest logits of a readout, larger first.
    fn top(&self, i: usize) -> Vec<(TokenId, f32)> {
        let mut keys = self.keys(i).to_vec();
        keys.sort_unstable_by(|a, b| b.cmp(a));
        keys.into_iter().map(score).collect()
    }

    fn best(&self, i: usize) -> Option<(TokenId, f32)> {
        self.keys(i).iter().max().copied().map(score)
    }

    fn tracked(&self, i: usize, n: usize, wanted: Wanted) -> projection::Tracked {
        // Nothing is larger than a readout's own best; the kernels do not know it yet when they count.
        if wanted == Wanted::FinalTop && i % self.width == self.width - 1 {
            let logit = self.best(i).map_or(0.0, |(_, logit)| logit);
            return projection::Tracked { logit, rank: 1 };
        }
        let Tracked { logit, larger } = self.tracked[i * self.n_tracked + n];
        projection::Tracked { logit, rank: 1 + larger }
    }
}

/// A token and its logit. Negative zero equals zero.
fn score(key: Key) -> (TokenId, f32) {
    (TokenId(key.id()), key.logit() + 0.0)
}

fn log_sum_exp(sums: &Sums) -> f64 {
    sums.max + sums.weights.ln()
}

fn entropy(sums: &Sums) -> f64 {
    sums.weights.ln() - sums.first / sums.weights
}
