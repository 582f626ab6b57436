//! What the statistics of a corpus say.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::{
    BYTES, CorpusStatistics, NEXT, POSITIONS, SHARED,
    sums::{BINS, Count, MEASURED, OWN, Sums, Values},
};
use crate::{evaluate::Estimate, point::Point, statistic::Statistic};

/// What was found in a corpus. Means are over positions; intervals are over documents.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CorpusReport {
    /// Documents read.
    pub documents: u64,
    /// Windows that they were read in.
    pub windows: u64,
    /// Positions read.
    pub positions: u64,
    /// Positions that a token comes after.
    pub next_tokens: u64,
    /// Bytes of the text that those tokens stand for; `None` where that is not known of all.
    pub bytes: Option<u64>,
    /// How many of the most probable tokens were compared.
    pub top_k: usize,
    /// The share of resamplings that intervals hold.
    pub confidence: f64,
    /// How often the documents were resampled.
    pub resamplings: usize,
    /// What the draws depend on.
    pub seed: u64,
    /// The model's own answer.
    #[serde(rename = "final")]
    pub last: ModelRow,
    /// Every point and lens, points in order of execution.
    pub rows: Vec<CorpusRow>,
    /// Positions by the layer from which on the plain lens's most probable token is the final one, ascending; the last
    /// one has no layer: at these positions it never is.
    pub decided_at: Vec<DecidedAt>,
}

/// The model's own answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelRow {
    /// Entropy, nats.
    pub entropy: Option<Distribution>,
    /// Surprise at the token that comes next, nats.
    pub cross_entropy: Option<Distribution>,
    /// The same in bits for each byte of the text.
    pub bits_per_byte: Option<Estimate>,
    /// Rank of the token that comes next.
    pub rank_of_next: Option<Ranks>,
    /// The share of positions whose most probable token is the one that comes next.
    pub next_top1: Option<Estimate>,
    /// The share of positions at which the token that comes next is in the top k.
    pub next_top_k: Option<Estimate>,
    /// The share of positions whose most probable token is the one that stands there.
    pub echo: Estimate,
    /// The mean distance of confidence and accuracy over bins of confidence, weighted by positions (Naeini et al. 2015).
    pub calibration_error: Option<f64>,
    /// The bins that hold something.
    pub calibration: Vec<CalibrationBin>,
    /// Positions by the script of the most probable token, most first.
    pub scripts: Vec<Share>,
    /// Positions by the language of the most probable tokens of their window, most first; empty where nobody asked.
    pub languages: Vec<Share>,
}

/// What one lens says at one point.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CorpusRow {
    /// The lens.
    pub lens: String,
    /// The point.
    #[serde(serialize_with = "by_name")]
    pub point: Point,
    /// The block; `None` for the embedding.
    pub layer: Option<u16>,
    /// The component.
    pub component: String,
    /// KL(final ‖ readout), nats.
    pub kl_to_final: Option<Distribution>,
    /// Jensen-Shannon divergence to the final readout, nats.
    pub js_to_final: Option<Distribution>,
    /// Rank of the final readout's most probable token.
    pub rank_of_final: Option<Ranks>,
    /// The share of positions whose most probable token is the final one.
    pub top1_agreement: Estimate,
    /// The mean share of the final top k that is in the top k here.
    pub top_k_overlap: Estimate,
    /// What the model's own answer has as well.
    #[serde(flatten)]
    pub own: ModelRow,
}

/// The distribution of a statistic over positions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Distribution {
    /// Its mean, with an interval over documents.
    #[serde(flatten)]
    pub mean: Estimate,
    /// How the values spread.
    #[serde(flatten)]
    pub spread: Spread,
}

/// The distribution of a rank over positions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Ranks {
    /// The geometric mean, with an interval over documents: ranks differ by factors.
    pub geometric_mean: Estimate,
    /// The mean.
    pub mean: f64,
    /// How the ranks spread.
    #[serde(flatten)]
    pub spread: Spread,
}

/// How values spread over positions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Spread {
    /// How many values there are.
    pub n: u64,
    /// Their standard deviation; `None` of fewer than two.
    pub sd: Option<f64>,
    /// The least.
    pub min: f64,
    /// The value that 5 % are not above, up to 1/64 of itself; ranks up to 64 are exact.
    pub p05: f64,
    /// The value that 25 % are not above.
    pub p25: f64,
    /// The median.
    pub p50: f64,
    /// The value that 75 % are not above.
    pub p75: f64,
    /// The value that 95 % are not above.
    pub p95: f64,
    /// The largest.
    pub max: f64,
}

