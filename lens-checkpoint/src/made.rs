//! Tensors whose values are computed when they are asked for: dequantised, merged with an adapter, or gathered along
//! strides.
//!
//! A [`Made`] tensor stands in the index of a checkpoint under the name and the shape that the model's family expects,
//! and says how its values come about from the bytes of the weight files. It is made some rows at a time, so that no
//! more than one tensor is ever in memory twice.

use std::{fmt, ops::Range, sync::Arc};

use half::{bf16, f16};
use lens_core::Dtype;
use rayon::prelude::*;

/// Values that one thread makes in one go.
const PIECE: usize = 1 << 18;

/// Where a stored tensor lies, whatever its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its name in the file.
    pub(crate) name: String,
    /// Which file, as an index into the checkpoint's files.
    pub(crate) shard: usize,
    /// Its bytes in that file.
    pub(crate) range: Range<usize>,
    /// Its shape.
    pub(crate) shape: Vec<usize>,
}

/// The bytes of the weight files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Files<'a>(pub(crate) &'a [&'a [u8]]);

impl<'a> Files<'a> {
    /// The bytes of a part; none where the file is not at hand, which an index that was checked does not ask for.
    pub(crate) fn of(self, part: &Part) -> &'a [u8] {
        self.0.get(part.shard).and_then(|file| file.get(part.range.clone())).unwrap_or_default()
    }
}

/// How the values of a tensor come about.
pub(crate) trait Make: fmt::Debug + Send + Sync {
    /// Writes the values of some rows, in row-major order: slices of the first dimension, all of which have as many
    /// values. `out` holds exactly those.
    ///
    /// # Errors
    /// What is wrong with the stored values, as the end of a sentence that begins with the tensor's name.
    fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String>;

    /// What it is made from.
    fn parts(&self) -> Vec<&Part>;
}

/// Who makes tensors, and keeps those that were made last.
pub(crate) trait Maker: fmt::Debug + Send + Sync {
    /// The values of a tensor in `dtype`, little-endian and row-major.
    ///
    /// # Errors
    /// When what is stored is broken.
    fn kept(&self, made: &Made, dtype: Dtype) -> Result<Arc<Vec<u8>>, MadeError>;
}

/// A tensor that is made.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its name, as the model's family has it.
    name: String,
    /// Its shape.
    shape: Vec<usize>,
    how: Arc<dyn Make>,
}

/// The same if it is the very same: how a tensor is made cannot be compared.
impl PartialEq for Made {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.shape == other.shape && Arc::ptr_eq(&self.how, &other.how)
    }
}

impl Eq for Made {}

/// A tensor that cannot be made from what is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tensor {name} {reason}")]
pub struct MadeError {
    /// Its name, as the model's family has it.
    pub name: String,
    /// What is wrong.
    pub reason: String,
}

impl Made {
    /// A tensor of that name and shape.
    pub(crate) fn new(
        name: impl Into<String>,
        shape: impl Into<Vec<usize>>,
        how: impl Make + 'static,
    ) -> Self {
        Self { name: name.into(), shape: shape.into(), how: Arc::new(how) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// What it is made from.
    pub(crate) fn parts(&self) -> Vec<&Part> {
        self.how.parts()
    }

    /// The same in a shape that is known only now.
    pub(crate) fn with_shape(self, shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), ..self }
    }

    /// The same under another name.
    pub(crate) fn with_name(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// Bytes that it takes in the files.
    pub(crate) fn stored_bytes(&self) -> usize {
        self.how.parts().into_iter().map(|part| part.range.len()).sum()
    }

    /// Slices of the first dimension, and values in each.
    fn rows(&self) -> (usize, usize) {
        match self.shape.as_slice() {
            [] => (1, 1),
            [first, rest @ ..] => (*first, rest.iter().product()),
        }
    }

    /// Writes some rows in float32.
    ///
    /// # Errors
    /// When what is stored is broken.
    pub(crate) fn fill(
        &self,
        files: Files<'_>,
        rows: Range<usize>,
        out: &mut [f32],
    ) -> Result<(), MadeError> {
        let failed = |reason| MadeError { name: self.name.clone(), reason };
        let first = rows.start;
        self.how.fill(files, rows, out).map_err(failed)?;
        match out.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(at) => {
                let row = first + at / self.rows().1.max(1);
                let value = out[at];
                Err(failed(format!("has a value that is not finite ({value}) in row {row}: it is broken")))
            }
        }
    }

