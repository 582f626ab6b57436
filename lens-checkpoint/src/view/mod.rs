//! A tensor as it is stored, seen under another shape.

mod axis;

use half::{bf16, f16};
use lens_core::Dtype;

use crate::{
    made::{Made, MadeError, Maker},
    spec::Cut,
};
use axis::Axis;

/// The type of stored values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// A type that models are made of.
    Model(Dtype),
    /// IEEE double precision, which files of vectors may have.
    F64,
}

impl ValueType {
    /// Bytes of one value.
    pub fn bytes(self) -> usize {
        match self {
            Self::Model(dtype) => dtype.bytes(),
            Self::F64 => 8,
        }
    }
}

/// Where values are.
#[derive(Debug, Clone, Copy)]
enum Values<'a> {
    /// In memory, or mapped.
    Here(&'a [u8]),
    /// Nowhere, before they are asked for.
    Made { maker: &'a dyn Maker, made: &'a Made, dtype: Dtype },
}

/// Stored values, little-endian, under a shape: value `[i, j, …]` lies `base + axes[0][i] + axes[1][j] + …` values from
/// the start. Every [`Cut`] of a parameter is a change of the axes, so that no weight is copied to be cut.
#[derive(Debug, Clone)]
pub struct View<'a> {
    values: Values<'a>,
    ty: ValueType,
    base: usize,
    axes: Vec<Axis>,
}

impl<'a> View<'a> {
    /// Values in row-major order; `None` if `bytes` are not exactly those of the shape.
    pub fn new(bytes: &'a [u8], ty: ValueType, shape: &[usize]) -> Option<Self> {
        let (axes, count) = row_major(shape)?;
        let values = Values::Here(bytes);
        (count.checked_mul(ty.bytes())? == bytes.len()).then_some(Self { values, ty, base: 0, axes })
    }

    /// Values of a tensor that is made when they are asked for; `None` if no memory holds its shape.
    pub(crate) fn of_made(maker: &'a dyn Maker, made: &'a Made, dtype: Dtype) -> Option<Self> {
        let (axes, _) = row_major(made.shape())?;
        let values = Values::Made { maker, made, dtype };
        Some(Self { values, ty: ValueType::Model(dtype), base: 0, axes })
    }

    /// Values of which one lies `strides[k]` values after its neighbour along dimension `k`; the first is the first of
    /// `bytes`, which may go on after the last. `None` where a value would lie outside, or where there are more values
    /// than `bytes` hold: a stride of 0 repeats a value as often as it likes, and the memory would be ours.
    pub fn strided(bytes: &'a [u8], ty: ValueType, shape: &[usize], strides: &[usize]) -> Option<Self> {
        fits(ty, shape, strides, bytes.len()).then(|| {
            let axes = shape.iter().zip(strides).map(|(n, stride)| Axis::even(*n, *stride)).collect();
            Self { values: Values::Here(bytes), ty, base: 0, axes }
        })
    }

    /// Values in column-major order, the order of Fortran.
    pub fn column_major(bytes: &'a [u8], ty: ValueType, shape: &[usize]) -> Option<Self> {
        let reversed: Vec<usize> = shape.iter().rev().copied().collect();
        let mut view = Self::new(bytes, ty, &reversed)?;
        view.axes.reverse();
        Some(view)
    }

    /// Its shape.
    pub fn shape(&self) -> Vec<usize> {
        self.axes.iter().map(Axis::len).collect()
    }

    /// The view after one more cut; `None` if the cut does not fit the shape.
    #[must_use]
    pub fn cut(mut self, cut: &Cut) -> Option<Self> {
        let first = self.axes.first_mut()?;
        match cut {
            Cut::Transpose => {
                let n = self.axes.len();
                self.axes.swap(n.checked_sub(2)?, n - 1);
            }
            Cut::Rows(rows) => *first = first.slice(rows.clone())?,
            Cut::Heads { groups, slots, take } => *first = first.slots(*groups, *slots, take)?,
            Cut::Index(index) => {
                self.base += first.at(*index)?;
                self.axes.remove(0);
            }
            Cut::Every { start, step } => *first = first.every(*start, *step),
        }
        Some(self)
    }

    /// The same values as a matrix: all axes but the last become rows, and a vector is one row. `None` for a single
    /// number.
    #[must_use]
    pub fn into_matrix(mut self) -> Option<Self> {
        let columns = self.axes.pop()?;
        let rows = match self.axes.len() {
            0 => Axis::even(1, 0),
            1 => self.axes.remove(0),
            _ => Axis::Listed(self.axes.iter().fold(vec![0], |rows, axis| {
                let offsets = axis.offsets();
                rows.iter().flat_map(|row| offsets.iter().map(move |offset| row + offset)).collect()
            })),
        };
        self.axes = vec![rows, columns];
        Some(self)
    }