/// Readouts of one bin of confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CalibrationBin {
    /// The lower end of the bin.
    pub from: f64,
    /// Its upper end.
    pub to: f64,
    /// How many there are.
    pub n: u64,
    /// The mean probability of their most probable token.
    pub confidence: f64,
    /// The share of them whose most probable token came next.
    pub accuracy: f64,
}

/// Positions of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Share {
    /// The script or language.
    pub name: String,
    /// How many positions.
    pub n: u64,
    /// The share of all.
    pub share: f64,
}

/// Positions that are decided at one layer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DecidedAt {
    /// The layer; `None` for positions that are never decided.
    pub layer: Option<u16>,
    /// How many positions.
    pub n: u64,
}

fn by_name<S: Serializer>(point: &Point, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(point)
}

impl CorpusStatistics {
    /// What the statistics say; intervals hold a share of `confidence` of the resamplings. Documents that were not ended
    /// count in all numbers but in the intervals.
    pub fn report(&self, confidence: f64) -> CorpusReport {
        let of = Reporter { statistics: self, confidence };
        let columns = self.columns.iter().flatten().zip(&self.inner).enumerate();
        let never = self.decided_at.get(&None).copied().unwrap_or(0);
        let layers = self.decided_at.iter().filter_map(|(layer, n)| Some((*layer.as_ref()?, *n)));
        CorpusReport {
            documents: self.documents(),
            windows: self.totals.windows,
            positions: self.totals.positions,
            next_tokens: self.totals.next_tokens,
            bytes: of.bytes(),
            top_k: self.options.top_k.get(),
            confidence,
            resamplings: self.options.resamplings,
            seed: self.options.seed,
            last: of.model_row(&self.last, 0),
            rows: columns
                .map(|(i, ((lens, point), sums))| CorpusRow {
                    lens: lens.to_string(),
                    point: *point,
                    layer: point.layer(),
                    component: point.component().to_string(),
                    kl_to_final: of.distribution(Statistic::KlToFinal, sums, i + 1),
                    js_to_final: of.distribution(Statistic::JsToFinal, sums, i + 1),
                    rank_of_final: of.ranks(Statistic::RankOfFinal, sums, i + 1),
                    top1_agreement: of.share(Count::Top1Agreement, sums, i + 1, 1),
                    top_k_overlap: of.share(Count::TopKOverlap, sums, i + 1, self.options.top_k.get()),
                    own: of.model_row(sums, i + 1),
                })
                .collect(),
            decided_at: layers
                .map(|(layer, n)| DecidedAt { layer: Some(layer), n })
                .chain([DecidedAt { layer: None, n: never }])
                .collect(),
        }
    }
}

/// Makes the parts of a report.
struct Reporter<'a> {
    statistics: &'a CorpusStatistics,
    confidence: f64,
}

