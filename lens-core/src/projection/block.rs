//! How a block of vocabulary rows meets the panels: the seam between the sweep and a kernel's own loops.

use super::simd::{Cells, Product};
use super::tile::Fill;

/// The product of blocks of rows with panels, on one thread.
///
/// For every block, [`hold`](Self::hold) once, then [`fill`](Self::fill) for each panel. The bits of a logit are those of
/// its row and its readout alone, whatever block, panel or lane they are in.
pub(super) trait BlockProduct<W>: Cells<W> {
    /// Bytes of weights in a block: with a panel and the scratch, they share the L2 cache.
    const BLOCK_BYTES: usize;
    /// Rows of a block are a multiple of this, itself a multiple of the rows of every tile and vector.
    const BLOCK_ROWS: usize;
    /// Whether a second pass had better read logits that the first one left in memory than multiply again.
    const PRODUCT_COSTS_MORE_THAN_MEMORY: bool = true;
    /// What a thread keeps of the block at hand.
    type Held: Default + Send;

    /// Prepares for the block `rows`, `[n_rows, d_model]`, which as many as `panels` will be filled from.
    fn hold(self, held: &mut Self::Held, rows: &[W], d_model: usize, panels: usize);

    /// Multiplies the rows that were held last with a panel.
    fn fill(self, held: &Self::Held, fill: Fill<'_, W>);
}

/// Tiles in vector registers, straight from the rows.
impl<W: Copy, S: Product<W>> BlockProduct<W> for S {
    // 1 MB of L2.
    const BLOCK_BYTES: usize = 384 << 10;
    const BLOCK_ROWS: usize = 48;
    type Held = ();

    fn hold(self, _held: &mut (), _rows: &[W], _d_model: usize, _panels: usize) {}

    fn fill(self, _held: &(), fill: Fill<'_, W>) {
        self.run(fill);
    }
}
