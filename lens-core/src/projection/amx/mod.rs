//! The product through AMX: sixteen rows by sixteen readouts by thirty-two weights in one instruction.
//!
//! ```text
//!                        panel (panel.rs): [cells][columns][16], a cell is two values of a readout
//!                        B0: 16 cells of column 0     B1: of column 1
//!  A0: 16 rows, 32 w ->  C00 [16 rows][16 readouts]   C01        4 tiles loaded, 4 products a step
//!  A1: the next 16   ->  C10                          C11
//! ```
//!
//! Sixteen rows in their own place are a tile A whose rows are `2 d_model` bytes apart; sixteen cells of a packed panel are
//! a tile B; and a tile C is sixteen rows of the scratch, so that nothing after the product knows of tiles. Rows are
//! copied only where more than one panel reads them, or where they lie far apart (`held.rs`), which is done once a block.
//!
//! # Loops
//!
//! One panel alone is bound by memory: it reads rows in place, pair of tiles by pair, from end to end. Where there are
//! more, a block is copied once, and within a panel steps are cut into spans of at most 16; for each span, all rows go
//! by, two tiles at a time. So the span of the panel, at most 32 KB, stays in L1, and the copies stream from L2, each line
//! once: 32 bytes a cycle at the full rate of one product in 16 cycles. What that costs is a load and a store of
//! the sums for each further span.
//!
//! Memory does not wait for the products: every step asks for some cache lines of the rows that come next, in the order of
//! their addresses, and all steps of a block together for the whole next one. They come to L2, which every processor
//! with AMX has 2 MB of: room for two blocks of 512 KB, the scratch and some panels.
//!
//! # Order of operations
//!
//! For a step, that is 32 weights, `tdpbf16ps` forms in every element of C the sum of the products of even and that of odd
//! weights, each a chain of fused multiply-adds from zero, first to last; then it adds both, and what comes of it to the
//! sum of the steps before. All in float32, rounded to nearest even, with subnormal operands taken for zero and
//! subnormal results made zero (as `vdpbf16ps` does). A logit is a chain of steps, first to last, from zero. The last
//! step is padded with zeros, which change nothing. Where a span, a block or a panel ends does not matter to that
//! chain, since float32 sums go to the scratch and come back as they are: equal readouts get equal bits in any company, and
//! a row that is multiplied by itself, as for a tracked token, has the bits that it has in the sweep.
//!
//! That is also why the number of readouts never decides for another kernel: the same readout would have other bits in
//! another batch. Up to sixteen readouts are bound by memory here as well, with one product of tiles, 16 cycles,
//! for each kilobyte of weights. Who wants another kernel names it with `LENS_KERNEL`.
//!
//! Rows of float16 do not come here. `tdpfp16ps` would need readouts of float16, and the contract is that they stay in
//! float32.
//!
//! # Safety
//!
//! *Permission* is the process's and for good: [`AmxBf16`] cannot be had without it (`simd/grant.rs`).
//!
//! *Configuration* is the thread's. [`Tiles`] is a guard: made by `ldtilecfg`, dropped by `tilerelease`, tied to its
//! thread, alive only within [`fill_rows`]. In between are loops and products, nothing that could run another job on
//! this thread, so no two guards are ever alive there. A panic in between (there are only failed assertions) drops the
//! guard. Released tiles are in their initial state, which the operating system neither saves nor restores, and in which
//! the processor may save power. A signal that comes in between finds the tiles saved; a handler has its own. A library
//! that ran on this thread before may have left a configuration, on which it must not count: oneDNN, which libtorch
//! multiplies with, reads it back before it relies on it.
//!
//! *The compiler* knows of no tiles: it keeps nothing there that these blocks could destroy, and since all of them name
//! every tile as overwritten, it would know if it did. What lives in tiles from one `asm!` block to the next is the
//! configuration alone; sums live there only within one block. Blocks that write memory say so by not saying otherwise.
//!
//! *Memory*: a tile reads `rows` rows of 64 bytes and no byte more. Rows in place are read only in whole steps, so that no
//! load reaches past the last weight of a row; a ragged last tile is configured with fewer rows.
#![allow(unsafe_code)]

mod held;
mod tiles;

use half::bf16;

use self::held::{Held, Part, STEP_WEIGHTS};
use self::tiles::{LANES, PAIRS, ROW_BYTES, Sums, TILE_ROWS, Term, Tiles};
use super::block::BlockProduct;
use super::simd::Simd;
use super::simd::amxbf16::AmxBf16;
use super::tile::Fill;