impl Reporter<'_> {
    /// Bytes of all tokens that came next, where all are known.
    fn bytes(&self) -> Option<u64> {
        let totals = &self.statistics.totals;
        (totals.unmeasured == 0).then_some(totals.bytes)
    }

    fn model_row(&self, sums: &Sums, column: usize) -> ModelRow {
        let of_next = |count| {
            let n = self.statistics.totals.next_tokens;
            (n > 0).then(|| {
                self.rate(count_of(sums, count) as f64 / n as f64, own_sum(count), column, NEXT, 1.0)
            })
        };
        ModelRow {
            entropy: self.distribution(Statistic::Entropy, sums, column),
            cross_entropy: self.distribution(Statistic::CrossEntropy, sums, column),
            bits_per_byte: self.bits_per_byte(sums, column),
            rank_of_next: self.ranks(Statistic::RankOfNext, sums, column),
            next_top1: of_next(Count::NextTop1),
            next_top_k: of_next(Count::NextTopK),
            echo: self.share(Count::Echo, sums, column, 1),
            calibration_error: calibration_error(sums),
            calibration: calibration(sums),
            scripts: shares(&sums.scripts),
            languages: shares(&sums.languages),
        }
    }

    /// `value` with the interval of a column's sum over one that all columns share, divided by `factor`.
    fn rate(&self, value: f64, own: usize, column: usize, below: usize, factor: f64) -> Estimate {
        let resampled = &self.statistics.resampled;
        let above = resampled.of(SHARED + OWN * column + own);
        let ratios = above.zip(resampled.of(below)).filter(|(_, below)| *below > 0.0);
        Estimate::of(value, ratios.map(|(above, below)| above / below / factor).collect(), self.confidence)
    }

    /// A count as a share of `of_each` for each position.
    fn share(&self, count: Count, sums: &Sums, column: usize, of_each: usize) -> Estimate {
        let n = self.statistics.totals.positions.max(1) as f64;
        let value = count_of(sums, count) as f64 / n / of_each as f64;
        self.rate(value, own_sum(count), column, POSITIONS, of_each as f64)
    }

    fn distribution(&self, statistic: Statistic, sums: &Sums, column: usize) -> Option<Distribution> {
        let (own, values) = values_of(sums, statistic)?;
        let mean = self.rate(values.moments.mean, own, column, below(statistic), 1.0);
        Some(Distribution { mean, spread: spread(values, false)? })
    }

    fn ranks(&self, statistic: Statistic, sums: &Sums, column: usize) -> Option<Ranks> {
        let (own, values) = values_of(sums, statistic)?;
        let mean = values.logarithms / values.moments.n as f64;
        let Estimate { value, low, high } = self.rate(mean, own, column, below(statistic), 1.0);
        Some(Ranks {
            geometric_mean: Estimate { value: value.exp(), low: low.exp(), high: high.exp() },
            mean: values.moments.mean,
            spread: spread(values, true)?,
        })
    }

    fn bits_per_byte(&self, sums: &Sums, column: usize) -> Option<Estimate> {
        let bytes = self.bytes().filter(|bytes| *bytes > 0)? as f64;
        let (own, values) = values_of(sums, Statistic::CrossEntropy)?;
        let nats = values.moments.mean * values.moments.n as f64;
        let bits = std::f64::consts::LN_2;
        Some(self.rate(nats / bytes / bits, own, column, BYTES, bits))
    }
}

/// The values of a statistic and the number of its sum over documents, if there is one.
fn values_of(sums: &Sums, statistic: Statistic) -> Option<(usize, &Values)> {
    let index = MEASURED.into_iter().position(|measured| measured == statistic)?;
    let values = &sums.values[index];
    (values.moments.n > 0).then_some((index, values))
}

/// What the sum of a statistic is divided by: how many positions have it.
fn below(statistic: Statistic) -> usize {
    if matches!(statistic, Statistic::CrossEntropy | Statistic::RankOfNext) { NEXT } else { POSITIONS }
}

fn spread(values: &Values, whole: bool) -> Option<Spread> {
    let moments = &values.moments;
    // A bucket is wider than what it holds may spread.
    let quantile = |share| Some(values.sketch.quantile(share, whole)?.clamp(moments.min, moments.max));
    Some(Spread {
        n: moments.n,
        sd: moments.deviation(),
        min: moments.min,
        p05: quantile(0.05)?,
        p25: quantile(0.25)?,
        p50: quantile(0.5)?,
        p75: quantile(0.75)?,
        p95: quantile(0.95)?,
        max: moments.max,
    })
}

fn index_of(count: Count) -> usize {
    Count::ALL.iter().position(|other| *other == count).unwrap_or(0)
}

fn count_of(sums: &Sums, count: Count) -> u64 {
    sums.counts[index_of(count)]
}

/// The number of a count's sum over documents.
fn own_sum(count: Count) -> usize {
    MEASURED.len() + index_of(count)
}

fn calibration(sums: &Sums) -> Vec<CalibrationBin> {
    let bins = sums.calibration.iter().enumerate().filter(|(_, bin)| bin.n > 0);
    bins.map(|(i, bin)| CalibrationBin {
        from: i as f64 / BINS as f64,
        to: (i + 1) as f64 / BINS as f64,
        n: bin.n,
        confidence: bin.confidence / bin.n as f64,
        accuracy: bin.right as f64 / bin.n as f64,
    })
    .collect()
}

fn calibration_error(sums: &Sums) -> Option<f64> {
    let n: u64 = sums.calibration.iter().map(|bin| bin.n).sum();
    let apart: f64 = sums.calibration.iter().map(|bin| (bin.confidence - bin.right as f64).abs()).sum();
    (n > 0).then(|| apart / n as f64)
}

/// Counts by name, most first.
fn shares(counts: &BTreeMap<String, u64>) -> Vec<Share> {
    let all: u64 = counts.values().sum();
    let mut shares: Vec<Share> = counts
        .iter()
        .map(|(name, n)| Share { name: name.clone(), n: *n, share: *n as f64 / all as f64 })
        .collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.n));
    shares
}
