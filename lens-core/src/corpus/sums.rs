//! What is summed up at one point by one lens.

use std::collections::BTreeMap;

use super::{moments::Moments, sketch::Sketch};
use crate::{
    readout::Readout,
    statistic::{Statistic, StatisticSet},
    token::TokenId,
};

/// The statistics whose distributions are kept.
pub(super) const MEASURED: [Statistic; 6] = [
    Statistic::Entropy,
    Statistic::KlToFinal,
    Statistic::JsToFinal,
    Statistic::CrossEntropy,
    Statistic::RankOfFinal,
    Statistic::RankOfNext,
];

/// Bins of confidence, of equal width.
pub(super) const BINS: usize = 20;

/// The sums over a document that every column has, for the bootstrap: one for each statistic (of ranks, their
/// logarithms), then the counts.
pub(super) const OWN: usize = MEASURED.len() + Count::ALL.len();

/// What is counted of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// The most probable token is the final one.
    Top1Agreement,
    /// Tokens that are in the top k here and in the final readout.
    TopKOverlap,
    /// The most probable token is the one that comes next.
    NextTop1,
    /// The token that comes next is in the top k.
    NextTopK,
    /// The most probable token is the one that stands at the position.
    Echo,
}

impl Count {
    pub(super) const ALL: [Self; 5] =
        [Self::Top1Agreement, Self::TopKOverlap, Self::NextTop1, Self::NextTopK, Self::Echo];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Top1Agreement => "top1_agreement",
            Self::TopKOverlap => "top_k_overlap",
            Self::NextTop1 => "next_top1",
            Self::NextTopK => "next_top_k",
            Self::Echo => "echo",
        }
    }
}

/// The values of one statistic.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Values {
    pub(super) moments: Moments,
    pub(super) sketch: Sketch,
    /// Of ranks, the sum of their logarithms.
    pub(super) logarithms: f64,
}

/// Readouts whose confidence lies in one bin, at positions that a token comes after.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Bin {
    pub(super) n: u64,
    /// How many were right about the token that comes next.
    pub(super) right: u64,
    /// The sum of their confidences.
    pub(super) confidence: f64,
}

/// What is known of a position besides its readouts.
pub(super) struct Position<'a> {
    /// The token that stands there.
    pub(super) token: TokenId,
    /// The one that comes next.
    pub(super) next: Option<TokenId>,
    /// The final readout.
    pub(super) last: &'a Readout,
}

/// What is summed up at one point by one lens, over positions.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) values: [Values; MEASURED.len()],
    pub(super) counts: [u64; Count::ALL.len()],
    pub(super) calibration: [Bin; BINS],
    /// Positions by the script of the most probable token.
    pub(super) scripts: BTreeMap<String, u64>,
    /// Positions by the language of the most probable tokens of their window.
    pub(super) languages: BTreeMap<String, u64>,
}

impl Sums {
    /// Adds a readout, and what it adds to the sums of its document, `[OWN]`.
    pub(super) fn add(&mut self, readout: &Readout, at: &Position<'_>, script: &str, document: &mut [f64]) {
        let (values, counts) = document.split_at_mut(MEASURED.len());
        for ((statistic, own), sum) in MEASURED.into_iter().zip(&mut self.values).zip(values) {
            if let Some(value) = readout.get(statistic) {
                own.moments.add(value);
                own.sketch.add(value);
                let is_rank = statistic.unit().is_whole();
                own.logarithms += if is_rank { value.ln() } else { 0.0 };
                *sum += if is_rank { value.ln() } else { value };
            }
        }
        for ((count, total), sum) in Count::ALL.into_iter().zip(&mut self.counts).zip(counts) {
            let n = counted(count, readout, at);
            *total += n;
            *sum += n as f64;
        }
        if let (Some(top), Some(next)) = (readout.top.first(), at.next) {
            let prob = f64::from(top.prob);
            let bin = &mut self.calibration[((prob * BINS as f64) as usize).min(BINS - 1)];
            bin.n += 1;
            bin.right += u64::from(top.id == next);
            bin.confidence += prob;
        }
        count(&mut self.scripts, script, 1);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (own, other) in self.values.iter_mut().zip(&other.values) {
            own.moments.merge(&other.moments);
            own.sketch.merge(&other.sketch);
            own.logarithms += other.logarithms;
        }
        self.counts.iter_mut().zip(other.counts).for_each(|(own, other)| *own += other);
        for (own, other) in self.calibration.iter_mut().zip(&other.calibration) {
            own.n += other.n;
            own.right += other.right;
            own.confidence += other.confidence;
        }
        other.scripts.iter().for_each(|(name, n)| count(&mut self.scripts, name, *n));
        other.languages.iter().for_each(|(name, n)| count(&mut self.languages, name, *n));
    }
}

/// Adds to a count by name.
pub(super) fn count(counts: &mut BTreeMap<String, u64>, name: &str, n: u64) {
    match counts.get_mut(name) {
        Some(count) => *count += n,
        None => drop(counts.insert(name.to_owned(), n)),
    }
}

fn counted(count: Count, readout: &Readout, at: &Position<'_>) -> u64 {
    let top1 = readout.top1();
    let has = |readout: &Readout, id: TokenId| readout.top.iter().any(|score| score.id == id);
    match count {
        Count::Top1Agreement => u64::from(top1.is_some() && top1 == at.last.top1()),
        Count::TopKOverlap => readout.top.iter().filter(|score| has(at.last, score.id)).count() as u64,
        Count::NextTop1 => u64::from(at.next.is_some() && top1 == at.next),
        Count::NextTopK => u64::from(at.next.is_some_and(|next| has(readout, next))),
        Count::Echo => u64::from(top1 == Some(at.token)),
    }
}

/// The statistics that have to be asked for.
pub(super) fn statistics() -> StatisticSet {
    MEASURED.into_iter().collect()
}