    /// Appends rows of a matrix, in the order asked, as float32.
    ///
    /// # Errors
    /// When the values are made, and what they are made of is broken.
    ///
    /// # Panics
    /// When this is not a matrix, or has fewer rows.
    pub fn rows(&self, rows: &[usize], out: &mut Vec<f32>) -> Result<(), MadeError> {
        match self.values {
            Values::Here(bytes) => self.gather_rows(bytes, rows, out),
            Values::Made { maker, made, dtype } => {
                self.gather_rows(&maker.kept(made, dtype)?, rows, out);
            }
        }
        Ok(())
    }

    fn gather_rows(&self, bytes: &[u8], rows: &[usize], out: &mut Vec<f32>) {
        let [of_row, of_column] = self.axes.as_slice() else { panic!("rows are those of a matrix") };
        let start = |row: &usize| self.base + of_row.at(*row).expect("the row exists, says the caller");
        let starts: Vec<usize> = rows.iter().map(start).collect();
        let of_column = &of_column.offsets();
        match self.ty {
            ValueType::Model(Dtype::F32) => gather(bytes, f32::from_le_bytes, &starts, of_column, out),
            ValueType::Model(Dtype::Bf16) => {
                gather(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32(), &starts, of_column, out);
            }
            ValueType::Model(Dtype::F16) => {
                gather(bytes, |bytes| f16::from_le_bytes(bytes).to_f32(), &starts, of_column, out);
            }
            ValueType::F64 => {
                gather(bytes, |bytes| f64::from_le_bytes(bytes) as f32, &starts, of_column, out);
            }
        }
    }

    /// All values in row-major order, as float32.
    ///
    /// # Errors
    /// As for [`View::rows`].
    pub fn to_vec(&self) -> Result<Vec<f32>, MadeError> {
        let mut matrix = self.clone();
        if matrix.axes.is_empty() {
            matrix.axes.push(Axis::even(1, 0));
        }
        let mut values = Vec::new();
        if let Some(matrix) = matrix.into_matrix() {
            let n = matrix.axes[0].len();
            values.reserve_exact(n * matrix.axes[1].len());
            matrix.rows(&(0..n).collect::<Vec<_>>(), &mut values)?;
        }
        Ok(values)
    }
}

/// Whether every value of a tensor lies in `length` bytes.
pub(crate) fn fits(ty: ValueType, shape: &[usize], strides: &[usize], length: usize) -> bool {
    let end = || {
        let mut end = 1_usize;
        for (size, stride) in shape.iter().zip(strides) {
            end = end.checked_add(size.checked_sub(1)?.checked_mul(*stride)?)?;
        }
        end.checked_mul(ty.bytes())
    };
    let count = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
    let is_held = |count: usize| count.checked_mul(ty.bytes()).is_some_and(|bytes| bytes <= length);
    let is_inside = shape.contains(&0) || end().is_some_and(|end| end <= length);
    shape.len() == strides.len() && count.is_some_and(is_held) && is_inside
}

/// The strides of values that lie one after another; `None` for a shape that no memory holds.
pub(crate) fn packed_strides(shape: &[usize]) -> Option<Vec<usize>> {
    let mut strides = vec![1_usize; shape.len()];
    for index in (1..shape.len()).rev() {
        strides[index - 1] = strides[index].checked_mul(shape[index].max(1))?;
    }
    Some(strides)
}

/// The axes of values in row-major order, and how many values there are.
fn row_major(shape: &[usize]) -> Option<(Vec<Axis>, usize)> {
    let mut axes = Vec::with_capacity(shape.len());
    let mut stride = 1usize;
    for &n in shape.iter().rev() {
        axes.push(Axis::even(n, stride));
        stride = stride.checked_mul(n)?;
    }
    axes.reverse();
    Some((axes, stride))
}