impl<V: Simd> BlockProduct<bf16> for AmxBf16<V> {
    const BLOCK_BYTES: usize = 512 << 10;
    // Two pairs of tiles for each span of a panel, however wide the rows.
    const BLOCK_ROWS: usize = 4 * TILE_ROWS;
    // Sixteen products of 32 weights take sixteen cycles: a logit is multiplied in about the time that it takes to be
    // written to memory and read again.
    const PRODUCT_COSTS_MORE_THAN_MEMORY: bool = false;
    type Held = Held;

    fn hold(self, held: &mut Held, rows: &[bf16], d_model: usize, panels: usize) {
        held.hold(self, rows, d_model, panels);
    }

    fn fill(self, held: &Held, fill: Fill<'_, bf16>) {
        let n_rows = fill.rows.len() / fill.d_model;
        let columns = fill.panel.columns;
        let cells = fill.d_model.div_ceil(STEP_WEIGHTS) * PAIRS;
        assert_eq!(fill.rows.len(), n_rows * fill.d_model, "a block is whole rows");
        assert_eq!(held.shape(), (n_rows, fill.d_model), "the block is the one that is held");
        assert!(n_rows <= fill.capacity, "a block fits its scratch");
        assert!(fill.z.len() >= columns * fill.capacity * LANES, "so do its columns");
        assert_eq!(V::LANES, LANES, "a column is as wide as a tile");
        assert!(columns == 1 || columns == 2, "a panel is one or two columns");
        assert_eq!(fill.panel.cells.len(), cells * columns * LANES, "a panel has all its cells");
        let work = Work {
            parts: held.parts(fill.rows, fill.panel.first_column / 2),
            panel: fill.panel.cells.as_ptr(),
            columns,
            z: fill.z.as_mut_ptr(),
            column: fill.capacity * ROW_BYTES,
        };
        // SAFETY: the assertions above are what `fill_rows` asks for.
        unsafe { fill_rows(self, work, n_rows) };
    }
}

/// What a fill reads and writes.
#[derive(Clone, Copy)]
struct Work {
    parts: [Part; 2],
    /// `[cells][columns][LANES]`
    panel: *const f32,
    columns: usize,
    /// `[columns][capacity][LANES]`
    z: *mut f32,
    /// Bytes of a column of `z`.
    column: usize,
}

/// Tiles in pairs, then a single one, then a ragged one.
///
/// # Safety
/// Weights of `n_rows` rows, the panel's cells for all steps, and room for `n_rows` sums in each column are there.
unsafe fn fill_rows<V: Simd>(granted: AmxBf16<V>, work: Work, n_rows: usize) {
    let (whole, ragged) = (n_rows / TILE_ROWS, n_rows % TILE_ROWS);
    if whole > 0 {
        let tiles = Tiles::configure(granted, TILE_ROWS);
        // SAFETY: as granted, and so many tiles are whole.
        unsafe { fill_tiles(&tiles, work, 0..whole) };
    }
    if ragged > 0 {
        let tiles = Tiles::configure(granted, ragged);
        // SAFETY: as granted; the tile after the whole ones has as many rows as the tiles are configured for.
        unsafe { fill_tiles(&tiles, work, whole..whole + 1) };
    }
}

/// All steps, span by span, of some tiles of rows.
///
/// # Safety
/// As for [`fill_rows`], and each of these tiles of rows has the rows that `tiles` is configured for.
unsafe fn fill_tiles(tiles: &Tiles, work: Work, row_tiles: std::ops::Range<usize>) {
    for part in work.parts {
        for (span, steps) in spans(part.steps, part.span) {
            let add = part.first + span > 0;
            let readouts = work.panel.wrapping_add((part.first + span) * PAIRS * work.columns * LANES);
            for tile in row_tiles.clone().step_by(2) {
                let sums = Sums { at: work.z.wrapping_add(tile * TILE_ROWS * LANES), column: work.column };
                let (weights, ahead) = (part.weights.from(tile, span), part.ahead(tile, span));
                let term = Term { weights, readouts, sums, ahead, steps, add };
                let pair = tile + 1 < row_tiles.end;
                // SAFETY: as granted: these row tiles, columns and steps are there.
                unsafe {
                    match (pair, work.columns) {
                        (true, 2) => tiles.two_by_two(term),
                        (true, _) => tiles.two_by_one(term),
                        (false, 2) => tiles.one_by_two(term),
                        (false, _) => tiles.one_by_one(term),
                    }
                }
            }
        }
    }
}

/// Cuts steps into spans of about equal length, at most `longest`: the first step and the length of each.
fn spans(steps: usize, longest: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = steps.div_ceil(longest);
    (0..count).map(move |index| {
        let (from, to) = (index * steps / count, (index + 1) * steps / count);
        (from, to - from)
    })
}
