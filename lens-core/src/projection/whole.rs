//! Whole rows of logits, for what has to hold two distributions side by side.
//!
//! Everything else in this module keeps a few sums of a readout. Where the readouts of two models are compared, their rows
//! come from two matrices, of two dtypes and with two kernels, so that no sweep meets both: the caller asks for few
//! enough readouts that their rows fit, and drops them.

use super::panel::Panel;
use super::simd::Simd;
use super::sweep::{Block, Pass};

/// What the pass is asked: nothing but how many readouts there are.
pub(super) struct Rows {
    /// Lanes that hold a readout.
    pub(super) readouts: usize,
}

/// The logits of a stretch of rows, lane by lane.
pub(super) struct Kept {
    /// Per lane that holds a readout.
    pub(super) logits: Vec<Vec<f32>>,
}

impl<S: Simd> Pass<S> for Rows {
    type Kept = Kept;

    fn begin(&self, capacity: usize) -> Kept {
        Kept { logits: (0..self.readouts).map(|_| Vec::with_capacity(capacity)).collect() }
    }

    fn take(&self, _simd: S, kept: &mut Kept, panel: Panel<'_>, block: Block<'_>) {
        for within in 0..panel.columns {
            let first_lane = (panel.first_column + within) * S::LANES;
            let z = &block.z[within * block.capacity * S::LANES..][..block.n_rows * S::LANES];
            for (lane, logits) in kept.logits.iter_mut().skip(first_lane).take(S::LANES).enumerate() {
                logits.extend(z.iter().skip(lane).step_by(S::LANES));
            }
        }
    }
}
