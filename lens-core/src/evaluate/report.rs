//! What an evaluation found.

use serde::{Serialize, Serializer};

use super::bootstrap::Estimate;
use crate::point::Point;

/// How well lenses predict, over all sequences that were read. Means over positions, with intervals over sequences.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EvaluationReport {
    /// Sequences read.
    pub sequences: u64,
    /// Positions read.
    pub positions: u64,
    /// Positions that a token comes after.
    pub next_tokens: u64,
    /// Bytes of the text that those tokens stand for; `None` where that is not known of all.
    pub bytes: Option<u64>,
    /// The share of resamplings that intervals hold.
    pub confidence: f64,
    /// How often the sequences were resampled.
    pub resamplings: usize,
    /// What the draws depend on.
    pub seed: u64,
    /// The model's own surprise at the token that comes next, nats.
    pub cross_entropy: Option<Estimate>,
    /// The same in bits for each byte of the text.
    pub bits_per_byte: Option<Estimate>,
    /// Every point and lens, points in order of execution.
    pub rows: Vec<EvaluationRow>,
}

/// How well one lens predicts at one point.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EvaluationRow {
    /// The lens.
    pub lens: String,
    /// The point.
    #[serde(serialize_with = "by_name")]
    pub point: Point,
    /// KL(final ‖ readout), nats.
    pub kl_to_final: Estimate,
    /// Surprise at the token that comes next, nats; `None` where none comes.
    pub cross_entropy: Option<Estimate>,
    /// The same in bits for each byte of the text.
    pub bits_per_byte: Option<Estimate>,
    /// The share of positions whose most probable token is the model's own.
    pub agreement: Estimate,
}

fn by_name<S: Serializer>(point: &Point, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(point)
}
