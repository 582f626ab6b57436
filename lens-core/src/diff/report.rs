//! What a comparison found.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::tally::Spread;
use crate::point::Point;

/// How far two models are apart on a text. Means are over positions, intervals over sequences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DiffReport {
    /// Sequences read.
    pub sequences: u64,
    /// Positions read.
    pub positions: u64,
    /// Positions that a token comes after.
    pub next_tokens: u64,
    /// Rows of the vocabulary that the distributions are over: those that both models have.
    pub n_vocab: usize,
    /// The share of resamplings that intervals hold.
    pub confidence: f64,
    /// How often the sequences were resampled.
    pub resamplings: usize,
    /// What the draws depend on.
    pub seed: u64,
    /// The final readouts.
    #[serde(rename = "final")]
    pub finals: FinalDiff,
    /// Where the computation itself is another one; `None` where no component was read that adds to the stream.
    pub changed: Option<Changed>,
    /// Every point, in order of execution.
    pub rows: Vec<DiffRow>,
}

impl DiffReport {
    /// The row of a point.
    pub fn row(&self, point: Point) -> Option<&DiffRow> {
        self.rows.iter().find(|row| row.point == point)
    }
}

/// A mean over positions, its ends, and the interval that most resamplings of the sequences give the mean.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Estimated {
    /// Mean and ends.
    #[serde(flatten)]
    pub spread: Spread,
    /// The lower end of the interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// How far the final readouts of two models are apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FinalDiff {
    /// KL(A ‖ B), nats.
    pub kl: Estimated,
    /// KL(A ‖ B) where both read A's last state, nats: what of the difference the final norm and the unembedding make.
    pub own: Estimated,
    /// Jensen-Shannon divergence, nats.
    pub js: Estimated,
    /// The share of positions at which both have the same most probable token.
    pub top1: Estimated,
    /// 1 divided by the rank that the most probable token of A has in B.
    pub reciprocal_rank: Estimated,
    /// By how much the surprise of B at the token that comes next exceeds that of A, nats; `None` where none comes.
    pub cross_entropy: Option<Estimated>,
    /// The surprise of A, nats.
    pub cross_entropy_a: Option<Estimated>,
    /// The surprise of B, nats.
    pub cross_entropy_b: Option<Estimated>,
}

/// How far two models are apart at one point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DiffRow {
    /// The point.
    #[serde(serialize_with = "by_name", deserialize_with = "of_name")]
    pub point: Point,
    /// `|a - b| / |a|` of the captured vectors.
    pub relative: Spread,
    /// Their cosine.
    pub cosine: Spread,
    /// `|a - b| / |a|` where B's component was given A's inputs: what of the difference begins here. `None` for sums.
    pub own: Option<Spread>,
    /// KL(A's readout ‖ B's readout), nats. This and what follows is `None` where inner readouts were not compared.
    pub kl: Option<Spread>,
    /// Jensen-Shannon divergence of the readouts, nats.
    pub js: Option<Spread>,
    /// The share of positions at which both readouts have the same most probable token.
    pub top1: Option<Spread>,
    /// 1 divided by the rank that the most probable token of A's readout has in B's.
    pub reciprocal_rank: Option<Spread>,
}

/// Which components compute something else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Changed {
    /// The difference of its own, in the mean, that a component has to exceed: what rounding may make.
    pub threshold: f64,
    /// The components above it, in order of execution: the change begins at the first.
    #[serde(serialize_with = "by_names", deserialize_with = "of_names")]
    pub above: Vec<Point>,
}

fn by_name<S: Serializer>(point: &Point, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(point)
}

fn of_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Point, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

fn by_names<S: Serializer>(points: &[Point], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(points.iter().map(ToString::to_string))
}

fn of_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Point>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    names.iter().map(|name| name.parse().map_err(de::Error::custom)).collect()
}
