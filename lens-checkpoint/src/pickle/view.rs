//! A tensor in a file's bytes, and its values as float32.

use half::{bf16, f16};

/// How a file stores numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    F16,
    Bf16,
    F32,
    F64,
    I8,
    U8,
    I16,
    I32,
    I64,
    Bool,
}

impl Number {
    /// Bytes of one number.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 | Self::Bool => 1,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::F64 | Self::I64 => 8,
        }
    }
}

/// A tensor in a file's bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View<'a> {
    number: Number,
    shape: Vec<usize>,
    /// Numbers from one element of a dimension to the next; as many as `shape` has.
    strides: Vec<usize>,
    /// From the first element on.
    bytes: &'a [u8],
}

impl<'a> View<'a> {
    /// A tensor whose first element is the first of `bytes`, little-endian. `None` where an element would lie outside.
    pub(crate) fn new(
        number: Number,
        shape: Vec<usize>,
        strides: Vec<usize>,
        bytes: &'a [u8],
    ) -> Option<Self> {
        let fits = fits(number, &shape, &strides, bytes.len());
        fits.then_some(Self { number, shape, strides, bytes })
    }

    /// A tensor whose elements lie one after another, row-major.
    pub(crate) fn packed(number: Number, shape: Vec<usize>, bytes: &'a [u8]) -> Option<Self> {
        let strides = row_major(&shape)?;
        Self::new(number, shape, strides, bytes)
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Every value in float32, row-major.
    pub(crate) fn values(&self) -> Vec<f32> {
        match self.number {
            Number::F16 => self.gather(|bytes| f16::from_le_bytes(bytes).to_f32()),
            Number::Bf16 => self.gather(|bytes| bf16::from_le_bytes(bytes).to_f32()),
            Number::F32 => self.gather(f32::from_le_bytes),
            Number::F64 => self.gather(|bytes| f64::from_le_bytes(bytes) as f32),
            Number::I8 => self.gather(|bytes| i8::from_le_bytes(bytes).into()),
            Number::U8 | Number::Bool => self.gather(|[byte]| byte.into()),
            Number::I16 => self.gather(|bytes| i16::from_le_bytes(bytes).into()),
            Number::I32 => self.gather(|bytes| i32::from_le_bytes(bytes) as f32),
            Number::I64 => self.gather(|bytes| i64::from_le_bytes(bytes) as f32),
        }
    }

    /// Writes every value in float32, row-major, into as many places.
    pub(crate) fn write(&self, out: &mut [f32]) {
        out.iter_mut().zip(self.values()).for_each(|(out, value)| *out = value);
    }

    fn gather<const N: usize>(&self, value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        let numbers = self.bytes.as_chunks::<N>().0;
        let count: usize = self.shape.iter().product();
        if row_major(&self.shape).as_ref() == Some(&self.strides) {
            return numbers[..count].iter().map(|bytes| value(*bytes)).collect();
        }
        let at = |index: usize| {
            let mut rest = index;
            let dimensions = self.shape.iter().zip(&self.strides).rev();
            dimensions.fold(0, |offset, (size, stride)| {
                let here = rest % size;
                rest /= size;
                offset + here * stride
            })
        };
        (0..count).map(|index| value(numbers[at(index)])).collect()
    }
}

/// Whether every element of a tensor lies in `length` bytes.
pub(crate) fn fits(number: Number, shape: &[usize], strides: &[usize], length: usize) -> bool {
    let end = || {
        let mut end = 1_usize;
        for (size, stride) in shape.iter().zip(strides) {
            end = end.checked_add(size.checked_sub(1)?.checked_mul(*stride)?)?;
        }
        end.checked_mul(number.bytes())
    };
    let count = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
    // A stride of 0 repeats a number as often as it likes: no sound file does, and the memory would be ours.
    let is_held = |count: usize| count.checked_mul(number.bytes()).is_some_and(|bytes| bytes <= length);
    let is_inside = shape.contains(&0) || end().is_some_and(|end| end <= length);
    shape.len() == strides.len() && count.is_some_and(is_held) && is_inside
}

/// The strides of elements that lie one after another; `None` for a shape that no memory holds.
pub(crate) fn row_major(shape: &[usize]) -> Option<Vec<usize>> {
    let mut strides = vec![1_usize; shape.len()];
    for index in (1..shape.len()).rev() {
        strides[index - 1] = strides[index].checked_mul(shape[index].max(1))?;
    }
    Some(strides)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn values_follow_the_strides() {
        let bytes = bytes(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let of = |shape: &[usize], strides: &[usize]| {
            View::new(Number::F32, shape.to_vec(), strides.to_vec(), &bytes).map(|view| view.values())
        };
        assert_eq!(of(&[2, 3], &[3, 1]).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(of(&[3, 2], &[1, 3]).unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(of(&[], &[]).unwrap(), [0.0]);
        assert_eq!(of(&[0, 3], &[3, 1]).unwrap(), [0.0; 0]);
    }

    #[test]
    fn a_view_beyond_its_bytes_is_none() {
        let bytes = bytes(&[0.0; 6]);
        for (shape, strides) in [
            (vec![7], vec![1]),
            (vec![2, 3], vec![4, 1]),
            (vec![2, 2], vec![usize::MAX, 1]),
            (vec![usize::MAX, 2], vec![1, 1]),
            (vec![1000], vec![0]),
            (vec![2], vec![1, 1]),
        ] {
            assert_eq!(View::new(Number::F32, shape.clone(), strides, &bytes), None, "{shape:?}");
        }
    }

    #[test]
    fn every_number_is_read() {
        let all = [
            (Number::F16, f16::from_f32(1.5).to_le_bytes().to_vec()),
            (Number::Bf16, bf16::from_f32(1.5).to_le_bytes().to_vec()),
            (Number::F32, 1.5_f32.to_le_bytes().to_vec()),
            (Number::F64, 1.5_f64.to_le_bytes().to_vec()),
        ];
        for (number, bytes) in all {
            assert_eq!(View::packed(number, vec![1], &bytes).unwrap().values(), [1.5], "{number:?}");
        }
    }
}
