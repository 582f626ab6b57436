//! What a comparison adds up: memory does not grow with the text.

use super::{
    pair::Compared,
    places::{Places, begins},
    report::{DiffRow, Estimated, FinalDiff},
    tally::{Place, Tally},
    vectors::Apart,
};
use crate::{
    evaluate::{EvaluationOptions, bootstrap::Bootstrap},
    point::Point,
};

/// Sums of one sequence that are resampled.
const WIDTH: usize = 10;
const POSITIONS: usize = 0;
const NEXT: usize = 1;
const KL: usize = 2;
const JS: usize = 3;
const TOP1: usize = 4;
const RECIPROCAL_RANK: usize = 5;
const SURPRISE_A: usize = 6;
const SURPRISE_B: usize = 7;
const SURPRISE: usize = 8;
const OWN: usize = 9;

/// A number of the final readouts that is not finite.
pub(super) struct NotFinite(pub(super) &'static str);

/// All that is kept of the text that was read.
#[derive(Debug)]
pub(super) struct Sums {
    bootstrap: Bootstrap,
    /// Of the final readouts, by the indices above.
    finals: [Tally; WIDTH],
    /// `[points]`
    rows: Vec<Row>,
}

/// What is kept of one point.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Row {
    relative: Tally,
    cosine: Tally,
    own: Tally,
    kl: Tally,
    js: Tally,
    top1: Tally,
    reciprocal_rank: Tally,
}

impl Row {
    pub(super) fn vectors(&mut self, apart: Apart, at: Place) {
        self.relative.add(apart.relative, at);
        self.cosine.add(apart.cosine, at);
    }

    pub(super) fn own(&mut self, apart: Apart, at: Place) {
        self.own.add(apart.relative, at);
    }

    pub(super) fn readouts(&mut self, compared: &Compared, at: Place) {
        self.kl.add(compared.kl, at);
        self.js.add(compared.js, at);
        self.top1.add(agreement(compared), at);
        self.reciprocal_rank.add(1.0 / f64::from(compared.rank), at);
    }
}

fn agreement(compared: &Compared) -> f64 {
    f64::from(u8::from(compared.agrees()))
}

impl Sums {
    pub(super) fn new(places: &Places, options: EvaluationOptions) -> Self {
        Self {
            bootstrap: Bootstrap::new(WIDTH, options.resamplings, options.seed),
            finals: [Tally::default(); WIDTH],
            rows: vec![Row::default(); places.points.len()],
        }
    }

    /// What is kept of the point at an index.
    pub(super) fn row(&mut self, index: usize) -> &mut Row {
        &mut self.rows[index]
    }

    /// Adds the final readouts of one sequence, position by position from 0, each with that of the readouts of A's state.
    pub(super) fn finals(&mut self, compared: &[[Compared; 2]], sequence: u64) {
        let mut sums = [0.0; WIDTH];
        for (position, [compared, own]) in compared.iter().enumerate() {
            let mut add = |index: usize, value: f64| {
                sums[index] += value;
                self.finals[index].add(value, Place::new(sequence, position));
            };
            add(POSITIONS, 1.0);
            add(KL, compared.kl);
            add(OWN, own.kl);
            add(JS, compared.js);
            add(TOP1, agreement(compared));
            add(RECIPROCAL_RANK, 1.0 / f64::from(compared.rank));
            if let Some([a, b]) = compared.cross_entropy {
                add(NEXT, 1.0);
                add(SURPRISE_A, a);
                add(SURPRISE_B, b);
                add(SURPRISE, b - a);
            }
        }
        self.bootstrap.add(&sums);
    }

    /// Positions read, and those that a token comes after.
    pub(super) fn read(&self) -> [u64; 2] {
        [POSITIONS, NEXT].map(|index| self.bootstrap.sum(index) as u64)
    }

    /// What the final readouts come to; `None` where nothing was read.
    pub(super) fn final_diff(&self, confidence: f64) -> Option<FinalDiff> {
        let of = |index: usize, below: usize| {
            let estimate = self.bootstrap.ratio(index, below, confidence)?;
            let mut spread = self.finals[index].spread()?;
            spread.mean = estimate.value.clamp(spread.min, spread.max);
            Some(Estimated { spread, low: estimate.low, high: estimate.high })
        };
        Some(FinalDiff {
            kl: of(KL, POSITIONS)?,
            own: of(OWN, POSITIONS)?,
            js: of(JS, POSITIONS)?,
            top1: of(TOP1, POSITIONS)?,
            reciprocal_rank: of(RECIPROCAL_RANK, POSITIONS)?,
            cross_entropy: of(SURPRISE, NEXT),
            cross_entropy_a: of(SURPRISE_A, NEXT),
            cross_entropy_b: of(SURPRISE_B, NEXT),
        })
    }

    /// The rows of these points.
    pub(super) fn rows(&self, points: &[Point]) -> Vec<DiffRow> {
        let row = |(point, row): (&Point, &Row)| {
            let own = if begins(*point) { row.relative } else { row.own };
            Some(DiffRow {
                point: *point,
                relative: row.relative.spread()?,
                cosine: row.cosine.spread()?,
                own: own.spread(),
                kl: row.kl.spread(),
                js: row.js.spread(),
                top1: row.top1.spread(),
                reciprocal_rank: row.reciprocal_rank.spread(),
            })
        };
        points.iter().zip(&self.rows).filter_map(row).collect()
    }
}

/// The first number of a readout that is not finite.
pub(super) fn check(compared: &Compared) -> Result<(), NotFinite> {
    let surprise = compared.cross_entropy.unwrap_or_default();
    let numbers = [("kl", compared.kl), ("js", compared.js), ("cross_entropy", surprise[0] + surprise[1])];
    match numbers.into_iter().find(|(_, number)| !number.is_finite()) {
        Some((name, _)) => Err(NotFinite(name)),
        None => Ok(()),
    }
}
