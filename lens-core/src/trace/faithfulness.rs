//! How far the readouts of a lens can be trusted, row by row.
//!
//! A row is what one lens says at one point, at all positions that were read. Nothing new is measured: the numbers are
//! summaries of what the readouts hold.
//!
//! | field | is |
//! |---|---|
//! | `agreement` | share of the positions at which its first token is the final readout's |
//! | `kl_to_final` | median of KL(final ‖ readout), nats |
//! | `norm_ratio` | median of the length of the decoded vector over that of the final residual |
//! | `between_lenses` | share of the positions at which its first token is that of every other lens that reads the same state of the stream |
//!
//! The grade follows the median KL alone ([`Grade::of`]). A row is not to be trusted where it is far from the final
//! readout (a median above [`TRUSTED_UP_TO`]) and names the final token at fewer than half of the positions. These
//! bounds are a convention; what was measured stands beside the verdict.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{LensTrace, ReadoutTrace};
use crate::{
    point::{Component, Point, Site},
    statistic::Statistic,
    token::TokenId,
};

/// The largest median of KL(final ‖ readout), nats, at which a row can be trusted whatever it names first.
pub const TRUSTED_UP_TO: f64 = 1.5;

/// The smallest share of positions with the final token at which a row can be trusted whatever its median.
const TRUSTED_AGREEMENT: f64 = 0.5;

/// How close a row is to the final readouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// A median of at most 0.1 nats.
    AsFinal,
    /// At most 0.5 nats.
    Close,
    /// At most 1.5 nats.
    Partly,
    /// At most 4 nats.
    Far,
    /// More.
    VeryFar,
}

impl Grade {
    /// Every grade, closest first.
    pub const ALL: [Self; 5] = [Self::AsFinal, Self::Close, Self::Partly, Self::Far, Self::VeryFar];

    /// The largest median of KL(final ‖ readout) that still has this grade, nats; `None` for the last.
    pub fn up_to(self) -> Option<f64> {
        match self {
            Self::AsFinal => Some(0.1),
            Self::Close => Some(0.5),
            Self::Partly => Some(TRUSTED_UP_TO),
            Self::Far => Some(4.0),
            Self::VeryFar => None,
        }
    }

    /// The grade of a median of KL(final ‖ readout), nats.
    pub fn of(median: f64) -> Self {
        let fits = |grade: &Self| grade.up_to().is_none_or(|bound| median <= bound);
        Self::ALL.into_iter().find(fits).unwrap_or(Self::VeryFar)
    }

    /// The grade in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::AsFinal => "as the final layer",
            Self::Close => "close",
            Self::Partly => "partly",
            Self::Far => "far",
            Self::VeryFar => "very far",
        }
    }
}

/// How far one lens can be trusted at one point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FaithfulnessTrace {
    /// The name of the lens, where the trace lists [lenses](LensTrace::lenses).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lens: Option<Arc<str>>,
    /// The block; null for `embed`.
    pub layer: Option<u16>,
    /// The component.
    pub component: Component,
    /// How many positions were read.
    pub positions: usize,
    /// Share of the positions, from 0 to 1, at which the first token is the final readout's.
    pub agreement: f64,
    /// Median of KL(final ‖ readout), nats; absent where it was not computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_to_final: Option<f64>,
    /// Median of the length of the decoded vector over that of the final residual; absent where it was not computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub norm_ratio: Option<f64>,
    /// Share of the positions, from 0 to 1, at which every lens that reads this state of the stream names the same first
    /// token; absent where this one is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between_lenses: Option<f64>,
    /// How close it is; absent where KL was not computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<Grade>,
    /// Whether it can be trusted, by the convention of this project; true where KL was not computed.
    pub trusted: bool,
}

impl LensTrace {
    /// Writes [`rows_faithfulness`](Self::rows_faithfulness) into a trace that is complete, where it has other lenses than
    /// the plain one.
    pub(crate) fn judge_rows(&mut self) {
        if !self.lenses.is_empty() {
            self.faithfulness = self.rows_faithfulness();
        }
    }

    /// How far each row can be trusted: one entry for each lens and point, in order of execution.
    pub fn rows_faithfulness(&self) -> Vec<FaithfulnessTrace> {
        let finals: BTreeMap<usize, Final> =
            self.finals.iter().map(|last| (last.position, last.into())).collect();
        let mut rows: BTreeMap<(Option<u16>, Component, usize), Vec<&ReadoutTrace>> = BTreeMap::new();
        let mut by_state: BTreeMap<(Point, usize), Vec<Option<TokenId>>> = BTreeMap::new();
        for readout in &self.readouts {
            let lens = self.lens_index(readout);
            rows.entry((readout.layer, readout.component, lens)).or_default().push(readout);
            if let Some(point) = point(readout) {
                by_state.entry((state(point), readout.position)).or_default().push(first(readout));
            }
        }
        rows.into_values().map(|row| row_of(&row, &finals, &by_state)).collect()
    }

