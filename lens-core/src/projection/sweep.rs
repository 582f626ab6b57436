//! The sweep: all vocabulary rows past all panels of a group, block by block.
//!
//! ```text
//! for each stretch of rows (in parallel; results kept in order)
//!   for each block of the stretch             the block's weights fit L2: read from memory once,
//!     hold                                    copied, where that pays, to where the tiles like them,
//!     for each panel                          and used by every panel
//!       fill   z = rows · panel               tiles in registers, logits into a scratch in cache
//!       finish z = post(z + bias)
//!       pass   what is kept of z              statistics in registers, one vector of lanes at a time
//! ```
//!
//! Blocks and stretches depend on the unembedding's shape alone, never on the number of threads or readouts.

use rayon::prelude::*;

use super::block::BlockProduct;
use super::exp::tanh;
use super::job::Post;
use super::panel::{Panel, Panels};
use super::simd::{Simd, Task};
use super::tile::Fill;

/// A block's logits are to stay in cache too.
const MAX_BLOCK_ROWS: usize = 288;
/// About as many stretches as a vocabulary is cut into: enough for many cores, few enough to merge.
const STRETCHES: usize = 128;

/// Rows, bias and post-processing of an unembedding whose dtype is settled.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a, W> {
    /// `[n_vocab, d_model]`
    pub(super) rows: &'a [W],
    pub(super) d_model: usize,
    pub(super) bias: Option<&'a [f32]>,
    pub(super) post: Post,
}

impl<W: Copy> Matrix<'_, W> {
    /// The rows `first .. first + n_rows`.
    fn block(&self, (first, n_rows): (usize, usize)) -> &[W] {
        &self.rows[first * self.d_model..(first + n_rows) * self.d_model]
    }

    /// Logits of one row, after `post`, for one panel: `[columns, LANES]`.
    pub(super) fn logits_of_row<S: BlockProduct<W>>(
        &self,
        simd: S,
        row: usize,
        panel: Panel<'_>,
    ) -> Vec<f32> {
        let mut held = S::Held::default();
        simd.hold(&mut held, self.block((row, 1)), self.d_model, 1);
        let mut z = vec![0.0; panel.columns * S::LANES];
        self.logits(simd, &held, (row, 1), panel, 1, &mut z);
        z
    }

    /// Logits of the rows `first .. first + n_rows`, which are `held`, after `post`, for one panel: into `z`, laid out
    /// as by [`Fill`] with room for `capacity` rows.
    fn logits<S: BlockProduct<W>>(
        &self,
        simd: S,
        held: &S::Held,
        (first, n_rows): (usize, usize),
        panel: Panel<'_>,
        capacity: usize,
        z: &mut [f32],
    ) {
        let rows = self.block((first, n_rows));
        simd.fill(held, Fill { rows, d_model: self.d_model, panel, capacity, z });
        if self.bias.is_some() || self.post != Post::default() {
            let bias = self.bias.map(|bias| &bias[first..first + n_rows]);
            for column in 0..panel.columns {
                let z = &mut z[column * capacity * S::LANES..][..n_rows * S::LANES];
                simd.run(Finish { bias, post: self.post, z });
            }
        }
    }
}

/// Adds the bias and applies `post` to one column of logits.
struct Finish<'a> {
    bias: Option<&'a [f32]>,
    post: Post,
    z: &'a mut [f32],
}

impl<S: Simd> Task<S> for Finish<'_> {
    #[inline(always)]
    fn run(self, simd: S) {
        let scale = simd.splat(self.post.scale);
        for (row, logits) in self.z.chunks_exact_mut(S::LANES).enumerate() {
            let mut z = simd.load(logits);
            if let Some(bias) = self.bias {
                z = simd.add(z, simd.splat(bias[row]));
            }
            z = simd.mul(z, scale);
            if let Some(cap) = self.post.softcap {
                let cap = simd.splat(cap);
                // A cap would make an infinite logit finite; z - z is NaN for one, and 0 else.
                z = simd.mul_add(cap, tanh(simd, simd.div(z, cap)), simd.sub(z, z));
            }
            simd.store(z, logits);
        }
    }
}

/// The logits of one block and one panel.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    /// The vocabulary row of its first row.
    pub(super) first_row: usize,
    pub(super) n_rows: usize,
    /// Rows that a column has room for.
    pub(super) capacity: usize,
    /// `[columns, capacity, LANES]`
    pub(super) z: &'a [f32],
}

/// A reduction over the vocabulary, fed block by block.
pub(super) trait Pass<S>: Sync {
    /// What is kept of a stretch of rows.
    type Kept: Send;
    /// Nothing yet; `capacity` is the number of rows of a full block.
    fn begin(&self, capacity: usize) -> Self::Kept;
    /// Takes in the logits of one panel; panels come in order, and so do blocks.
    fn take(&self, simd: S, kept: &mut Self::Kept, panel: Panel<'_>, block: Block<'_>);
    /// After the last panel of a block.
    fn end_block(&self, _simd: S, _kept: &mut Self::Kept, _n_rows: usize) {}
    /// After the last block of a stretch.
    fn end(&self, _kept: &mut Self::Kept) {}
}

/// Runs `pass` over all rows and `panels`; returns what it kept of each stretch, in order.
pub(super) fn sweep<W: Copy + Sync, S: BlockProduct<W>, P: Pass<S>>(
    simd: S,
    matrix: &Matrix<'_, W>,
    panels: &Panels,
    pass: &P,
) -> Vec<P::Kept> {
    let n_vocab = matrix.rows.len() / matrix.d_model;
    let fitting = S::BLOCK_BYTES / (matrix.d_model * size_of::<W>());
    let capacity = (fitting / S::BLOCK_ROWS * S::BLOCK_ROWS).clamp(S::BLOCK_ROWS, MAX_BLOCK_ROWS);
    let stretch = n_vocab.div_ceil(capacity).div_ceil(STRETCHES) * capacity;
    (0..n_vocab.div_ceil(stretch))
        .into_par_iter()
        .map_init(S::Held::default, |held, index| {
            let mut kept = pass.begin(capacity);
            let mut z = vec![0.0; panels.widest() * capacity * S::LANES];
            let rows = index * stretch..((index + 1) * stretch).min(n_vocab);
            for first_row in rows.clone().step_by(capacity) {
                let n_rows = capacity.min(rows.end - first_row);
                simd.hold(held, matrix.block((first_row, n_rows)), matrix.d_model, panels.iter().len());
                for panel in panels.iter() {
                    matrix.logits(simd, held, (first_row, n_rows), panel, capacity, &mut z);
                    pass.take(simd, &mut kept, panel, Block { first_row, n_rows, capacity, z: &z });
                }
                pass.end_block(simd, &mut kept, n_rows);
            }
            pass.end(&mut kept);
            kept
        })
        .collect()
}
