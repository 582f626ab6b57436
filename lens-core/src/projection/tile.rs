//! The product: a block of vocabulary rows times one panel of readouts.
//!
//! ```text
//!                   panel: C vectors of LANES readouts, cell by cell
//!                   x0      x1      x2      x3           C loads per step
//!   row 0  w ->   sum00   sum01   sum02   sum03
//!   row 1  w ->   sum10   sum11   sum12   sum13          R broadcasts per step,
//!    ...                                                 straight from the row in memory
//!   row R-1 w ->  sum..   sum..   sum..   sum..          R * C multiply-adds per step
//! ```
//!
//! R * C sums, C readout vectors and one broadcast must fit the registers: 24 + 4 + 1 of 32, or 12 + 2 + 1
//! of 16. Twenty-four independent sums also hide the latency of a multiply-add. A narrower panel takes
//! more rows, so that 48 readouts cost three quarters of 64.
//!
//! Every logit is one chain of `Product::multiply` over the row's cells, first to last, whatever R, C,
//! the lane or the path: that is why equal readouts get equal bits, alone or in any company.
#![allow(unsafe_code)]
// Rows, columns and cells are counted in the loops that the registers are laid out by.
#![allow(clippy::needless_range_loop)]

use super::panel::Panel;
use super::simd::{FEW, MAX_LANES, Product, Task};

/// Writes the bare products of `rows` and a panel: logit of row r and lane l of column c goes to
/// `z[(c * capacity + r) * LANES + l]`.
pub(super) struct Fill<'a, W> {
    /// `[n_rows, d_model]`
    pub(super) rows: &'a [W],
    pub(super) d_model: usize,
    pub(super) panel: Panel<'a>,
    /// Rows that a column of `z` has room for.
    pub(super) capacity: usize,
    /// `[columns, capacity, LANES]`
    pub(super) z: &'a mut [f32],
}

impl<W: Copy, S: Product<W>> Task<S> for Fill<'_, W> {
    #[inline(always)]
    fn run(self, simd: S) {
        let n_rows = self.rows.len() / self.d_model;
        let cells = self.d_model.div_ceil(S::STEP);
        assert_eq!(self.rows.len(), n_rows * self.d_model, "a block is whole rows");
        assert!(n_rows <= self.capacity, "a block fits its scratch");
        assert!(self.z.len() >= self.panel.columns * self.capacity * S::LANES, "so do its columns");
        assert_eq!(
            self.panel.cells.len(),
            cells * self.panel.columns * S::LANES,
            "a panel has all its cells"
        );
        // SAFETY: the assertions above are what `rows_by_panel` and `rows_by_few` ask for.
        unsafe {
            match (S::REGISTERS, self.panel.columns) {
                (_, 1) if self.panel.used == 1 => rows_by_few::<W, S, 1>(simd, self, n_rows),
                (_, 1) if self.panel.used <= FEW => rows_by_few::<W, S, FEW>(simd, self, n_rows),
                (32, 1) if self.panel.used <= 2 * FEW => {
                    rows_by_few::<W, S, { 2 * FEW }>(simd, self, n_rows);
                }
                // Not a full vector: sixteen sums beside a square of sixteen rows do not fit.
                (32, 1) if self.panel.used <= 3 * FEW => {
                    rows_by_few::<W, S, { 3 * FEW }>(simd, self, n_rows);
                }
                (32, 4) => rows_by_panel::<W, S, 6, 4>(simd, self, 0, n_rows),
                (32, 3) => rows_by_panel::<W, S, 8, 3>(simd, self, 0, n_rows),
                (32, 2) => rows_by_panel::<W, S, 12, 2>(simd, self, 0, n_rows),
                (32, 1) => rows_by_panel::<W, S, 24, 1>(simd, self, 0, n_rows),
                (16, 2) => rows_by_panel::<W, S, 6, 2>(simd, self, 0, n_rows),
                (16, 1) => rows_by_panel::<W, S, 12, 1>(simd, self, 0, n_rows),
                (registers, columns) => {
                    unreachable!("no tile of {columns} columns in {registers} registers")
                }
            }
        }
    }
}

/// Tiles of R rows, and of single rows where fewer are left.
///
/// # Safety
/// `fill.rows` holds `n_rows` rows, `fill.panel` C columns of all cells, and `fill.z` has room for both.
#[inline(always)]
unsafe fn rows_by_panel<W: Copy, S: Product<W>, const R: usize, const C: usize>(
    simd: S,
    mut fill: Fill<'_, W>,
    from: usize,
    n_rows: usize,
) {
    let mut row = from;
    while row + R <= n_rows {
        // SAFETY: rows `row .. row + R` exist.
        unsafe { tile::<W, S, R, C>(simd, &mut fill, row) };
        row += R;
    }
    while row < n_rows {
        // SAFETY: row `row` exists.
        unsafe { tile::<W, S, 1, C>(simd, &mut fill, row) };
        row += 1;
    }
}

