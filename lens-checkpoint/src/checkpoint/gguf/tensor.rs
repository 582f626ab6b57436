//! Tensors of transformers, made from the blocks of a GGUF file.

use std::ops::Range;

use crate::{
    gguf::BlockType,
    made::{Files, Made, Make, Part},
};

/// A tensor of a checkpoint, and where its values are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tensor {
    /// Its name in transformers.
    pub(super) name: String,
    /// Its name in the file.
    pub(super) stored_as: String,
    /// The number of its file.
    pub(super) shard: usize,
    /// The shape in transformers.
    pub(super) shape: Vec<usize>,
    pub(super) kind: BlockType,
    /// Its bytes, in the file.
    pub(super) range: Range<usize>,
    pub(super) order: Order,
}

/// What has to be done to stored values to have those of transformers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Nothing.
    AsStored,
    /// Rows of each of so many heads are interleaved: the first of the lower half, the first of the upper, and so on.
    Interleaved {
        /// How many heads there are.
        heads: usize,
    },
    /// The matrix is transposed.
    Transposed,
    /// One is taken off.
    MinusOne,
}

impl Tensor {
    /// Whether its values lie in the file as transformers has them.
    pub(super) fn is_as_stored(&self) -> bool {
        self.order == Order::AsStored && self.kind.is_plain()
    }

    /// The same as a tensor that is made when it is asked for.
    pub(super) fn into_made(self) -> Made {
        let Self { name, stored_as, shard, shape, kind, range, order } = self;
        let part = Part { name: stored_as, shard, range, shape: shape.clone() };
        Made::new(name, shape, Blocks { part, kind, order })
    }
}

/// How the values of a tensor come about.
#[derive(Debug)]
struct Blocks {
    part: Part,
    kind: BlockType,
    order: Order,
}

impl Make for Blocks {
    fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String> {
        let bytes = files.of(&self.part);
        if bytes.len() != self.part.range.len() {
            return Err("lies in a file that is not at hand".to_owned());
        }
        let width = out.len() / rows.len().max(1);
        let values = |range: Range<usize>| self.values(bytes, range);
        match self.order {
            Order::AsStored => out.copy_from_slice(&values(rows.start * width..rows.end * width)),
            Order::MinusOne => {
                let stored = values(rows.start * width..rows.end * width);
                out.iter_mut().zip(stored).for_each(|(out, value)| *out = value - 1.0);
            }
            Order::Interleaved { heads } => {
                let pairs = self.part.shape[0] / heads / 2;
                for (row, out) in rows.zip(out.chunks_exact_mut(width)) {
                    let row = interleaved(row, pairs);
                    out.copy_from_slice(&values(row * width..(row + 1) * width));
                }
            }
            Order::Transposed => {
                let n = self.part.shape[0];
                for column in 0..width {
                    let stored = values(column * n + rows.start..column * n + rows.end);
                    for (row, value) in stored.into_iter().enumerate() {
                        out[row * width + column] = value;
                    }
                }
            }
        }
        Ok(())
    }

    fn parts(&self) -> Vec<&Part> {
        vec![&self.part]
    }
}

impl Blocks {
    /// Stored values in the order of the file; only the blocks that hold them are looked at.
    fn values(&self, bytes: &[u8], range: Range<usize>) -> Vec<f32> {
        let n = self.kind.values();
        let blocks = range.start / n..range.end.div_ceil(n);
        let mut values = Vec::new();
        self.kind
            .append(&bytes[blocks.start * self.kind.bytes()..blocks.end * self.kind.bytes()], &mut values);
        values.truncate(range.end - blocks.start * n);
        values.drain(..range.start - blocks.start * n);
        values
    }
}

/// Where a row lies, of heads that turn `pairs` pairs of dimensions: transformers turns the first half against the
/// second, llama.cpp neighbours.
fn interleaved(row: usize, pairs: usize) -> usize {
    let (head, half, pair) = (row / (2 * pairs), row / pairs % 2, row % pairs);
    (head * pairs + pair) * 2 + half
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(shape: &[usize], order: Order, stored: &[f32], rows: Range<usize>) -> Vec<f32> {
        let file: Vec<u8> = stored.iter().flat_map(|value| value.to_le_bytes()).collect();
        let part = Part { name: "x".to_owned(), shard: 0, range: 0..file.len(), shape: shape.to_vec() };
        let mut out = vec![0.0; rows.len() * shape[1..].iter().product::<usize>()];
        Blocks { part, kind: BlockType::F32, order }.fill(Files(&[&file]), rows, &mut out).unwrap();
        out
    }

    #[test]
    fn interleaved_rows_are_put_in_halves() {
        // Two heads of four rows; the converter wrote 0 2 1 3 of each.
        let stored = [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0];
        let order = Order::Interleaved { heads: 2 };
        assert_eq!(fill(&[8], order, &stored, 0..8), (0..8).map(|row| row as f32).collect::<Vec<_>>());
        // One head of four rows of two: rows 1 and 2 lie at 2 and 1.
        let some = fill(&[4, 2], Order::Interleaved { heads: 1 }, &stored, 1..3);
        assert_eq!(some, [4.0, 6.0, 1.0, 3.0]);
    }

    #[test]
    fn a_transposed_matrix_is_turned_back() {
        // [2, 3] in transformers, stored as [3, 2].
        let stored = [0.0, 3.0, 1.0, 4.0, 2.0, 5.0];
        assert_eq!(fill(&[2, 3], Order::Transposed, &stored, 0..2), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(fill(&[2, 3], Order::Transposed, &stored, 1..2), [3.0, 4.0, 5.0]);
    }

    #[test]
    fn norms_are_stored_one_higher() {
        assert_eq!(fill(&[2], Order::MinusOne, &[1.5, 0.25], 0..2), [0.5, -0.75]);
    }
}
