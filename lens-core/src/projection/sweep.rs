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
//! What needs normalised distributions takes a second pass. Where multiplying costs more than memory, the first sweep
//! leaves the logits of a group that is small enough ([`Logits`]), and the second pass reads them.
//!
//! Blocks and stretches depend on the unembedding's shape alone, never on the number of threads or readouts.

use std::marker::PhantomData;

use rayon::prelude::*;

use super::block::BlockProduct;
use super::exp::tanh;
use super::job::Post;
use super::panel::{Line, Panel, Panels};
use super::simd::{Simd, Task};
use super::tile::Fill;

/// A block's logits are to stay in cache too.
const MAX_BLOCK_ROWS: usize = 288;
/// About as many stretches as a vocabulary is cut into: enough for many cores, few enough to merge.
const STRETCHES: usize = 128;
/// The logits of a group that are kept for a second pass. Fewer readouts in a group read the weights more often: of a
/// vocabulary of 150,000 these are 400, whose products take ten times as long as reading the weights.
const LOGITS_BYTES: usize = 256 << 20;

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

/// How the vocabulary is cut.
#[derive(Clone, Copy)]
struct Cut {
    n_vocab: usize,
    /// Rows of a block.
    capacity: usize,
    /// Rows of a stretch: whole blocks.
    stretch: usize,
}

impl Cut {
    fn of<W: Copy, S: BlockProduct<W>>(matrix: &Matrix<'_, W>) -> Self {
        let n_vocab = matrix.rows.len() / matrix.d_model;
        let fitting = S::BLOCK_BYTES / (matrix.d_model * size_of::<W>());
        let capacity = (fitting / S::BLOCK_ROWS * S::BLOCK_ROWS).clamp(S::BLOCK_ROWS, MAX_BLOCK_ROWS);
        let stretch = n_vocab.div_ceil(capacity).div_ceil(STRETCHES) * capacity;
        Self { n_vocab, capacity, stretch }
    }

    fn stretches(self) -> usize {
        self.n_vocab.div_ceil(self.stretch)
    }

    /// The blocks of a stretch: the first row of each, and how many it has.
    fn blocks(self, stretch: usize) -> impl Iterator<Item = (usize, usize)> {
        let end = ((stretch + 1) * self.stretch).min(self.n_vocab);
        let block = move |first| (first, self.capacity.min(end - first));
        (stretch * self.stretch..end).step_by(self.capacity).map(block)
    }

    /// Where, among the logits of a stretch for `lanes`, those of a block and a panel begin.
    fn offset<S: Simd>(self, first_row: usize, lanes: usize, panel: &Panel<'_>) -> usize {
        first_row % self.stretch * lanes + panel.first_column * self.capacity * S::LANES
    }
}

/// Every logit of a group, as the sweep that multiplied them left them: a second pass reads them from here.
///
/// The room is used again from group to group, and from one use to the next what is in it does not matter. It is a vector of
/// floats, and of these the whole cache lines are used: zeros for a larger alignment would be written here and now, by one
/// thread, and these are pages that are first touched by the threads that fill them.
#[derive(Default)]
pub(super) struct Logits(Vec<f32>);

impl Logits {
    /// How many readouts of a vocabulary this may be asked to hold.
    pub(super) fn most<W: Copy, S: BlockProduct<W>>(matrix: &Matrix<'_, W>) -> usize {
        let cut = Cut::of::<W, S>(matrix);
        LOGITS_BYTES / (cut.stretches() * cut.stretch * size_of::<f32>())
    }

    fn values(&self) -> &[f32] {
        bytemuck::cast_slice(bytemuck::pod_align_to::<f32, Line>(&self.0).1)
    }

    /// Room for `n`, of which the first begins a cache line.
    fn room(&mut self, n: usize) -> &mut [f32] {
        let of_line = size_of::<Line>() / size_of::<f32>();
        let floats = n.next_multiple_of(of_line) + of_line;
        if self.0.len() < floats {
            // The old room goes first, so that there are never two.
            self.0 = Vec::new();
            self.0 = vec![0.0; floats];
        }
        let lines = bytemuck::pod_align_to_mut::<f32, Line>(&mut self.0).1;
        &mut bytemuck::cast_slice_mut(lines)[..n]
    }
}

/// Where the logits of a block and a panel come from.
trait Source {
    /// Prepares for a block: its first row, and how many it has.
    fn begin(&mut self, block: (usize, usize));
    /// The logits of the block with one panel.
    fn of(&mut self, block: (usize, usize), panel: Panel<'_>) -> &[f32];
}

/// Multiplied here and now.
struct Multiplied<'s, W, S: BlockProduct<W>> {
    simd: S,
    matrix: &'s Matrix<'s, W>,
    cut: Cut,
    held: &'s mut S::Held,
    panels: usize,
    z: &'s mut [f32],
    /// How many lanes `z` has room for, in all of a stretch; `None` where it is for a block and a panel.
    lanes: Option<usize>,
}