/// One tile.
///
/// # Safety
/// As for [`rows_by_panel`], and rows `row .. row + R` exist.
#[inline(always)]
unsafe fn tile<W: Copy, S: Product<W>, const R: usize, const C: usize>(
    simd: S,
    fill: &mut Fill<'_, W>,
    row: usize,
) {
    let d_model = fill.d_model;
    let mut sums = [[simd.splat(0.0); C]; R];
    let mut readouts = [simd.splat(0.0); C];
    // SAFETY: the caller grants rows `row .. row + R` of `d_model` weights; every index below stays inside
    // its row. What is prefetched may lie outside.
    unsafe {
        let start = fill.rows.as_ptr().add(row * d_model);
        let mut panel = fill.panel.cells.chunks_exact(C * S::LANES);
        let mut cell = 0;
        // One cache line of every row of the next tile for each line of this one.
        let line = 64 / size_of::<W>();
        while cell + S::STEP <= d_model {
            let end = (cell + line).min(d_model / S::STEP * S::STEP);
            for r in 0..R {
                simd.prefetch(start.wrapping_add((R + r) * d_model + cell).cast());
            }
            while cell < end {
                let Some(lanes) = panel.next() else { return };
                for c in 0..C {
                    readouts[c] = simd.load(&lanes[c * S::LANES..]);
                }
                for r in 0..R {
                    let weights = simd.weights(start.add(r * d_model + cell));
                    for c in 0..C {
                        sums[r][c] = simd.multiply(weights, readouts[c], sums[r][c]);
                    }
                }
                cell += S::STEP;
            }
        }
        if cell < d_model
            && let Some(lanes) = panel.next()
        {
            for r in 0..R {
                let weights = simd.last_weight(start.add(r * d_model + cell));
                for c in 0..C {
                    sums[r][c] = simd.multiply(weights, simd.load(&lanes[c * S::LANES..]), sums[r][c]);
                }
            }
        }
    }
    for r in 0..R {
        for c in 0..C {
            simd.store(sums[r][c], &mut fill.z[(c * fill.capacity + row + r) * S::LANES..]);
        }
    }
}

