//! A block's rows as the tiles read them: in their own place, or copied tile by tile.

use half::bf16;

use super::super::simd::{Simd, Task};
use super::tiles::{Ahead, PAIRS, ROW_BYTES, Side, TILE_ROWS};

/// Weights of a row in one step: a row of a tile.
pub(super) const STEP_WEIGHTS: usize = 2 * PAIRS;

/// From this many bytes on, rows lie too far apart to be read in place: every row of a tile is on a page of its own, and
/// at the usual multiples of 4 KB all of them compete for one set of the L1 cache.
const FAR_APART: usize = 4096;

/// Most steps of a panel between one row and the next: with two columns 32 KB, which the L1 cache keeps while rows go by.
const SPAN: usize = 16;

/// One row of a tile.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([bf16; STEP_WEIGHTS]);

/// Where the weights of the block at hand are read: steps before `copied_from` in place, the rest in `lines`.
#[derive(Default)]
pub(in super::super) struct Held {
    n_rows: usize,
    d_model: usize,
    /// Panels that the block will be filled from.
    panels: usize,
    /// First step of which there are copies.
    copied_from: usize,
    /// `[row tiles][steps that are copied][TILE_ROWS]`; whatever is past the last row and past the last weight is zero.
    lines: Vec<Line>,
}

/// Steps of one row, the last one possibly padded.
fn steps_of(d_model: usize) -> usize {
    d_model.div_ceil(STEP_WEIGHTS)
}

/// The first step to copy. The number of panels decides it: each of them reads all weights of the block, so that a copy
/// pays as soon as there are two; and a last step with fewer weights than a tile is wide has to be padded in any case.
fn first_to_copy(d_model: usize, panels: usize) -> usize {
    let in_place = panels < 2 && d_model * size_of::<bf16>() < FAR_APART;
    if in_place { d_model / STEP_WEIGHTS } else { 0 }
}

/// Steps whose weights lie alike.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// The first of them among a row's.
    pub(super) first: usize,
    pub(super) steps: usize,
    /// Most steps to take before the next rows.
    pub(super) span: usize,
    /// The weights of the first step in the block's first row.
    pub(super) weights: Side,
    /// What the first product of tiles asks for; each pair of tiles has its own share.
    pub(super) ahead: Ahead,
}

impl Part {
    /// What the products of a pair of tiles ask for from a step on.
    pub(super) fn ahead(&self, tile: usize, step: usize) -> Ahead {
        let steps = tile / 2 * self.steps + step;
        Ahead { at: self.ahead.at.wrapping_add(steps * self.ahead.lines * ROW_BYTES), ..self.ahead }
    }
}

