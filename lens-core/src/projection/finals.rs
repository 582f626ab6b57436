//! The final readouts of a block, at hand before anybody is compared with them.

use super::exp::exp;
use super::panel::{Panel, offset_in_block};
use super::simd::Simd;
use super::sweep::Block;

/// Logits of the final readouts in one block, `[n_finals, capacity]`, and what goes with each: its
/// `e^(f - m_f)` or its probability.
pub(super) struct Finals {
    pub(super) capacity: usize,
    pub(super) z: Vec<f32>,
    pub(super) weight: Vec<f32>,
}

impl Finals {
    /// Room for the finals of a block.
    pub(super) fn new(n_finals: usize, capacity: usize) -> Self {
        Self { capacity, z: vec![0.0; n_finals * capacity], weight: vec![0.0; n_finals * capacity] }
    }

    /// Takes the final in `lane` from a block, with the weights `e^(f - reference) * factor`.
    #[inline(always)]
    pub(super) fn take<S: Simd>(
        &mut self,
        simd: S,
        (panel, block): (&Panel<'_>, &Block<'_>),
        lane: usize,
        (reference, factor): (f32, f32),
    ) {
        let from = &block.z[offset_in_block::<S>(panel, block.capacity, lane)..];
        let z = &mut self.z[lane * self.capacity..][..self.capacity];
        for (row, z) in z[..block.n_rows].iter_mut().enumerate() {
            *z = from[row * S::LANES];
        }
        z[block.n_rows..].fill(0.0);
        let weight = &mut self.weight[lane * self.capacity..][..self.capacity];
        for (weight, z) in weight.chunks_exact_mut(S::LANES).zip(z.chunks_exact(S::LANES)) {
            let e = exp(simd, simd.sub(simd.load(z), simd.splat(reference)));
            simd.store(simd.mul(e, simd.splat(factor)), weight);
        }
        weight[block.n_rows..].fill(0.0);
    }

    /// Logits and weights of the final in `lane`.
    #[inline(always)]
    pub(super) fn of(&self, lane: usize, n_rows: usize) -> (&[f32], &[f32]) {
        let rows = lane * self.capacity..lane * self.capacity + n_rows;
        (&self.z[rows.clone()], &self.weight[rows])
    }
}
