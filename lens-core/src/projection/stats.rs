//! First pass: what is kept of every readout while its logits go by.
//!
//! Sums are taken relative to a reference, the largest logit so far: `sum = Σ e^(z - m)` and
//! `moment = Σ e^(z - m) (z - m)`, in float32 for at most sixteen rows at a time, then for a block, and in
//! float64 from there on. For the divergence to the final readout f, `Σ e^(f - m_f) (f - z)`: zero term by
//! term where the two readouts agree.

use super::beside::{Beside, Run};
use super::exp::exp;
use super::finals::Finals;
use super::panel::{Group, Panel};
use super::simd::{MAX_LANES, Simd, Task};
use super::sweep::{Block, Pass};
use super::topk::{SharedBound, TopK};

/// Rows whose terms are added before they meet a longer sum.
const SHORT: usize = 16;

/// What the pass is asked.
pub(super) struct Statistics<'a> {
    pub(super) group: &'a Group,
    pub(super) lanes: usize,
    pub(super) top_k: usize,
    /// Whether to keep `Kept::square`.
    pub(super) squares: bool,
    /// Per lane that holds a readout.
    pub(super) bounds: Vec<SharedBound>,
    /// Per column; empty where no divergence is wanted.
    pub(super) runs: Vec<Vec<Run>>,
    /// Per column `[slots, LANES]`: logits of tracked tokens, infinity where a lane has no more of them.
    pub(super) tracked: Vec<Vec<f32>>,
}

/// What is kept of a stretch of rows: per lane, unless said otherwise.
pub(super) struct Kept {
    /// The largest logit.
    pub(super) reference: Vec<f32>,
    pub(super) sum: Vec<f64>,
    pub(super) moment: Vec<f64>,
    /// `Σ e^(z - m) (z - m)²`, if it is wanted.
    pub(super) square: Vec<f64>,
    /// `Σ e^(f - m_f) (f - z)`, and the `m_f` that it is relative to.
    pub(super) divergence: Vec<f64>,
    pub(super) divergence_reference: Vec<f32>,
    pub(super) top: Vec<TopK>,
    /// Per column `[slots, LANES]`: logits strictly larger than the tracked one.
    pub(super) larger: Vec<Vec<u32>>,
    threshold: Vec<f32>,
    finals: Finals,
}

impl<S: Simd> Pass<S> for Statistics<'_> {
    type Kept = Kept;

    fn begin(&self, capacity: usize) -> Kept {
        let n = self.lanes;
        let mut threshold = vec![f32::INFINITY; n];
        if self.top_k > 0 {
            for (threshold, bound) in threshold.iter_mut().zip(&self.bounds) {
                *threshold = bound.threshold();
            }
        }
        Kept {
            reference: vec![f32::NEG_INFINITY; n],
            sum: vec![0.0; n],
            moment: vec![0.0; n],
            square: vec![0.0; n],
            divergence: vec![0.0; n],
            divergence_reference: vec![f32::NEG_INFINITY; n],
            top: vec![TopK::default(); self.bounds.len()],
            larger: self.tracked.iter().map(|slots| vec![0; slots.len()]).collect(),
            threshold,
            finals: Finals::new(self.group.n_finals, capacity),
        }
    }

    fn take(&self, simd: S, kept: &mut Kept, panel: Panel<'_>, block: Block<'_>) {
        simd.run(TakePanel { pass: self, kept, panel, block });
    }

    fn end_block(&self, simd: S, kept: &mut Kept, n_rows: usize) {
        // A final that is compared with another final: both are at hand by now.
        for (lane, &final_lane) in self.group.final_lanes.iter().enumerate().take(self.group.n_finals) {
            if lane != final_lane as usize {
                simd.run(BetweenFinals { kept, lane, final_lane: final_lane as usize, n_rows });
            }
        }
    }

    fn end(&self, kept: &mut Kept) {
        kept.finals = Finals::new(0, 0);
        kept.threshold = Vec::new();
        for (top, bound) in kept.top.iter_mut().zip(&self.bounds) {
            if let Some(kth) = top.compact(self.top_k) {
                bound.raise(kth);
            }
        }
    }
}

