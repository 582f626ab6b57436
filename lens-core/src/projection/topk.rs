//! The k largest logits of one readout, from a stream of candidates.

use std::cmp::Ordering;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::token::TokenId;

/// A row and its logit.
pub(super) type Candidate = (f32, u32);

/// Larger logit first, ties by the smaller id.
fn order(a: &Candidate, b: &Candidate) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

/// Candidates of one readout from rows in ascending order. Holds the k best, and others until there are so
/// many that dropping them is worth a selection; a candidate costs constant time whatever k is.
#[derive(Debug, Clone, Default)]
pub(super) struct TopK(Vec<Candidate>);

impl TopK {
    /// Adds a candidate above the threshold; returns the new threshold when it has changed. Logits have to
    /// be strictly larger than it, because an equal one comes from a later row.
    pub(super) fn push(&mut self, k: usize, candidate: Candidate) -> Option<f32> {
        // Negative zero equals zero: one order for both comparisons.
        self.0.push((candidate.0 + 0.0, candidate.1));
        (self.0.len() >= 2 * k + 16).then(|| self.compact(k)).flatten()
    }

    /// Drops all but the k best, and returns the k-th, if there are as many.
    pub(super) fn compact(&mut self, k: usize) -> Option<f32> {
        if k == 0 || self.0.len() < k {
            return None;
        }
        let (_, kth, _) = self.0.select_nth_unstable_by(k - 1, order);
        let kth = kth.0;
        self.0.truncate(k);
        Some(kth)
    }

    /// Takes over the candidates of a later stretch of rows.
    pub(super) fn append(&mut self, k: usize, later: &Self) {
        self.0.extend_from_slice(&later.0);
        if self.0.len() >= 2 * k + 16 {
            self.compact(k);
        }
    }

    /// The k best in order.
    pub(super) fn into_sorted(mut self, k: usize) -> Vec<(TokenId, f32)> {
        self.compact(k);
        self.0.sort_unstable_by(order);
        self.0.into_iter().map(|(logit, row)| (TokenId(row), logit)).collect()
    }
}

/// A lower bound on a readout's k-th largest logit that stretches of rows share while they are swept side by
/// side. It only ever saves work: what is dropped by it is never among the k best.
#[derive(Debug)]
pub(super) struct SharedBound(AtomicU32);

impl SharedBound {
    /// No bound yet.
    pub(super) fn none() -> Self {
        Self(AtomicU32::new(to_ordered(f32::NEG_INFINITY)))
    }

    /// A value that every logit worth keeping is strictly larger than. The bound itself is worth keeping:
    /// it may come from a later row.
    pub(super) fn threshold(&self) -> f32 {
        from_ordered(self.0.load(Relaxed)).next_down()
    }

    /// Tells the others of a k-th largest logit.
    pub(super) fn raise(&self, kth: f32) {
        self.0.fetch_max(to_ordered(kth), Relaxed);
    }
}

/// Bits that compare as unsigned integers like the numbers.
fn to_ordered(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn from_ordered(ordered: u32) -> f32 {
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}
