//! The final readouts that the lanes of a column are compared with, row by row.
//!
//! Lanes with one final adjoin, so a column of lanes seldom meets more than two. Both go by in one pass, side by side in
//! the lanes of a vector, rather than in a pass each.

use super::finals::Finals;
use super::panel::Group;
use super::simd::Simd;

/// Lanes of one column that are compared with one final, or with two.
pub(super) struct Run {
    final_lanes: [usize; 2],
    /// 1 for the lanes of the second final, else 0.
    second: Vec<f32>,
    /// Each lane within the column, and the lane of its final.
    lanes: Vec<(usize, usize)>,
}

/// Per column, its lanes by their finals; lanes that are finals themselves are left out.
pub(super) fn runs<S: Simd>(group: &Group, n_columns: usize) -> Vec<Vec<Run>> {
    let mut runs: Vec<Vec<Run>> = (0..n_columns).map(|_| Vec::new()).collect();
    for (lane, &final_lane) in group.final_lanes.iter().enumerate().skip(group.n_finals) {
        let (column, within) = (&mut runs[lane / S::LANES], lane % S::LANES);
        let final_lane = final_lane as usize;
        match column.last_mut().filter(|run| run.takes(final_lane)) {
            Some(run) => run.push(within, final_lane),
            None => column.push(Run {
                final_lanes: [final_lane; 2],
                second: vec![0.0; S::LANES],
                lanes: vec![(within, final_lane)],
            }),
        }
    }
    runs
}

impl Run {
    /// Whether there is room for a lane with this final.
    fn takes(&self, final_lane: usize) -> bool {
        self.final_lanes.contains(&final_lane) || !self.has_two()
    }

    fn push(&mut self, within: usize, final_lane: usize) {
        if final_lane != self.final_lanes[0] {
            self.final_lanes[1] = final_lane;
            self.second[within] = 1.0;
        }
        self.lanes.push((within, final_lane));
    }

    pub(super) fn has_two(&self) -> bool {
        self.final_lanes[0] != self.final_lanes[1]
    }

    /// Each lane within the column, and the lane of its final.
    pub(super) fn lanes(&self) -> impl Iterator<Item = (usize, usize)> {
        self.lanes.iter().copied()
    }

    /// The finals of this run in a block of `n_rows`: `TWO` says what [`has_two`](Self::has_two) does.
    #[inline(always)]
    pub(super) fn beside<'f, S: Simd, const TWO: bool>(
        &self,
        simd: S,
        finals: &'f Finals,
        n_rows: usize,
    ) -> Beside<'f, S, TWO> {
        let second = simd.greater(simd.load(&self.second), simd.splat(0.0));
        Beside { simd, of: self.final_lanes.map(|lane| finals.of(lane, n_rows)), second }
    }
}

/// What every lane of a column is compared with.
#[derive(Clone, Copy)]
pub(super) struct Beside<'f, S: Simd, const TWO: bool> {
    simd: S,
    of: [(&'f [f32], &'f [f32]); 2],
    second: S::M,
}

impl<S: Simd, const TWO: bool> Beside<'_, S, TWO> {
    /// The logits of a row, and their weights.
    #[inline(always)]
    pub(super) fn at(&self, row: usize) -> (S::V, S::V) {
        let [(z, weight), (other_z, other_weight)] = self.of;
        if TWO {
            (self.either(z[row], other_z[row]), self.either(weight[row], other_weight[row]))
        } else {
            (self.simd.splat(z[row]), self.simd.splat(weight[row]))
        }
    }

    #[inline(always)]
    fn either(&self, first: f32, second: f32) -> S::V {
        self.simd.select(self.second, self.simd.splat(second), self.simd.splat(first))
    }
}
