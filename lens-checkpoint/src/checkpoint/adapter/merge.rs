//! Weights with an adapter in them: made of the model's own and the adapter's, some rows at a time.
//!
//! `W + s B A` is summed in float64 from what both files store, and rounded to float32 and to the dtype of the run.

use std::{ops::Range, sync::OnceLock};

use half::{bf16, f16};

use crate::{
    checkpoint::header::{StoredDtype, StoredTensor},
    made::{Files, Made, Make, Part},
};

/// Values that are summed in one go where the norms of columns are needed.
const PIECE: usize = 1 << 18;

/// A tensor, whichever way its values come about.
#[derive(Debug, Clone)]
pub(super) enum Values {
    Stored { part: Part, dtype: StoredDtype },
    Made(Made),
}

impl Values {
    /// The values of a tensor of an index.
    ///
    /// # Errors
    /// The name of its type, if no decoder can use it.
    pub(super) fn of(name: &str, tensor: &StoredTensor) -> Result<Self, String> {
        let dtype = tensor.dtype.clone()?;
        let StoredTensor { shard, shape, range, .. } = tensor.clone();
        Ok(match &tensor.made {
            Some(made) => Self::Made(made.clone()),
            None => Self::Stored { part: Part { name: name.to_owned(), shard, range, shape }, dtype },
        })
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::Stored { part, .. } => &part.shape,
            Self::Made(made) => made.shape(),
        }
    }

    fn parts(&self) -> Vec<&Part> {
        match self {
            Self::Stored { part, .. } => vec![part],
            Self::Made(made) => made.parts(),
        }
    }

    /// Writes some slices of the first dimension.
    fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String> {
        let Self::Stored { part, dtype } = self else {
            let Self::Made(made) = self else { unreachable!("a tensor is stored or made") };
            return made.fill(files, rows, out).map_err(|error| error.reason);
        };
        let width = out.len() / rows.len().max(1) * dtype.bytes();
        let bytes = files.of(part).get(rows.start * width..rows.end * width);
        let bytes = bytes.ok_or_else(|| "lies outside its file".to_owned())?;
        fn decode<const N: usize>(bytes: &[u8], out: &mut [f32], value: impl Fn([u8; N]) -> f32) {
            bytes.as_chunks().0.iter().zip(out).for_each(|(bytes, out)| *out = value(*bytes));
        }
        match dtype {
            StoredDtype::F32 => decode(bytes, out, f32::from_le_bytes),
            StoredDtype::Bf16 => decode(bytes, out, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            StoredDtype::F16 => decode(bytes, out, |bytes| f16::from_le_bytes(bytes).to_f32()),
        }
        Ok(())
    }

    /// All values, row-major.
    fn all(&self, files: Files<'_>) -> Result<Vec<f32>, String> {
        let shape = self.shape();
        let mut out = vec![0.0; shape.iter().product()];
        if !out.is_empty() {
            self.fill(files, 0..shape.first().copied().unwrap_or(1), &mut out)?;
        }
        Ok(out)
    }
}

/// One of the two matrices of a product of low rank, seen as the product needs it.
#[derive(Debug, Clone)]
pub(super) struct Factor {
    pub(super) values: Values,
    /// Where its first value lies.
    pub(super) first: usize,
    /// How far apart neighbours along the rank lie.
    pub(super) by_rank: usize,
    /// And those along the other dimension.
    pub(super) by_other: usize,
}

impl Factor {
    fn at(&self, all: &[f32], k: usize, i: usize) -> f64 {
        all.get(self.first + k * self.by_rank + i * self.by_other).map_or(f64::NAN, |value| f64::from(*value))
    }
}

/// A product of low rank that is added to some rows.
#[derive(Debug, Clone)]
pub(super) struct Term {
    /// Gives rows.
    pub(super) left: Factor,
    /// Gives columns.
    pub(super) right: Factor,
    pub(super) rank: usize,
    pub(super) scale: f64,
    /// The rows that it is added to, of all but the last dimension as one.
    pub(super) at: Range<usize>,
    /// The columns that it is added to.
    pub(super) columns: Range<usize>,
}

impl Term {
    /// Adds its part of `rows` to `sums`, which has `width` columns.
    fn add(
        &self,
        files: Files<'_>,
        rows: &Range<usize>,
        width: usize,
        sums: &mut [f64],
    ) -> Result<(), String> {
        let (start, end) = (rows.start.max(self.at.start), rows.end.min(self.at.end));
        if start >= end {
            return Ok(());
        }
        let (left, right) = (self.left.values.all(files)?, self.right.values.all(files)?);
        let right: Vec<f64> = (0..self.rank)
            .flat_map(|k| (0..self.columns.len()).map(move |column| (k, column)))
            .map(|(k, column)| self.right.at(&right, k, column))
            .collect();
        for row in start..end {
            let sums = &mut sums[(row - rows.start) * width..][self.columns.clone()];
            for (k, right) in right.chunks_exact(self.columns.len()).enumerate() {
                let left = self.scale * self.left.at(&left, k, row - self.at.start);
                sums.iter_mut().zip(right).for_each(|(sum, right)| *sum += left * right);
            }
        }
        Ok(())
    }
}

/// DoRA: what is summed has the magnitudes that the adapter says, along its rows or its columns.
#[derive(Debug)]
pub(super) struct Magnitudes {
    pub(super) values: Values,
    /// Whether they are those of the stored columns: tables of embeddings, and weights that are stored `[in, out]`.
    pub(super) of_columns: bool,
    /// The norms of all columns, once somebody needed them.
    pub(super) norms: OnceLock<Result<Vec<f64>, String>>,
}