impl Kept {
    fn raise_reference(&mut self, lane: usize, peak: f32) {
        let before = self.reference[lane];
        if peak > before {
            self.reference[lane] = peak;
            if before > f32::NEG_INFINITY {
                let shift = f64::from(before) - f64::from(peak);
                self.square[lane] =
                    shift.exp() * shifted_square(shift, self.sum[lane], self.moment[lane], self.square[lane]);
                self.moment[lane] = shift.exp() * (self.moment[lane] + shift * self.sum[lane]);
                self.sum[lane] *= shift.exp();
            }
        }
    }

    fn add_divergence(&mut self, lane: usize, final_lane: usize, divergence: f64) {
        let (before, now) = (self.divergence_reference[lane], self.reference[final_lane]);
        if before != now {
            self.divergence_reference[lane] = now;
            self.divergence[lane] *= (f64::from(before) - f64::from(now)).exp();
        }
        self.divergence[lane] += divergence;
    }
}

/// All columns of a panel.
struct TakePanel<'a, 'b> {
    pass: &'a Statistics<'b>,
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
            let z = &block.z[within * block.capacity * S::LANES..][..block.n_rows * S::LANES];
            let mut peaks = [0.0; MAX_LANES];
            simd.store(peak_and_top(simd, pass.top_k, kept, first_lane, block.first_row, z), &mut peaks);
            for (lane, &peak) in peaks[..S::LANES].iter().enumerate() {
                kept.raise_reference(first_lane + lane, peak);
            }
            if let Some(slots) = pass.tracked.get(column) {
                count_larger(simd, slots, &mut kept.larger[column], z);
            }
            for lane in first_lane..pass.group.n_finals.min(first_lane + S::LANES) {
                let reference = kept.reference[lane];
                kept.finals.take(simd, (&panel, &block), lane, (reference, 1.0));
            }
            if pass.squares {
                add_sums::<S, true>(simd, kept, first_lane, z);
            } else {
                add_sums::<S, false>(simd, kept, first_lane, z);
            }
            for run in pass.runs.get(column).into_iter().flatten() {
                let divergence = if run.has_two() {
                    divergence(simd, run.beside::<S, true>(simd, &kept.finals, block.n_rows), z)
                } else {
                    divergence(simd, run.beside::<S, false>(simd, &kept.finals, block.n_rows), z)
                };
                let mut by_lane = [0.0; MAX_LANES];
                simd.store(divergence, &mut by_lane);
                for (lane, final_lane) in run.lanes() {
                    kept.add_divergence(first_lane + lane, final_lane, f64::from(by_lane[lane]));
                }
            }
        }
    }
}

/// The largest logit of each lane, NaN left aside; candidates for the top-k go to their lists.
#[inline(always)]
fn peak_and_top<S: Simd>(
    simd: S,
    top_k: usize,
    kept: &mut Kept,
    first_lane: usize,
    first_row: usize,
    z: &[f32],
) -> S::V {
    let mut peak = simd.splat(f32::NEG_INFINITY);
    let mut threshold = simd.load(&kept.threshold[first_lane..]);
    for (row, logits) in z.chunks_exact(S::LANES).enumerate() {
        let values = simd.load(logits);
        peak = simd.max(values, peak);
        let mut above = simd.bits(simd.greater(values, threshold));
        if above != 0 {
            while above != 0 {
                let lane = above.trailing_zeros() as usize;
                above &= above - 1;
                let candidate = (logits[lane], (first_row + row) as u32);
                if let Some(kth) = kept.top[first_lane + lane].push(top_k, candidate) {
                    kept.threshold[first_lane + lane] = kth;
                }
            }
            threshold = simd.load(&kept.threshold[first_lane..]);
        }
    }
    peak
}

