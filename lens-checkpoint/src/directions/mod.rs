//! Directions in the residual stream, to be decoded: rows of a file, or what the model's own parts write.
//!
//! A source is a list of blocks of rows (a tensor, the neurons of a layer, the heads of a layer on one token), none of
//! which is in memory before it is read: [`Directions::read`] makes rows a batch at a time from the mapped weights.
//! What a source leaves out of the model (a bias, a norm after the sum) is said in [`Directions::notes`].

mod error;
mod file;
mod heads;
mod layers;
mod name;
mod neurons;
mod tokens;
mod values;

use std::{ops::Range, sync::Arc};

use lens_core::Selection;

pub use error::DirectionsError;
pub use file::{Choice, DirectionFile, DirectionFileError};
pub use name::{DirectionName, Expert, Origin};

use crate::host::HostError;

/// Rows of `d_model` values that are made when they are asked for.
pub(crate) trait Rows {
    /// Appends some rows, in the order asked, each `[d_model]`.
    fn read(&self, rows: &[usize], out: &mut Vec<f32>) -> Result<(), HostError>;
}

/// Rows of one origin, of which some were chosen.
struct Block<'a> {
    origin: Origin,
    /// The numbers of the rows, which blocks alike share.
    chosen: Arc<[usize]>,
    rows: Box<dyn Rows + 'a>,
}

/// Directions, in order.
pub struct Directions<'a> {
    blocks: Vec<Block<'a>>,
    /// The number of the first direction of each block, and how many there are in all.
    starts: Vec<usize>,
    notes: Vec<String>,
}

impl<'a> Directions<'a> {
    fn new(notes: Vec<String>) -> Self {
        Self { blocks: Vec::new(), starts: vec![0], notes }
    }

    /// Adds those of `n` rows that `which` selects; `noun` is what a message calls one of them.
    fn push(
        &mut self,
        origin: Origin,
        (n, which, noun): (usize, &Selection, &'static str),
        rows: impl Rows + 'a,
    ) -> Result<(), DirectionsError> {
        let chosen = which.resolve(n, noun)?;
        let before = self.blocks.last().map(|block| &block.chosen).filter(|before| ***before == *chosen);
        let chosen = before.map_or_else(|| chosen.into(), Arc::clone);
        self.push_all(origin, chosen, rows);
        Ok(())
    }

    /// Adds the rows of these numbers, in this order.
    fn push_all(&mut self, origin: Origin, chosen: Arc<[usize]>, rows: impl Rows + 'a) {
        self.starts.push(self.len() + chosen.len());
        self.blocks.push(Block { origin, chosen, rows: Box::new(rows) });
    }

    /// How many directions there are.
    pub fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was assumed or left out, as sentences for a person.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Appends the directions of a range, `[n, d_model]`, and returns their names.
    ///
    /// # Errors
    /// When a weight cannot be read.
    pub fn read(&self, range: Range<usize>, out: &mut Vec<f32>) -> Result<Vec<DirectionName>, HostError> {
        let mut names = Vec::with_capacity(range.len());
        for (block, start) in self.blocks.iter().zip(&self.starts) {
            let of_block = |at: usize| at.saturating_sub(*start).min(block.chosen.len());
            let rows = &block.chosen[of_block(range.start)..of_block(range.end)];
            if !rows.is_empty() {
                block.rows.read(rows, out)?;
                names
                    .extend(rows.iter().map(|row| DirectionName { origin: block.origin.clone(), row: *row }));
            }
        }
        Ok(names)
    }
}

impl std::fmt::Debug for Directions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let origins = self.blocks.iter().map(|block| (&block.origin, block.chosen.len()));
        f.debug_map().entries(origins).finish()
    }
}
