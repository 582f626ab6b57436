//! Second pass: distances to the final readout that need both distributions normalised.
//!
//! With p = m (1 + tanh w) and q = m (1 - tanh w), so that m = (p + q) / 2 and w = ln(p / q) / 2, which is half a difference
//! of logits, a term of the Jensen-Shannon divergence is
//!
//! ```text
//! p - q                                                       -2 |w|
//! ----- w - m ln cosh w   =   m (ln 2 - ln(1 + t)) - min(p, q) |w|,   t = e
//!   2
//! ```
//!
//! the first where p is near q, the second where it is not: neither takes the difference of numbers that are much larger.
//! Its derivative by w is zero, so an error of w has no weight. A term of the total variation is `|p - q| / 2`.

use super::beside::{Beside, Run};
use super::exp::{exp, polynomial};
use super::finals::Finals;
use super::panel::{Group, Panel};
use super::simd::{MAX_LANES, Simd, Task};
use super::sweep::{Block, Pass};

/// What the pass is asked.
pub(super) struct Distances<'a> {
    pub(super) group: &'a Group,
    pub(super) runs: &'a [Vec<Run>],
    /// Per lane: the largest logit m, and 1 / Σ e^(z - m).
    pub(super) reference: &'a [f32],
    pub(super) factor: &'a [f32],
    /// Per lane: by how much its log-sum-exp exceeds that of its final.
    pub(super) excess: &'a [f32],
}

/// Sums over a stretch of rows, per lane.
pub(super) struct Kept {
    pub(super) jensen_shannon: Vec<f64>,
    pub(super) total_variation: Vec<f64>,
    finals: Finals,
}

impl<S: Simd> Pass<S> for Distances<'_> {
    type Kept = Kept;

    fn begin(&self, capacity: usize) -> Kept {
        let n = self.reference.len();
        let finals = Finals::new(self.group.n_finals, capacity);
        Kept { jensen_shannon: vec![0.0; n], total_variation: vec![0.0; n], finals }
    }

    fn take(&self, simd: S, kept: &mut Kept, panel: Panel<'_>, block: Block<'_>) {
        simd.run(TakePanel { pass: self, kept, panel, block });
    }

    fn end_block(&self, simd: S, kept: &mut Kept, n_rows: usize) {
        for (lane, &final_lane) in self.group.final_lanes.iter().enumerate().take(self.group.n_finals) {
            if lane != final_lane as usize {
                let excess = self.excess[lane];
                simd.run(BetweenFinals { kept, lane, final_lane: final_lane as usize, excess, n_rows });
            }
        }
    }

    fn end(&self, kept: &mut Kept) {
        kept.finals = Finals::new(0, 0);
    }
}

struct TakePanel<'a, 'b> {
    pass: &'a Distances<'b>,
    kept: &'a mut Kept,
    panel: Panel<'a>,
    block: Block<'a>,
}

impl<S: Simd> Task<S> for TakePanel<'_, '_> {
    #[inline(always)]
    fn run(self, simd: S) {
        let Self { pass, kept, panel, block } = self;
        for within in 0..panel.columns {
            let column = panel.first_column + within;
            let first_lane = column * S::LANES;
            for lane in first_lane..pass.group.n_finals.min(first_lane + S::LANES) {
                let scale = (pass.reference[lane], pass.factor[lane]);
                kept.finals.take(simd, (&panel, &block), lane, scale);
            }
            let z = &block.z[within * block.capacity * S::LANES..][..block.n_rows * S::LANES];
            let scale = Scale {
                reference: simd.load(&pass.reference[first_lane..]),
                factor: simd.load(&pass.factor[first_lane..]),
                excess: simd.load(&pass.excess[first_lane..]),
            };
            for run in &pass.runs[column] {
                let sums = if run.has_two() {
                    add_column(simd, run.beside::<S, true>(simd, &kept.finals, block.n_rows), scale, z)
                } else {
                    add_column(simd, run.beside::<S, false>(simd, &kept.finals, block.n_rows), scale, z)
                };
                let mut by_lane = [[0.0; MAX_LANES]; 2];
                simd.store(sums.0, &mut by_lane[0]);
                simd.store(sums.1, &mut by_lane[1]);
                for (lane, _) in run.lanes() {
                    kept.jensen_shannon[first_lane + lane] += f64::from(by_lane[0][lane]);
                    kept.total_variation[first_lane + lane] += f64::from(by_lane[1][lane]);
                }
            }
        }
    }
}