    /// Which of the trace's lenses made a readout.
    fn lens_index(&self, readout: &ReadoutTrace) -> usize {
        let name = readout.lens.as_ref();
        self.lenses.iter().position(|lens| Some(&lens.name) == name).unwrap_or(0)
    }
}

/// What a row is compared with at a position.
struct Final {
    top: Option<TokenId>,
    norm: Option<f64>,
}

impl From<&super::FinalTrace> for Final {
    fn from(last: &super::FinalTrace) -> Self {
        Self { top: last.top.first().map(|token| token.id), norm: last.get(Statistic::Norm) }
    }
}

fn first(readout: &ReadoutTrace) -> Option<TokenId> {
    readout.top.first().map(|token| token.id)
}

fn point(readout: &ReadoutTrace) -> Option<Point> {
    match (readout.layer, readout.component) {
        (None, Component::Embed) => Some(Point::Embed),
        (Some(layer), Component::Site(site)) => Some(Point::block(layer, site)),
        _ => None,
    }
}

/// One name for each state of the stream: the input of a block is the output of the block before it.
fn state(point: Point) -> Point {
    match point {
        Point::Block { layer: 0, site: Site::ResidPre } => Point::Embed,
        Point::Block { layer, site: Site::ResidPre } => Point::block(layer - 1, Site::ResidPost),
        other => other,
    }
}

fn row_of(
    row: &[&ReadoutTrace],
    finals: &BTreeMap<usize, Final>,
    by_state: &BTreeMap<(Point, usize), Vec<Option<TokenId>>>,
) -> FaithfulnessTrace {
    let share = |count: usize| count as f64 / row.len() as f64;
    let same = |readout: &&&ReadoutTrace| {
        finals.get(&readout.position).is_some_and(|last| last.top.is_some() && last.top == first(readout))
    };
    let ratio = |readout: &&ReadoutTrace| {
        let last = finals.get(&readout.position)?.norm.filter(|norm| *norm > 0.0)?;
        Some(readout.get(Statistic::Norm)? / last)
    };
    let readers = |readout: &&ReadoutTrace| by_state.get(&(state(point(readout)?), readout.position));
    let shared = row.iter().any(|readout| readers(readout).is_some_and(|tops| tops.len() > 1));
    let alike = |readout: &&&ReadoutTrace| {
        readers(readout).is_some_and(|tops| tops.iter().all(|top| *top == first(readout)))
    };
    let agreement = share(row.iter().filter(same).count());
    let kl_to_final = median(row.iter().filter_map(|readout| readout.get(Statistic::KlToFinal)).collect());
    let trusted = kl_to_final.is_none_or(|median| median <= TRUSTED_UP_TO) || agreement >= TRUSTED_AGREEMENT;
    FaithfulnessTrace {
        lens: row[0].lens.clone(),
        layer: row[0].layer,
        component: row[0].component,
        positions: row.len(),
        agreement,
        kl_to_final,
        norm_ratio: median(row.iter().filter_map(ratio).collect()),
        between_lenses: shared.then(|| share(row.iter().filter(alike).count())),
        grade: kl_to_final.map(Grade::of),
        trusted,
    }
}

/// The middle of the numbers, the mean of the two middle ones of an even count.
fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let half = numbers.len() / 2;
    let upper = *numbers.get(half)?;
    Some(if numbers.len() % 2 == 1 { upper } else { f64::midpoint(numbers[half - 1], upper) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_follow_their_bounds() {
        let of = |median| Grade::of(median).meaning();
        assert_eq!(
            [0.0, 0.1, 0.11, 4.0].map(of),
            ["as the final layer", "as the final layer", "close", "far"]
        );
        assert_eq!([4.1, f64::MAX].map(of), ["very far"; 2]);
    }

    #[test]
    fn the_input_of_a_block_is_the_output_before_it() {
        assert_eq!(state(Point::block(0, Site::ResidPre)), Point::Embed);
        assert_eq!(state(Point::block(3, Site::ResidPre)), Point::block(2, Site::ResidPost));
        assert_eq!(state(Point::block(3, Site::AttnOut)), Point::block(3, Site::AttnOut));
    }

    #[test]
    fn the_middle_is_the_median() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 9.0]), Some(3.0));
        assert_eq!(median(vec![3.0, 1.0, 9.0, 5.0]), Some(4.0));
    }
}