impl<W: Copy, S: BlockProduct<W>> Source for Multiplied<'_, W, S> {
    fn begin(&mut self, block: (usize, usize)) {
        self.simd.hold(self.held, self.matrix.block(block), self.matrix.d_model, self.panels);
    }

    fn of(&mut self, block: (usize, usize), panel: Panel<'_>) -> &[f32] {
        let from = self.lanes.map_or(0, |lanes| self.cut.offset::<S>(block.0, lanes, &panel));
        let z = &mut self.z[from..];
        self.matrix.logits(self.simd, self.held, block, panel, self.cut.capacity, z);
        z
    }
}

/// Multiplied before.
struct Remembered<'s, S> {
    simd: PhantomData<S>,
    cut: Cut,
    lanes: usize,
    z: &'s [f32],
}

impl<S: Simd> Source for Remembered<'_, S> {
    fn begin(&mut self, _block: (usize, usize)) {}

    fn of(&mut self, (first_row, _): (usize, usize), panel: Panel<'_>) -> &[f32] {
        &self.z[self.cut.offset::<S>(first_row, self.lanes, &panel)..]
    }
}

/// A stretch of rows past all panels.
fn take_stretch<S: Simd, P: Pass<S>>(
    simd: S,
    (cut, stretch): (Cut, usize),
    panels: &Panels,
    pass: &P,
    source: &mut impl Source,
) -> P::Kept {
    let mut kept = pass.begin(cut.capacity);
    for (first_row, n_rows) in cut.blocks(stretch) {
        source.begin((first_row, n_rows));
        for panel in panels.iter() {
            let z = source.of((first_row, n_rows), panel);
            pass.take(simd, &mut kept, panel, Block { first_row, n_rows, capacity: cut.capacity, z });
        }
        pass.end_block(simd, &mut kept, n_rows);
    }
    pass.end(&mut kept);
    kept
}

/// Runs `pass` over all rows and `panels`; returns what it kept of each stretch, in order.
pub(super) fn sweep<W: Copy + Sync, S: BlockProduct<W>, P: Pass<S>>(
    simd: S,
    matrix: &Matrix<'_, W>,
    panels: &Panels,
    pass: &P,
) -> Vec<P::Kept> {
    let cut = Cut::of::<W, S>(matrix);
    let scratch = || (S::Held::default(), Logits::default());
    let of_stretch = |(held, room): &mut (S::Held, Logits), stretch| {
        let z = room.room(panels.widest() * cut.capacity * S::LANES);
        let mut source = Multiplied { simd, matrix, cut, held, panels: panels.iter().len(), z, lanes: None };
        take_stretch(simd, (cut, stretch), panels, pass, &mut source)
    };
    (0..cut.stretches()).into_par_iter().map_init(scratch, of_stretch).collect()
}

/// As [`sweep`], and leaves every logit in `logits` for [`pass_again`].
pub(super) fn sweep_and_remember<W: Copy + Sync, S: BlockProduct<W>, P: Pass<S>>(
    simd: S,
    matrix: &Matrix<'_, W>,
    panels: &Panels,
    pass: &P,
    logits: &mut Logits,
) -> Vec<P::Kept> {
    let cut = Cut::of::<W, S>(matrix);
    let lanes = panels.lanes();
    let room = logits.room(cut.stretches() * cut.stretch * lanes);
    let of_stretch = |held: &mut S::Held, (stretch, z): (usize, &mut [f32])| {
        let n_panels = panels.iter().len();
        let mut source = Multiplied { simd, matrix, cut, held, panels: n_panels, z, lanes: Some(lanes) };
        take_stretch(simd, (cut, stretch), panels, pass, &mut source)
    };
    let stretches = room.par_chunks_mut(cut.stretch * lanes).enumerate();
    stretches.map_init(S::Held::default, of_stretch).collect()
}

/// Runs `pass` over the logits that [`sweep_and_remember`] left of the same rows and panels.
pub(super) fn pass_again<W: Copy + Sync, S: BlockProduct<W>, P: Pass<S>>(
    simd: S,
    matrix: &Matrix<'_, W>,
    panels: &Panels,
    pass: &P,
    logits: &Logits,
) -> Vec<P::Kept> {
    let cut = Cut::of::<W, S>(matrix);
    let lanes = panels.lanes();
    let of_stretch = |stretch: usize| {
        let z = &logits.values()[stretch * cut.stretch * lanes..];
        let mut source = Remembered::<S> { simd: PhantomData, cut, lanes, z };
        take_stretch(simd, (cut, stretch), panels, pass, &mut source)
    };
    (0..cut.stretches()).into_par_iter().map(of_stretch).collect()
}