/// Adds, per slot of tracked tokens, the number of strictly larger logits.
#[inline(always)]
fn count_larger<S: Simd>(simd: S, slots: &[f32], larger: &mut [u32], z: &[f32]) {
    let (zero, one) = (simd.splat(0.0), simd.splat(1.0));
    for (slot, larger) in slots.chunks_exact(S::LANES).zip(larger.chunks_exact_mut(S::LANES)) {
        let tracked = simd.load(slot);
        let mut count = zero;
        for logits in z.chunks_exact(S::LANES) {
            let greater = simd.greater(simd.load(logits), tracked);
            count = simd.add(count, simd.select(greater, one, zero));
        }
        let mut by_lane = [0.0; MAX_LANES];
        simd.store(count, &mut by_lane);
        for (larger, count) in larger.iter_mut().zip(by_lane) {
            *larger += count as u32;
        }
    }
}

/// `Σ e^x (x + shift)²` from the sums of `e^x`, `e^x x` and `e^x x²`.
pub(super) fn shifted_square(shift: f64, sum: f64, moment: f64, square: f64) -> f64 {
    square + shift * (2.0 * moment + shift * sum)
}

/// Adds a block to `sum`, `moment` and, if it is wanted, `square`.
#[inline(always)]
fn add_sums<S: Simd, const SQUARES: bool>(simd: S, kept: &mut Kept, first_lane: usize, z: &[f32]) {
    let reference = simd.load(&kept.reference[first_lane..]);
    let zero = simd.splat(0.0);
    let (mut sum, mut moment, mut square) = (zero, zero, zero);
    for rows in z.chunks(SHORT * S::LANES) {
        let (mut short_sum, mut short_moment, mut short_square) = (zero, zero, zero);
        for logits in rows.chunks_exact(S::LANES) {
            let x = simd.sub(simd.load(logits), reference);
            let e = exp(simd, x);
            short_sum = simd.add(short_sum, e);
            short_moment = simd.mul_add(e, x, short_moment);
            if SQUARES {
                short_square = simd.mul_add(simd.mul(e, x), x, short_square);
            }
        }
        sum = simd.add(sum, short_sum);
        moment = simd.add(moment, short_moment);
        if SQUARES {
            square = simd.add(square, short_square);
        }
    }
    let sums = [(&mut kept.sum, sum), (&mut kept.moment, moment), (&mut kept.square, square)];
    for (total, block) in sums.into_iter().take(if SQUARES { 3 } else { 2 }) {
        let mut by_lane = [0.0; MAX_LANES];
        simd.store(block, &mut by_lane);
        for (total, value) in total[first_lane..first_lane + S::LANES].iter_mut().zip(by_lane) {
            *total += f64::from(value);
        }
    }
}

/// `Σ weight (f - z)` over the rows of a block.
#[inline(always)]
fn divergence<S: Simd, const TWO: bool>(simd: S, finals: Beside<'_, S, TWO>, z: &[f32]) -> S::V {
    let mut sum = simd.splat(0.0);
    for (rows, first) in z.chunks(SHORT * S::LANES).zip((0..).step_by(SHORT)) {
        let mut short = simd.splat(0.0);
        for (logits, row) in rows.chunks_exact(S::LANES).zip(first..) {
            let (last, weight) = finals.at(row);
            short = simd.mul_add(weight, simd.sub(last, simd.load(logits)), short);
        }
        sum = simd.add(sum, short);
    }
    sum
}

/// The divergence of one final readout to another.
struct BetweenFinals<'a> {
    kept: &'a mut Kept,
    lane: usize,
    final_lane: usize,
    n_rows: usize,
}

impl<S: Simd> Task<S> for BetweenFinals<'_> {
    #[inline(always)]
    fn run(self, simd: S) {
        // The logits and weights past the last row are zero.
        let rows = self.n_rows.next_multiple_of(S::LANES);
        let (own, _) = self.kept.finals.of(self.lane, rows);
        let (last, weight) = self.kept.finals.of(self.final_lane, rows);
        let mut sum = simd.splat(0.0);
        for row in (0..rows).step_by(S::LANES) {
            let difference = simd.sub(simd.load(&last[row..]), simd.load(&own[row..]));
            sum = simd.mul_add(simd.load(&weight[row..]), difference, sum);
        }
        let mut by_lane = [0.0; MAX_LANES];
        simd.store(sum, &mut by_lane);
        let sum = by_lane[..S::LANES].iter().copied().map(f64::from).sum();
        self.kept.add_divergence(self.lane, self.final_lane, sum);
    }
}