/// A matrix, or a stack of them, with products of low rank added.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) base: Values,
    pub(super) shape: Vec<usize>,
    pub(super) terms: Vec<Term>,
    pub(super) magnitudes: Option<Magnitudes>,
    /// What is merged, for messages.
    pub(super) adapter: String,
}

impl Merged {
    fn width(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// The sums of some slices of the first dimension.
    fn sums(&self, files: Files<'_>, rows: Range<usize>) -> Result<Vec<f64>, String> {
        let width = self.width();
        let in_slice: usize = self.shape.iter().skip(1).product();
        let lines = in_slice / width.max(1);
        let mut base = vec![0.0; rows.len() * in_slice];
        self.base.fill(files, rows.clone(), &mut base)?;
        let mut sums: Vec<f64> = base.into_iter().map(f64::from).collect();
        for term in &self.terms {
            term.add(files, &(rows.start * lines..rows.end * lines), width, &mut sums)?;
        }
        Ok(sums)
    }

    /// The norms of all columns.
    fn norms(&self, files: Files<'_>) -> Result<Vec<f64>, String> {
        let (n, width) = (self.shape.first().copied().unwrap_or(0), self.width());
        let mut squares = vec![0.0; width];
        let at_once = (PIECE / width.max(1)).max(1);
        for start in (0..n).step_by(at_once) {
            for row in self.sums(files, start..n.min(start + at_once))?.chunks_exact(width) {
                squares.iter_mut().zip(row).for_each(|(square, value)| *square += value * value);
            }
        }
        Ok(squares.into_iter().map(f64::sqrt).collect())
    }

    fn scale_to(
        &self,
        magnitudes: &Magnitudes,
        files: Files<'_>,
        rows: Range<usize>,
        sums: &mut [f64],
    ) -> Result<(), String> {
        let lengths = magnitudes.values.all(files)?;
        let lines = sums.chunks_exact_mut(self.width());
        if magnitudes.of_columns {
            let norms = magnitudes.norms.get_or_init(|| self.norms(files)).as_ref().map_err(String::clone)?;
            for line in lines {
                let factors = lengths.iter().zip(norms);
                line.iter_mut()
                    .zip(factors)
                    .for_each(|(sum, (length, norm))| *sum *= f64::from(*length) / norm);
            }
            return Ok(());
        }
        for (row, line) in rows.zip(lines) {
            let norm = line.iter().map(|value| value * value).sum::<f64>().sqrt();
            let factor = lengths.get(row).map_or(f64::NAN, |length| f64::from(*length)) / norm;
            line.iter_mut().for_each(|value| *value *= factor);
        }
        Ok(())
    }
}

impl Make for Merged {
    fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String> {
        let mut sums = self.sums(files, rows.clone())?;
        if let Some(magnitudes) = &self.magnitudes {
            self.scale_to(magnitudes, files, rows.clone(), &mut sums)?;
        }
        if let Some(at) = sums.iter().position(|sum| !(*sum as f32).is_finite()) {
            let row = rows.start + at / (out.len() / rows.len().max(1)).max(1);
            return Err(format!(
                "has a value that is not finite ({}) in row {row} once the adapter {} is merged: one of them is broken",
                sums[at], self.adapter
            ));
        }
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum as f32);
        Ok(())
    }

    fn parts(&self) -> Vec<&Part> {
        let terms = self.terms.iter().flat_map(|term| [&term.left.values, &term.right.values]);
        let others = terms.chain(self.magnitudes.iter().map(|magnitudes| &magnitudes.values));
        [&self.base].into_iter().chain(others).flat_map(Values::parts).collect()
    }
}

/// A tensor of the adapter in the place of the model's.
#[derive(Debug)]
pub(super) struct Replaced(pub(super) Values);

impl Make for Replaced {
    fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String> {
        self.0.fill(files, rows, out)
    }

    fn parts(&self) -> Vec<&Part> {
        self.0.parts()
    }
}

/// A table some of whose rows are the adapter's.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) base: Values,
    pub(super) rows: Vec<usize>,
    pub(super) new: Values,
}

impl Make for Rows {
    fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String> {
        self.base.fill(files, rows.clone(), out)?;
        let width = out.len() / rows.len().max(1);
        for (i, row) in self.rows.iter().enumerate().filter(|(_, row)| rows.contains(*row)) {
            let out = &mut out[(row - rows.start) * width..][..width];
            self.new.fill(files, i..i + 1, out)?;
        }
        Ok(())
    }

    fn parts(&self) -> Vec<&Part> {
        [&self.base, &self.new].into_iter().flat_map(Values::parts).collect()
    }
}

/// A bias to which a multiple of another is added.
#[derive(Debug)]
pub(super) struct Shifted {
    pub(super) base: Values,
    pub(super) by: Values,
    pub(super) scale: f64,
}

impl Make for Shifted {
    fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String> {
        self.base.fill(files, rows.clone(), out)?;
        let mut by = vec![0.0; out.len()];
        self.by.fill(files, rows, &mut by)?;
        out.iter_mut()
            .zip(by)
            .for_each(|(out, by)| *out = (f64::from(*out) + self.scale * f64::from(by)) as f32);
        Ok(())
    }

    fn parts(&self) -> Vec<&Part> {
        [&self.base, &self.by].into_iter().flat_map(Values::parts).collect()
    }
}
