//! Second pass: distances to the final readout that need both distributions normalised.
//!
//! With m = (p + q) / 2 and u = (p - q) / (p + q), a term of the Jensen-Shannon divergence is
//! `m / 2 * ((1 + u) ln(1 + u) + (1 - u) ln(1 - u))`, even in u and about u² near 0, and a term of the
//! total variation is `|p - q| / 2`.

use super::exp::{exp, ln};
use super::panel::{Group, Panel};
use super::simd::{MAX_LANES, Simd, Task};
use super::stats::{Finals, Run};
use super::sweep::{Block, Pass};

/// What the pass is asked.
pub(super) struct Distances<'a> {
    pub(super) group: &'a Group,
    pub(super) runs: &'a [Vec<Run>],
    /// Per lane: the largest logit m, and 1 / Σ e^(z - m).
    pub(super) reference: &'a [f32],
    pub(super) factor: &'a [f32],
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
                simd.run(BetweenFinals { kept, lane, final_lane: final_lane as usize, n_rows });
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
            let reference = simd.load(&pass.reference[first_lane..]);
            let factor = simd.load(&pass.factor[first_lane..]);
            for run in &pass.runs[column] {
                let (_, probabilities) = kept.finals.of(run.final_lane, block.n_rows);
                let (mut js, mut tv) = (simd.splat(0.0), simd.splat(0.0));
                for (logits, &p) in z.chunks_exact(S::LANES).zip(probabilities) {
                    let q = simd.mul(exp(simd, simd.sub(simd.load(logits), reference)), factor);
                    (js, tv) = add_terms(simd, simd.splat(p), q, (js, tv));
                }
                let mut by_lane = [[0.0; MAX_LANES]; 2];
                simd.store(js, &mut by_lane[0]);
                simd.store(tv, &mut by_lane[1]);
                for &lane in &run.lanes {
                    kept.jensen_shannon[first_lane + lane] += f64::from(by_lane[0][lane]);
                    kept.total_variation[first_lane + lane] += f64::from(by_lane[1][lane]);
                }
            }
        }
    }
}

struct BetweenFinals<'a> {
    kept: &'a mut Kept,
    lane: usize,
    final_lane: usize,
    n_rows: usize,
}

impl<S: Simd> Task<S> for BetweenFinals<'_> {
    #[inline(always)]
    fn run(self, simd: S) {
        // The probabilities past the last row are zero, and so are their terms.
        let rows = self.n_rows.next_multiple_of(S::LANES);
        let (_, own) = self.kept.finals.of(self.lane, rows);
        let (_, last) = self.kept.finals.of(self.final_lane, rows);
        let mut sums = (simd.splat(0.0), simd.splat(0.0));
        for row in (0..rows).step_by(S::LANES) {
            sums = add_terms(simd, simd.load(&last[row..]), simd.load(&own[row..]), sums);
        }
        let mut by_lane = [[0.0; MAX_LANES]; 2];
        simd.store(sums.0, &mut by_lane[0]);
        simd.store(sums.1, &mut by_lane[1]);
        let sum = |values: &[f32]| -> f64 { values.iter().copied().map(f64::from).sum() };
        self.kept.jensen_shannon[self.lane] += sum(&by_lane[0][..S::LANES]);
        self.kept.total_variation[self.lane] += sum(&by_lane[1][..S::LANES]);
    }
}

/// Adds the terms of two probabilities to the sums of both distances.
#[inline(always)]
fn add_terms<S: Simd>(simd: S, p: S::V, q: S::V, (js, tv): (S::V, S::V)) -> (S::V, S::V) {
    let (one, half) = (simd.splat(1.0), simd.splat(0.5));
    let both = simd.add(p, q);
    let difference = simd.sub(p, q);
    let tiny = simd.splat(f32::MIN_POSITIVE);
    let u = simd.div(difference, simd.max(both, tiny));
    let square = simd.mul(u, u);
    // Σ u^2n / (n (2n - 1)), good below u² = 1/4.
    let mut near = simd.splat(1.0 / 190.0);
    for n in (1..10).rev() {
        near = simd.mul_add(near, square, simd.splat(1.0 / (n * (2 * n - 1)) as f32));
    }
    let near = simd.mul(near, square);
    let (up, down) = (simd.add(one, u), simd.sub(one, u));
    let far = simd.add(entropic(simd, up), entropic(simd, down));
    let term = simd.select(simd.greater(square, simd.splat(0.25)), far, near);
    let quarter = simd.splat(0.25);
    let js = simd.mul_add(simd.mul(both, quarter), term, js);
    let tv = simd.mul_add(simd.sub(simd.splat(0.0), simd.neg_abs(difference)), half, tv);
    (js, tv)
}

/// x ln x, and 0 at 0. Not a closure: one that is not inlined is compiled without the instructions of `S`.
#[inline(always)]
fn entropic<S: Simd>(simd: S, x: S::V) -> S::V {
    simd.mul(x, ln(simd, simd.max(x, simd.splat(f32::MIN_POSITIVE))))
}