    /// Writes some rows, or all, in `dtype`, little-endian.
    ///
    /// # Errors
    /// When what is stored is broken.
    ///
    /// # Panics
    /// When `out` is not exactly as long as those rows.
    pub(crate) fn write(
        &self,
        files: Files<'_>,
        rows: Option<Range<usize>>,
        dtype: Dtype,
        out: &mut [u8],
    ) -> Result<(), MadeError> {
        let (n, width) = self.rows();
        let rows = rows.unwrap_or(0..n);
        assert_eq!(
            out.len(),
            rows.len() * width * dtype.bytes(),
            "the rows of {} fill their place",
            self.name
        );
        if width == 0 {
            return Ok(());
        }
        let at_once = (PIECE / width).max(1);
        out.par_chunks_mut(at_once * width * dtype.bytes()).enumerate().try_for_each(|(piece, out)| {
            let start = rows.start + piece * at_once;
            let mut values = vec![0.0; out.len() / dtype.bytes()];
            self.fill(files, start..start + values.len() / width, &mut values)?;
            encode(&values, dtype, out);
            Ok(())
        })
    }
}

/// Rounds values to a dtype, little-endian.
fn encode(values: &[f32], dtype: Dtype, out: &mut [u8]) {
    match dtype {
        Dtype::F32 => {
            values.iter().zip(out.as_chunks_mut().0).for_each(|(value, out)| *out = value.to_le_bytes());
        }
        Dtype::Bf16 => {
            let out = values.iter().zip(out.as_chunks_mut().0);
            out.for_each(|(value, out)| *out = bf16::from_f32(*value).to_le_bytes());
        }
        Dtype::F16 => {
            let out = values.iter().zip(out.as_chunks_mut().0);
            out.for_each(|(value, out)| *out = f16::from_f32(*value).to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row `i` is `10 i, 10 i + 1, …`; the stored byte is added to all.
    #[derive(Debug)]
    struct Count(Part);

    impl Make for Count {
        fn fill(&self, files: Files<'_>, rows: Range<usize>, out: &mut [f32]) -> Result<(), String> {
            let [add] = *files.of(&self.0) else { return Err("lacks its byte".to_owned()) };
            let width = out.len() / rows.len().max(1);
            for (row, out) in rows.zip(out.chunks_exact_mut(width)) {
                (0..).zip(out).for_each(|(i, out)| *out = (10 * row + i) as f32 + f32::from(add));
                if row == 7 {
                    return Err("is broken in row 7".to_owned());
                }
            }
            Ok(())
        }

        fn parts(&self) -> Vec<&Part> {
            vec![&self.0]
        }
    }

    fn made(rows: usize, at: usize) -> Made {
        let part = Part { name: "w.q".to_owned(), shard: 0, range: at..at + 1, shape: vec![1] };
        Made::new("w", [rows, 3], Count(part))
    }

    #[test]
    fn rows_are_made_in_every_dtype() {
        let made = made(4, 1);
        let file = [9, 1];
        let files = Files(&[&file]);
        assert_eq!(made.stored_bytes(), 1);
        let mut out = vec![0; 2 * 3 * 4];
        made.write(files, Some(1..3), Dtype::F32, &mut out).unwrap();
        let values: Vec<f32> = out.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        assert_eq!(values, [11.0, 12.0, 13.0, 21.0, 22.0, 23.0]);
        let mut out = vec![0; 4 * 3 * 2];
        made.write(files, None, Dtype::Bf16, &mut out).unwrap();
        assert_eq!(bf16::from_le_bytes([out[22], out[23]]).to_f32(), 33.0);
        made.write(files, None, Dtype::F16, &mut out).unwrap();
        assert_eq!(f16::from_le_bytes([out[22], out[23]]).to_f32(), 33.0);
    }

    #[test]
    fn what_is_broken_is_said_with_the_name_of_the_tensor() {
        let mut out = vec![0; 8 * 3 * 4];
        let error = made(8, 0).write(Files(&[&[0]]), None, Dtype::F32, &mut out).unwrap_err();
        assert_eq!(error.to_string(), "the tensor w is broken in row 7");
        let error = made(8, 3).write(Files(&[&[0]]), None, Dtype::F32, &mut out).unwrap_err();
        assert_eq!(error.to_string(), "the tensor w lacks its byte");
    }
}
