//! A block's rows as the tiles read them: in their own place, or copied tile by tile.

use half::bf16;

use super::super::simd::amxbf16::AmxBf16;
use super::super::simd::{Simd, Task};
use super::tiles::{PAIRS, Side, TILE_ROWS};

/// Weights of a row in one step: a row of a tile.
pub(super) const STEP_WEIGHTS: usize = 2 * PAIRS;

/// From this many bytes on, rows lie too far apart to be read in place: every row of a tile is on a page of its own, and
/// at the usual multiples of 4 KB all of them compete for one set of the L1 cache.
const FAR_APART: usize = 4096;

/// One row of a tile.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([bf16; STEP_WEIGHTS]);

/// Where the weights of the block at hand are read: steps before `copied_from` in place, the rest in `lines`.
#[derive(Default)]
pub(in super::super) struct Held {
    n_rows: usize,
    d_model: usize,
    /// First step of which there are copies.
    copied_from: usize,
    /// `[row tiles][steps that are copied][TILE_ROWS]`; whatever is past the last row and past the last weight is zero.
    lines: Vec<Line>,
}

/// Steps of one row, the last one possibly padded.
fn steps_of(d_model: usize) -> usize {
    d_model.div_ceil(STEP_WEIGHTS)
}

/// The first step to copy. What panels there are decides it: each of them reads all weights of the block, so that a copy
/// pays as soon as there are two; and a last step with fewer weights than a tile is wide has to be padded in any case.
fn first_to_copy(d_model: usize, panels: usize) -> usize {
    let in_place = panels < 2 && d_model * size_of::<bf16>() < FAR_APART;
    if in_place { d_model / STEP_WEIGHTS } else { 0 }
}

impl Held {
    /// Takes up a block of rows, `[n_rows, d_model]`, for so many panels.
    pub(super) fn hold(&mut self, simd: AmxBf16, rows: &[bf16], d_model: usize, panels: usize) {
        self.n_rows = rows.len() / d_model;
        self.d_model = d_model;
        self.copied_from = first_to_copy(d_model, panels);
        let copied = steps_of(d_model) - self.copied_from;
        let lines = self.n_rows.div_ceil(TILE_ROWS) * copied * TILE_ROWS;
        self.lines.resize(lines, Line([bf16::ZERO; STEP_WEIGHTS]));
        if copied > 0 {
            let first_weight = self.copied_from * STEP_WEIGHTS;
            simd.run(Copy { rows, d_model, first_weight, copied, lines: &mut self.lines });
        }
    }

    /// Rows and width of the block.
    pub(super) fn shape(&self) -> (usize, usize) {
        (self.n_rows, self.d_model)
    }

    /// The steps, in order, by where their weights are: the first of them and their number, and the weights of the first
    /// one in the block's first row. `rows` are those that are held.
    pub(super) fn parts(&self, rows: &[bf16]) -> [(usize, usize, Side); 2] {
        let copied = steps_of(self.d_model) - self.copied_from;
        let row = self.d_model * size_of::<bf16>();
        let (line, tile) = (size_of::<Line>(), size_of::<Line>() * TILE_ROWS);
        let in_place = Side { at: rows.as_ptr().cast(), row, step: line, tile: row * TILE_ROWS };
        let copies = Side { at: self.lines.as_ptr().cast(), row: line, step: tile, tile: tile * copied };
        [(0, self.copied_from, in_place), (self.copied_from, copied, copies)]
    }
}

/// Copies rows, from a weight on, into tiles.
struct Copy<'a> {
    rows: &'a [bf16],
    d_model: usize,
    first_weight: usize,
    copied: usize,
    lines: &'a mut [Line],
}

impl Task<AmxBf16> for Copy<'_> {
    #[inline(always)]
    fn run(self, _simd: AmxBf16) {
        let tiles = self.lines.chunks_exact_mut(self.copied * TILE_ROWS);
        for (rows, lines) in self.rows.chunks(self.d_model * TILE_ROWS).zip(tiles) {
            for (r, row) in rows.chunks_exact(self.d_model).enumerate() {
                let (whole, rest) = row[self.first_weight..].as_chunks::<STEP_WEIGHTS>();
                for (step, weights) in whole.iter().enumerate() {
                    lines[step * TILE_ROWS + r].0 = *weights;
                }
                if !rest.is_empty() {
                    let line = &mut lines[whole.len() * TILE_ROWS + r].0;
                    line[..rest.len()].copy_from_slice(rest);
                    line[rest.len()..].fill(bf16::ZERO);
                }
            }
            // Rows of the last tile that there are none for keep what an earlier block left there: no tile reads them.
        }
    }
}