/// Appends `values[start + offset]` for all starts, and of each for all offsets. Memory is read along the axis whose
/// neighbours are nearer.
fn gather<const N: usize>(
    bytes: &[u8],
    value: impl Fn([u8; N]) -> f32,
    starts: &[usize],
    offsets: &[usize],
    out: &mut Vec<f32>,
) {
    let (stored, _) = bytes.as_chunks::<N>();
    if let (Some(first), true) = (offsets.first(), offsets.windows(2).all(|pair| pair[0] + 1 == pair[1])) {
        // Rows that lie as they are wanted.
        for start in starts {
            out.extend(stored[start + first..][..offsets.len()].iter().map(|bytes| value(*bytes)));
        }
        return;
    }
    let distance = |axis: &[usize]| match axis {
        [first, second, ..] => first.abs_diff(*second),
        _ => usize::MAX,
    };
    if distance(offsets) <= distance(starts) {
        for start in starts {
            out.extend(offsets.iter().map(|offset| value(stored[start + offset])));
        }
        return;
    }
    let (from, width) = (out.len(), offsets.len());
    out.resize(from + starts.len() * width, 0.0);
    let out = &mut out[from..];
    for (column, offset) in offsets.iter().enumerate() {
        for (row, start) in starts.iter().enumerate() {
            out[row * width + column] = value(stored[start + offset]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const F32: ValueType = ValueType::Model(Dtype::F32);

    fn bytes(n: usize) -> Vec<u8> {
        (0..n).flat_map(|i| (i as f32).to_le_bytes()).collect()
    }

    fn cut(shape: &[usize], cuts: &[Cut]) -> Option<(Vec<usize>, Vec<f32>)> {
        let bytes = bytes(shape.iter().product());
        let mut view = View::new(&bytes, F32, shape)?;
        for step in cuts {
            view = view.cut(step)?;
        }
        Some((view.shape(), view.to_vec().unwrap()))
    }

    #[test]
    fn every_cut_takes_what_it_says() {
        let of = |shape: &[usize], cuts: &[Cut]| cut(shape, cuts).unwrap();
        assert_eq!(of(&[2, 3], &[Cut::Transpose]), (vec![3, 2], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
        assert_eq!(of(&[3, 2], &[Cut::Rows(1..3)]), (vec![2, 2], vec![2.0, 3.0, 4.0, 5.0]));
        assert_eq!(of(&[5], &[Cut::Every { start: 1, step: 2 }]), (vec![2], vec![1.0, 3.0]));
        assert_eq!(of(&[2, 2, 2], &[Cut::Index(1), Cut::Transpose]), (vec![2, 2], vec![4.0, 6.0, 5.0, 7.0]));
        // Two groups of q, k and v with heads of two rows: the k of each.
        let heads = Cut::Heads { groups: 2, slots: 3, take: 1..2 };
        assert_eq!(of(&[12], &[heads]), (vec![4], vec![2.0, 3.0, 8.0, 9.0]));
    }

    #[test]
    fn a_cut_that_does_not_fit_is_refused() {
        assert!(cut(&[3], &[Cut::Transpose]).is_none());
        assert!(cut(&[3, 2], &[Cut::Rows(1..4)]).is_none());
        assert!(cut(&[3, 2], &[Cut::Index(3)]).is_none());
        assert!(cut(&[7], &[Cut::Heads { groups: 2, slots: 3, take: 0..1 }]).is_none());
        assert!(View::new(&[0; 7], F32, &[2]).is_none());
        assert!(View::new(&[], F32, &[usize::MAX, 2]).is_none());
    }

    #[test]
    fn column_major_values_are_those_of_the_transposed() {
        let bytes = bytes(6);
        let view = View::column_major(&bytes, F32, &[3, 2]).unwrap();
        assert_eq!(view.to_vec().unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let mut some = Vec::new();
        view.rows(&[2, 0], &mut some).unwrap();
        assert_eq!(some, [2.0, 5.0, 0.0, 3.0]);
    }

    #[test]
    fn values_follow_the_strides() {
        let bytes = bytes(6);
        let of = |shape: &[usize], strides: &[usize]| {
            View::strided(&bytes, F32, shape, strides).map(|view| view.to_vec().unwrap())
        };
        assert_eq!(of(&[2, 3], &[3, 1]).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(of(&[3, 2], &[1, 3]).unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(of(&[2, 2], &[3, 1]).unwrap(), [0.0, 1.0, 3.0, 4.0]);
        assert_eq!(of(&[], &[]).unwrap(), [0.0]);
        assert_eq!(of(&[0, 3], &[3, 1]).unwrap(), [0.0; 0]);
        for (shape, strides) in [
            (vec![7], vec![1]),
            (vec![2, 3], vec![4, 1]),
            (vec![2, 2], vec![usize::MAX, 1]),
            (vec![usize::MAX, 2], vec![1, 1]),
            (vec![1000], vec![0]),
            (vec![2], vec![1, 1]),
        ] {
            assert!(of(&shape, &strides).is_none(), "{shape:?}");
        }
    }

    #[test]
    fn leading_axes_are_rows_of_a_matrix() {
        let bytes = bytes(12);
        let view = View::new(&bytes, F32, &[2, 3, 2]).unwrap().into_matrix().unwrap();
        assert_eq!(view.shape(), [6, 2]);
        assert_eq!(view.to_vec().unwrap(), (0..12).map(|i| i as f32).collect::<Vec<_>>());
        assert_eq!(View::new(&bytes, F32, &[12]).unwrap().into_matrix().unwrap().shape(), [1, 12]);
    }

    #[test]
    fn every_type_is_widened_exactly() {
        let halves = [1.5f32, -2.0].map(|x| f16::from_f32(x).to_le_bytes()).concat();
        let brains = [1.5f32, -2.0].map(|x| bf16::from_f32(x).to_le_bytes()).concat();
        let doubles = [1.5f64, -2.0].map(f64::to_le_bytes).concat();
        for (bytes, ty) in [
            (&halves, ValueType::Model(Dtype::F16)),
            (&brains, ValueType::Model(Dtype::Bf16)),
            (&doubles, ValueType::F64),
        ] {
            assert_eq!(View::new(bytes, ty, &[2]).unwrap().to_vec().unwrap(), [1.5, -2.0]);
        }
    }
}