impl Held {
    /// Takes up a block of rows, `[n_rows, d_model]`, for so many panels.
    pub(super) fn hold<S: Simd>(&mut self, simd: S, rows: &[bf16], d_model: usize, panels: usize) {
        self.n_rows = rows.len() / d_model;
        self.d_model = d_model;
        self.panels = panels;
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

    /// All steps of the block, in order, for the panel of that number. `rows` are those that are held.
    ///
    /// In place, the steps of a pair of tiles ask for the next pair's rows, and follow each other to the end of the
    /// row, so that rows are read from memory in their order. Of copies, a span of the panel stays in the L1 cache while
    /// all rows go by, and all panels together ask for the next block's rows, each for its share.
    pub(super) fn parts(&self, rows: &[bf16], panel: usize) -> [Part; 2] {
        let copied = steps_of(self.d_model) - self.copied_from;
        let row = self.d_model * size_of::<bf16>();
        let (line, tile) = (size_of::<Line>(), size_of::<Line>() * TILE_ROWS);
        let start: *const u8 = rows.as_ptr().cast();
        // Fewer rows than a pair has are the vocabulary's last, or a tracked token's.
        let followed = self.n_rows >= 2 * TILE_ROWS;
        let in_place = Part {
            first: 0,
            steps: self.copied_from,
            span: usize::MAX,
            weights: Side { at: start, row, step: line, tile: row * TILE_ROWS },
            ahead: Ahead {
                at: start.wrapping_add(2 * TILE_ROWS * row),
                lines: if followed { 2 * TILE_ROWS } else { 0 },
            },
        };
        // A step of all pairs, for all panels, asks for as many lines as it has.
        let lines = (2 * TILE_ROWS).div_ceil(self.panels.max(1));
        let share = self.n_rows.div_ceil(2 * TILE_ROWS) * copied * lines * ROW_BYTES;
        let next_block = start.wrapping_add(self.n_rows * row);
        let copies = Part {
            first: self.copied_from,
            steps: copied,
            span: SPAN,
            weights: Side { at: self.lines.as_ptr().cast(), row: line, step: tile, tile: tile * copied },
            ahead: Ahead {
                at: next_block.wrapping_add(panel * share),
                // Where most steps are in place, those have asked for the rows.
                lines: if followed && self.copied_from == 0 { lines } else { 0 },
            },
        };
        [in_place, copies]
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

impl<S: Simd> Task<S> for Copy<'_> {
    #[inline(always)]
    fn run(self, _simd: S) {
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

#[cfg(test)]
mod tests {
    use super::super::super::simd::plain::Lanes;
    use super::*;

    fn rows(n_rows: usize, d_model: usize) -> Vec<bf16> {
        (0..n_rows * d_model).map(|i| bf16::from_f32((i % 251) as f32 + 1.0)).collect()
    }

    /// Copies are the weights and zeros past the last one, whatever was held before.
    #[test]
    fn a_block_leaves_nothing_to_the_next() {
        let mut held = Held::default();
        for (n_rows, d_model, panels) in [(40, 64, 2), (33, 33, 1), (16, 97, 3), (5, 31, 1), (50, 5000, 1)] {
            held.hold(Lanes::<4>, &[bf16::NAN; 64 * 64], 64, 2);
            let rows = rows(n_rows, d_model);
            held.hold(Lanes::<4>, &rows, d_model, panels);
            let [in_place, copies] = held.parts(&rows, 0);
            assert_eq!((in_place.steps, copies.first), (held.copied_from, held.copied_from));
            assert_eq!(in_place.steps + copies.steps, d_model.div_ceil(STEP_WEIGHTS));
            for (r, row) in rows.chunks(d_model).enumerate() {
                for step in 0..copies.steps {
                    let place = (r / TILE_ROWS * copies.steps + step) * TILE_ROWS + r % TILE_ROWS;
                    let first = (copies.first + step) * STEP_WEIGHTS;
                    let mut expected = [bf16::ZERO; STEP_WEIGHTS];
                    let length = STEP_WEIGHTS.min(d_model - first);
                    expected[..length].copy_from_slice(&row[first..first + length]);
                    assert_eq!(held.lines[place].0, expected, "row {r}, step {step} of {n_rows} x {d_model}");
                }
            }
        }
    }

    #[test]
    fn rows_are_copied_for_two_panels_or_where_they_lie_far_apart() {
        assert_eq!([first_to_copy(896, 1), first_to_copy(896, 2), first_to_copy(2048, 1)], [28, 0, 0]);
        assert_eq!([first_to_copy(897, 1), first_to_copy(31, 1)], [28, 0]);
    }

    /// All pairs of all panels together ask for every line of the next block.
    #[test]
    fn the_next_block_is_asked_for_whole() {
        for panels in [1, 2, 3, 5, 33] {
            let (n_rows, d_model) = (64, 4096);
            let rows = rows(n_rows, d_model);
            let mut held = Held::default();
            held.hold(Lanes::<4>, &rows, d_model, panels);
            let next = rows.as_ptr_range().end.cast::<u8>();
            let mut reached = 0;
            for panel in 0..panels {
                let [_, part] = held.parts(&rows, panel);
                for tile in (0..4).step_by(2) {
                    let ahead = part.ahead(tile, 0);
                    assert_eq!(ahead.at, next.wrapping_add(reached));
                    reached += part.steps * ahead.lines * ROW_BYTES;
                }
            }
            assert!(reached >= size_of_val(rows.as_slice()), "{panels} panels: {reached} bytes");
        }
    }
}
