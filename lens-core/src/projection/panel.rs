//! Which lane a readout takes, and the readouts packed lane by lane.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::simd::{Cells, Simd};

/// Readouts that are swept together, in the order of their lanes.
///
/// Distinct final readouts come first, then the others, sorted by the final that they are compared with:
/// a final's logits of a block are at hand before anybody needs them, and lanes with one final adjoin.
pub(super) struct Group {
    /// The readout in each lane.
    pub(super) readouts: Vec<u32>,
    /// How many of the first lanes are finals of somebody.
    pub(super) n_finals: usize,
    /// The lane of each lane's final; empty where nobody asked for divergences.
    pub(super) final_lanes: Vec<u32>,
}

impl Group {
    /// The readouts `members`, and whatever finals they name besides.
    pub(super) fn new(members: std::ops::Range<u32>, finals: Option<&[u32]>) -> Self {
        let Some(finals) = finals else {
            return Self { readouts: members.collect(), n_finals: 0, final_lanes: Vec::new() };
        };
        let final_of = |readout: u32| finals[readout as usize];
        let mut readouts: Vec<u32> = members.clone().map(final_of).collect();
        readouts.sort_unstable();
        readouts.dedup();
        let n_finals = readouts.len();
        let mut others: Vec<u32> =
            members.filter(|readout| readouts.binary_search(readout).is_err()).collect();
        others.sort_by_key(|&readout| final_of(readout));
        let lane_of_final = |index: u32, finals: &[u32]| finals.binary_search(&index).map_or(0, |l| l as u32);
        let named: Vec<u32> = readouts.iter().chain(&others).map(|&readout| final_of(readout)).collect();
        // A final that only others name may name one outside the group: nobody reads its divergence then.
        let final_lanes = named.iter().map(|&index| lane_of_final(index, &readouts)).collect();
        readouts.extend(others);
        Self { readouts, n_finals, final_lanes }
    }
}

/// One cache line, so that no vector of cells straddles two.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line([f32; 16]);

/// A group's readouts as panels of a few vectors.
pub(super) struct Panels {
    lines: Vec<Line>,
    shapes: Vec<Shape>,
    lanes: usize,
}

struct Shape {
    first_line: usize,
    n_cells: usize,
    first_column: usize,
    columns: usize,
    used: usize,
}

/// One panel: `columns` vectors of lanes.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a> {
    /// `[cells, columns, LANES]`
    pub(super) cells: &'a [f32],
    /// Vectors side by side.
    pub(super) columns: usize,
    /// The group's column that is this panel's first.
    pub(super) first_column: usize,
    /// Lanes that hold a readout; the rest are zero.
    pub(super) used: usize,
}

impl Panels {
    /// Packs the rows of `values` (`[n, d_model]`) that `readouts` names, in that order.
    pub(super) fn pack<W, S: Cells<W>>(values: &[f32], d_model: usize, readouts: &[u32]) -> Self {
        let n_columns = readouts.len().div_ceil(S::LANES);
        let n_cells = d_model.div_ceil(S::STEP).next_multiple_of(S::CELLS);
        let (mut shapes, mut first_line, mut first_column) = (Vec::new(), 0, 0);
        for columns in widths(readouts.len(), S::LANES, S::WIDEST, S::FEW) {
            let used = (columns * S::LANES).min(readouts.len() - first_column * S::LANES);
            shapes.push(Shape {
                first_line,
                n_cells: n_cells * columns * S::LANES,
                first_column,
                columns,
                used,
            });
            first_line += (n_cells * columns * S::LANES).div_ceil(16);
            first_column += columns;
        }
        let mut lines = vec![Line::zeroed(); first_line];
        let mut rest = lines.as_mut_slice();
        let mut parts = Vec::with_capacity(shapes.len());
        for shape in &shapes {
            let (part, others) = rest.split_at_mut(shape.n_cells.div_ceil(16));
            parts.push((shape, part));
            rest = others;
        }
        let fill = |(shape, part): (&Shape, &mut [Line])| {
            let cells: &mut [f32] = bytemuck::cast_slice_mut(part);
            let width = shape.columns * S::LANES;
            for lane in 0..shape.used {
                let readout = readouts[shape.first_column * S::LANES + lane] as usize;
                let row = &values[readout * d_model..][..d_model];
                for (cell, values) in row.chunks(S::STEP).enumerate() {
                    cells[cell * width + lane] = f32::from_bits(S::cell(values));
                }
            }
        };
        // One panel is not worth a way to other threads and back.
        if parts.len() == 1 {
            parts.into_iter().for_each(fill);
        } else {
            parts.into_par_iter().for_each(fill);
        }
        Self { lines, shapes, lanes: n_columns * S::LANES }
    }

    /// Lanes of all panels, unused ones included.
    pub(super) fn lanes(&self) -> usize {
        self.lanes
    }

    /// The panels, in the order of their lanes.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Panel<'_>> {
        self.shapes.iter().map(|shape| Panel {
            cells: &bytemuck::cast_slice(&self.lines[shape.first_line..])[..shape.n_cells],
            columns: shape.columns,
            first_column: shape.first_column,
            used: shape.used,
        })
    }

    /// Columns of the widest panel.
    pub(super) fn widest(&self) -> usize {
        self.shapes.iter().map(|shape| shape.columns).max().unwrap_or(0)
    }
}

/// How many vectors wide each panel is: as few panels as can be, and none much narrower than another. But a few
/// readouts, up to `few`, that would be alone in a last vector are a panel by themselves, which costs a fraction of a
/// vector.
fn widths(readouts: usize, lanes: usize, widest: usize, few: usize) -> Vec<usize> {
    let few = (1..=few).contains(&(readouts % lanes)) && readouts > lanes;
    let n_columns = readouts.div_ceil(lanes) - usize::from(few);
    let n_panels = n_columns.div_ceil(widest);
    let even = |panel| n_columns / n_panels + usize::from(panel < n_columns % n_panels);
    (0..n_panels).map(even).chain(few.then_some(1)).collect()
}

/// Where `lane` lies in a block of logits laid out as by `tile::Fill`.
pub(super) fn offset_in_block<S: Simd>(panel: &Panel<'_>, capacity: usize, lane: usize) -> usize {
    (lane / S::LANES - panel.first_column) * capacity * S::LANES + lane % S::LANES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_are_even_and_leave_a_few_to_themselves() {
        for (readouts, wide) in [
            (0, &[][..]),
            (1, &[1]),
            (4, &[1]),
            (16, &[1]),
            (17, &[1, 1]),
            (64, &[4]),
            (65, &[4, 1]),
            (69, &[4, 1]),
            (73, &[3, 2]),
            (96, &[3, 3]),
            (98, &[3, 3, 1]),
            (112, &[4, 3]),
            (128, &[4, 4]),
        ] {
            assert_eq!(widths(readouts, 16, 4, 8), wide, "{readouts} readouts");
        }
        assert_eq!(widths(20, 8, 2, 4), [2, 1]);
        assert_eq!(widths(21, 8, 2, 4), [2, 1]);
        assert_eq!(widths(17, 16, 2, 0), [2]);
        assert_eq!(widths(65, 16, 2, 0), [2, 2, 1]);
    }
}