/// For N readouts of a panel with one column, bound by memory: LANES rows are read a square at a time and
/// turned, so that a vector holds one cell of each row.
///
/// # Safety
/// As for [`rows_by_panel`].
#[inline(always)]
unsafe fn rows_by_few<W: Copy, S: Product<W>, const N: usize>(simd: S, fill: Fill<'_, W>, n_rows: usize) {
    let (d_model, lanes) = (fill.d_model, S::LANES);
    let side = lanes * S::STEP; // weights of a row in one square
    let mut row = 0;
    while row + lanes <= n_rows {
        let mut sums = [simd.splat(0.0); N];
        let mut square = [simd.splat(0.0); MAX_LANES];
        // SAFETY: the caller grants rows `row .. row + lanes`; every index below stays inside its row.
        unsafe {
            let start = fill.rows.as_ptr().add(row * d_model);
            let mut weight = 0;
            while weight + side <= d_model {
                for r in 0..lanes {
                    square[r] = simd.row(start.add(r * d_model + weight));
                    simd.prefetch(start.wrapping_add((lanes + r) * d_model + weight).cast());
                }
                simd.transpose(&mut square);
                for j in 0..lanes {
                    let cell = &fill.panel.cells[(weight / S::STEP + j) * lanes..][..lanes];
                    for n in 0..N {
                        let readout = simd.splat(cell[n]);
                        sums[n] = simd.multiply(square[j], readout, sums[n]);
                    }
                }
                weight += side;
            }
            // What is left of the rows, one cell at a time.
            let mut gathered = [0.0f32; MAX_LANES * MAX_LANES];
            while weight < d_model {
                for r in 0..lanes {
                    let at = start.add(r * d_model + weight);
                    let weights =
                        if weight + S::STEP <= d_model { simd.weights(at) } else { simd.last_weight(at) };
                    simd.store(weights, &mut gathered[r * lanes..]);
                }
                for r in 1..lanes {
                    gathered[r] = gathered[r * lanes];
                }
                let column = simd.load(&gathered);
                let cell = &fill.panel.cells[weight / S::STEP * lanes..][..lanes];
                for n in 0..N {
                    sums[n] = simd.multiply(column, simd.splat(cell[n]), sums[n]);
                }
                weight += S::STEP;
            }
        }
        let mut by_row = [0.0f32; MAX_LANES];
        for n in 0..N {
            simd.store(sums[n], &mut by_row);
            for r in 0..lanes {
                fill.z[(row + r) * lanes + n] = by_row[r];
            }
        }
        row += lanes;
    }
    // SAFETY: as granted to this function.
    unsafe { rows_by_panel::<W, S, 1, 1>(simd, fill, row, n_rows) };
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::super::{block::BlockProduct, panel::Panels, simd::plain::Lanes};
    use super::*;
    use crate::toy::Random;

    /// Multiplies where rows, readouts and scratch end with their memory, and compares with float64.
    fn products<W: Copy, S: BlockProduct<W> + Product<W>>(
        simd: S,
        of: fn(f32) -> W,
        wide: fn(&W) -> f64,
        [n_rows, d_model, n]: [usize; 3],
    ) {
        let mut noise = Random::new((n_rows * 1000 + d_model * 10 + n) as u64);
        // Numbers of a few bits: what is stored in any dtype is what was drawn, and so is every sum.
        let mut drawn = |n: usize| (0..n).map(|_| noise.below(9) as f32 - 4.0).collect::<Box<[f32]>>();
        let rows: Box<[W]> = drawn(n_rows * d_model).iter().map(|&w| of(w)).collect();
        let readouts = drawn(n * d_model);
        let named: Vec<u32> = (0..n as u32).collect();
        let panels = Panels::pack::<W, S>(&readouts, d_model, &named);
        for panel in panels.iter() {
            let mut z = vec![f32::NAN; panel.columns * n_rows * S::LANES].into_boxed_slice();
            simd.run(Fill { rows: &rows, d_model, panel, capacity: n_rows, z: &mut z });
            for lane in 0..panel.used {
                let readout = &readouts[(panel.first_column * S::LANES + lane) * d_model..][..d_model];
                for (r, row) in rows.chunks(d_model).enumerate() {
                    let truth: f64 = row.iter().zip(readout).map(|(w, x)| wide(w) * f64::from(*x)).sum();
                    let at = (lane / S::LANES * n_rows + r) * S::LANES + lane % S::LANES;
                    assert_eq!(f64::from(z[at]), truth, "row {r}, lane {lane}: {n_rows} x {d_model} x {n}");
                }
            }
        }
    }

    /// Every tile of a kernel, with rows left over and without, and rows whose end is no end of a vector.
    fn every_tile<W: Copy, S: BlockProduct<W> + Product<W>>(simd: S, of: fn(f32) -> W, wide: fn(&W) -> f64) {
        // One panel each, which are packed without other threads: Miri's strictest rules do not reach as far as theirs.
        let few = [1, 3, FEW, 2 * FEW, 3 * FEW].into_iter().filter(|few| *few <= S::LANES);
        let columns = (1..=S::WIDEST).map(|columns| columns * S::LANES);
        // Rows and weights of them; those that have both whole vectors and a rest, where Miri takes its time.
        let shapes: &[[usize; 2]] =
            if cfg!(miri) { &[[25, 35]] } else { &[[25, 35], [1, 1], [1, 67], [16, 2], [48, 64], [50, 33]] };
        for n in few.chain(columns) {
            for [n_rows, d_model] in shapes {
                products(simd, of, wide, [*n_rows, *d_model, n]);
            }
        }
    }

    #[test]
    fn every_tile_of_the_plain_kernel_stays_within_its_memory() {
        every_tile::<f32, _>(Lanes::<4>, |w| w, |w| f64::from(*w));
        every_tile(Lanes::<4>, bf16::from_f32, |w| w.to_f64());
        if HAS_F16 || !cfg!(target_feature = "f16c") {
            every_tile(Lanes::<4>, f16::from_f32, |w| w.to_f64());
        }
    }

    /// Miri knows no instruction that makes or widens float16.
    const HAS_F16: bool = !cfg!(miri);

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn every_tile_of_avx2_stays_within_its_memory() {
        let Some(simd) = super::super::simd::avx2::Avx2::detect() else { return };
        every_tile::<f32, _>(simd, |w| w, |w| f64::from(*w));
        every_tile(simd, bf16::from_f32, |w| w.to_f64());
        if HAS_F16 {
            every_tile(simd, f16::from_f32, |w| w.to_f64());
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn every_tile_of_avx512_stays_within_its_memory() {
        let Some(simd) = super::super::simd::avx512::Avx512::detect() else { return };
        every_tile::<f32, _>(simd, |w| w, |w| f64::from(*w));
        every_tile(simd, bf16::from_f32, |w| w.to_f64());
        if HAS_F16 {
            every_tile(simd, f16::from_f32, |w| w.to_f64());
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn every_tile_of_avx512_with_bfloat16_stays_within_its_memory() {
        let Some(simd) = super::super::simd::avx512bf16::Avx512Bf16::detect() else { return };
        every_tile(simd, bf16::from_f32, |w| w.to_f64());
    }
}
