//! Both ends of the vocabulary: the largest and the smallest logits of every readout, and nothing else.
//!
//! The second list costs one more comparison of logits that are at hand; projecting the negated vectors would cost the
//! product once more. Without sums there is no `exp` either: a sweep is the product and two comparisons.

use super::panel::Panel;
use super::simd::{Simd, Task};
use super::sweep::{Block, Pass};
use super::topk::{SharedBound, TopK};

/// What the pass is asked.
pub(super) struct Ends {
    /// Lanes, unused ones included.
    pub(super) lanes: usize,
    /// Candidates to keep at each end.
    pub(super) k: usize,
    /// Per lane that holds a readout, for its largest logits and for its smallest, negated.
    pub(super) bounds: Vec<[SharedBound; 2]>,
}

impl Ends {
    pub(super) fn new(readouts: usize, lanes: usize, k: usize) -> Self {
        let bounds = (0..readouts).map(|_| [SharedBound::none(), SharedBound::none()]).collect();
        Self { lanes, k, bounds }
    }
}

/// What is kept of a stretch of rows.
pub(super) struct Kept {
    /// Per lane that holds a readout: candidates for its largest logits and, negated, for its smallest.
    pub(super) ends: Vec<[TopK; 2]>,
    /// Per lane: 0, or NaN once a logit was NaN or infinite.
    pub(super) poison: Vec<f32>,
    /// Per end and lane: what a logit, or its negative, has to exceed.
    thresholds: [Vec<f32>; 2],
}

impl<S: Simd> Pass<S> for Ends {
    type Kept = Kept;

    fn begin(&self, _capacity: usize) -> Kept {
        let thresholds = [0, 1].map(|end| {
            let mut thresholds = vec![f32::INFINITY; self.lanes];
            if self.k > 0 {
                for (threshold, bounds) in thresholds.iter_mut().zip(&self.bounds) {
                    *threshold = bounds[end].threshold();
                }
            }
            thresholds
        });
        Kept {
            ends: self.bounds.iter().map(|_| [TopK::default(), TopK::default()]).collect(),
            poison: vec![0.0; self.lanes],
            thresholds,
        }
    }

    fn take(&self, simd: S, kept: &mut Kept, panel: Panel<'_>, block: Block<'_>) {
        simd.run(TakePanel { k: self.k, kept, panel, block });
    }

    fn end(&self, kept: &mut Kept) {
        kept.thresholds = [Vec::new(), Vec::new()];
        for (ends, bounds) in kept.ends.iter_mut().zip(&self.bounds) {
            for (end, bound) in ends.iter_mut().zip(bounds) {
                if let Some(kth) = end.compact(self.k) {
                    bound.raise(kth);
                }
            }
        }
    }
}

/// All columns of a panel.
struct TakePanel<'a> {
    k: usize,
    kept: &'a mut Kept,
    panel: Panel<'a>,
    block: Block<'a>,
}

impl<S: Simd> Task<S> for TakePanel<'_> {
    #[inline(always)]
    fn run(self, simd: S) {
        let Self { k, kept, panel, block } = self;
        for within in 0..panel.columns {
            let first_lane = (panel.first_column + within) * S::LANES;
            let z = &block.z[within * block.capacity * S::LANES..][..block.n_rows * S::LANES];
            take_column(simd, k, kept, first_lane, block.first_row, z);
        }
    }
}

/// One column of logits: those beyond a threshold go to their lists.
#[inline(always)]
fn take_column<S: Simd>(simd: S, k: usize, kept: &mut Kept, first_lane: usize, first_row: usize, z: &[f32]) {
    let zero = simd.splat(0.0);
    let mut poison = simd.load(&kept.poison[first_lane..]);
    let [mut above, mut below] = [0, 1].map(|end| simd.load(&kept.thresholds[end][first_lane..]));
    for (row, logits) in z.chunks_exact(S::LANES).enumerate() {
        let values = simd.load(logits);
        // z - z is NaN for what is not finite.
        poison = simd.add(poison, simd.sub(values, values));
        let negated = simd.sub(zero, values);
        let larger = simd.bits(simd.greater(values, above));
        let smaller = simd.bits(simd.greater(negated, below));
        if larger | smaller != 0 {
            let row = (first_row + row) as u32;
            push(kept, (0, k), first_lane, larger, |lane| (logits[lane], row));
            push(kept, (1, k), first_lane, smaller, |lane| (-logits[lane], row));
            [above, below] = [0, 1].map(|end| simd.load(&kept.thresholds[end][first_lane..]));
        }
    }
    simd.store(poison, &mut kept.poison[first_lane..]);
}

/// Adds a row's candidate to the lists of the lanes that `bits` names.
#[inline(always)]
fn push(
    kept: &mut Kept,
    (end, k): (usize, usize),
    first_lane: usize,
    mut bits: u32,
    candidate: impl Fn(usize) -> (f32, u32),
) {
    while bits != 0 {
        let lane = bits.trailing_zeros() as usize;
        bits &= bits - 1;
        if let Some(kth) = kept.ends[first_lane + lane][end].push(k, candidate(lane)) {
            kept.thresholds[end][first_lane + lane] = kth;
        }
    }
}