/// What makes probabilities of a column's logits.
#[derive(Clone, Copy)]
struct Scale<V> {
    reference: V,
    factor: V,
    excess: V,
}

/// Both distances of a column of logits to its finals.
#[inline(always)]
fn add_column<S: Simd, const TWO: bool>(
    simd: S,
    finals: Beside<'_, S, TWO>,
    scale: Scale<S::V>,
    z: &[f32],
) -> (S::V, S::V) {
    let mut sums = (simd.splat(0.0), simd.splat(0.0));
    for (row, logits) in z.chunks_exact(S::LANES).enumerate() {
        let (last, p) = finals.at(row);
        let z = simd.load(logits);
        let q = simd.mul(exp(simd, simd.sub(z, scale.reference)), scale.factor);
        let log_ratio = simd.add(simd.sub(last, z), scale.excess);
        sums = add_terms(simd, (p, q), log_ratio, sums);
    }
    sums
}

struct BetweenFinals<'a> {
    kept: &'a mut Kept,
    lane: usize,
    final_lane: usize,
    excess: f32,
    n_rows: usize,
}

impl<S: Simd> Task<S> for BetweenFinals<'_> {
    #[inline(always)]
    fn run(self, simd: S) {
        // The probabilities past the last row are zero, and so are their terms.
        let rows = self.n_rows.next_multiple_of(S::LANES);
        let (z, q) = self.kept.finals.of(self.lane, rows);
        let (last, p) = self.kept.finals.of(self.final_lane, rows);
        let excess = simd.splat(self.excess);
        let mut sums = (simd.splat(0.0), simd.splat(0.0));
        for row in (0..rows).step_by(S::LANES) {
            let log_ratio = simd.add(simd.sub(simd.load(&last[row..]), simd.load(&z[row..])), excess);
            sums = add_terms(simd, (simd.load(&p[row..]), simd.load(&q[row..])), log_ratio, sums);
        }
        let mut by_lane = [[0.0; MAX_LANES]; 2];
        simd.store(sums.0, &mut by_lane[0]);
        simd.store(sums.1, &mut by_lane[1]);
        let sum = |values: &[f32]| -> f64 { values.iter().copied().map(f64::from).sum() };
        self.kept.jensen_shannon[self.lane] += sum(&by_lane[0][..S::LANES]);
        self.kept.total_variation[self.lane] += sum(&by_lane[1][..S::LANES]);
    }
}

/// `ln cosh w / w²`, as a polynomial of w², for w² up to [`NEAR`]: its Taylor series.
const LOG_COSH: [f32; 6] =
    [1.0 / 2.0, -1.0 / 12.0, 1.0 / 45.0, -17.0 / 2520.0, 31.0 / 14175.0, -691.0 / 935_550.0];
/// w² up to which p is near q.
const NEAR: f32 = 0.125;
/// `ln 2 - ln(1 + t)` for t up to 1/2, from its Chebyshev nodes, and exact at 0: in float32 good to 4e-7.
const LOG_SHARE: [f32; 7] = [
    std::f32::consts::LN_2,
    -0.999_992_8,
    0.499_764_05,
    -0.330_373_82,
    0.231_705_35,
    -0.138_064_48,
    0.046_079_665,
];

/// Adds the terms of two probabilities, whose ratio is `e^log_ratio`, to the sums of both distances.
#[inline(always)]
fn add_terms<S: Simd>(
    simd: S,
    (p, q): (S::V, S::V),
    log_ratio: S::V,
    (js, tv): (S::V, S::V),
) -> (S::V, S::V) {
    let half = simd.splat(0.5);
    let mean = simd.mul(simd.add(p, q), half);
    // -|p - q| / 2, -2 |w|, -|w|, and w².
    let apart = simd.mul(simd.neg_abs(simd.sub(p, q)), half);
    let exponent = simd.neg_abs(log_ratio);
    let w = simd.mul(exponent, half);
    let square = simd.mul(w, w);
    let log_cosh = simd.mul(polynomial(simd, square, LOG_COSH), square);
    let near = simd.sub(simd.mul(apart, w), simd.mul(mean, log_cosh));
    let smaller = simd.select(simd.greater(p, q), q, p);
    let share = polynomial(simd, exp(simd, exponent), LOG_SHARE);
    let far = simd.mul_add(mean, share, simd.mul(smaller, w));
    let term = simd.select(simd.greater(square, simd.splat(NEAR)), far, near);
    (simd.add(js, term), simd.sub(tv, apart))
}
