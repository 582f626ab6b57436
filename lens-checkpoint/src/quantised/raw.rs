//! Stored tensors of any type, as formats of quantisation mix them.

use std::{collections::BTreeMap, ops::Range};

use half::{bf16, f16};
use lens_core::Dtype;

use super::{
    QuantisedError,
    small::{E4M3, E5M2},
};
use crate::made::{Files, Part};

/// The type of stored numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    F32,
    Bf16,
    F16,
    /// Eight bits, four of them exponent, without infinities (`float8_e4m3fn`).
    E4m3,
    /// Eight bits, five of them exponent (`float8_e5m2`).
    E5m2,
    /// Eight bits of exponent: a power of two.
    E8m0,
    I8,
    U8,
    /// Four bytes; signed or not, bits are taken from them.
    Word,
    I64,
}

impl Type {
    /// By the name that safetensors has for it.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "F32" => Self::F32,
            "BF16" => Self::Bf16,
            "F16" => Self::F16,
            "F8_E4M3" => Self::E4m3,
            "F8_E5M2" => Self::E5m2,
            "F8_E8M0" => Self::E8m0,
            "I8" => Self::I8,
            "U8" => Self::U8,
            "I32" | "U32" => Self::Word,
            "I64" => Self::I64,
            _ => return None,
        })
    }

    /// Bytes of a number.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32 | Self::Word => 4,
            Self::Bf16 | Self::F16 => 2,
            Self::I64 => 8,
            Self::E4m3 | Self::E5m2 | Self::E8m0 | Self::I8 | Self::U8 => 1,
        }
    }

    /// The dtype of a decoder that has its values, for those that are scales.
    pub(super) fn dtype(self) -> Option<Dtype> {
        match self {
            Self::F32 => Some(Dtype::F32),
            Self::Bf16 => Some(Dtype::Bf16),
            Self::F16 => Some(Dtype::F16),
            _ => None,
        }
    }
}

/// A stored tensor, and its type as the file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Raw {
    pub(crate) part: Part,
    pub(crate) ty: String,
}

/// Every tensor of a checkpoint as it is stored, by name.
#[derive(Debug, Default)]
pub(crate) struct RawIndex(pub(crate) BTreeMap<String, Raw>);

impl RawIndex {
    /// A tensor, if it is there.
    pub(super) fn get(&self, name: &str) -> Result<Option<Stored>, QuantisedError> {
        self.0.get(name).map(Stored::of).transpose()
    }

    /// A tensor that has to be there.
    pub(super) fn need(&self, name: &str) -> Result<Stored, QuantisedError> {
        self.get(name)?.ok_or_else(|| QuantisedError::Missing { name: name.to_owned() })
    }

    /// The names that end so, without the end.
    pub(super) fn stems<'a>(&'a self, end: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.keys().filter_map(move |name| name.strip_suffix(end))
    }
}

/// A stored tensor of a type that is known.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) part: Part,
    pub(super) ty: Type,
}

impl Stored {
    fn of(raw: &Raw) -> Result<Self, QuantisedError> {
        let name = || raw.part.name.clone();
        let ty = Type::of_name(&raw.ty).ok_or_else(|| QuantisedError::Type {
            name: name(),
            ty: raw.ty.clone(),
            expected: "a known type",
        })?;
        let count = raw.part.shape.iter().try_fold(ty.bytes(), |bytes, n| bytes.checked_mul(*n));
        if count != Some(raw.part.range.len()) {
            let reason =
                format!("has {} bytes, which are not those of {:?}", raw.part.range.len(), raw.part.shape);
            return Err(QuantisedError::Tensor { name: name(), reason });
        }
        Ok(Self { part: raw.part.clone(), ty })
    }

    /// Its shape.
    pub(super) fn shape(&self) -> &[usize] {
        &self.part.shape
    }

    /// How many numbers it has.
    pub(super) fn count(&self) -> usize {
        self.part.shape.iter().product()
    }

    /// The same if its type is one of these.
    pub(super) fn typed(self, types: &[Type], expected: &'static str) -> Result<Self, QuantisedError> {
        match types.contains(&self.ty) {
            true => Ok(self),
            false => {
                Err(QuantisedError::Type { name: self.part.name, ty: format!("{:?}", self.ty), expected })
            }
        }
    }

    /// The same if it has real numbers of two bytes or four.
    pub(super) fn floating(self) -> Result<Self, QuantisedError> {
        self.typed(&[Type::F32, Type::Bf16, Type::F16], "f32, bf16 or f16")
    }

    /// The same if it has this shape.
    pub(super) fn shaped(self, shape: &[usize]) -> Result<Self, QuantisedError> {
        match self.part.shape == shape {
            true => Ok(self),
            false => Err(QuantisedError::Shape {
                name: self.part.name,
                stored: self.part.shape,
                expected: shape.to_vec(),
            }),
        }
    }

    /// The two dimensions of a matrix.
    pub(super) fn matrix(&self) -> Result<[usize; 2], QuantisedError> {
        <[usize; 2]>::try_from(self.shape()).map_err(|_| QuantisedError::Tensor {
            name: self.part.name.clone(),
            reason: format!("should be a matrix, and has the shape {:?}", self.shape()),
        })
    }

    /// Its numbers.
    pub(super) fn numbers<'a>(&self, files: Files<'a>) -> Numbers<'a> {
        Numbers { bytes: files.of(&self.part), ty: self.ty }
    }
}

/// Stored numbers where they lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers<'a> {
    bytes: &'a [u8],
    ty: Type,
}

impl<'a> Numbers<'a> {
    /// A number as a real one.
    pub(super) fn at(self, i: usize) -> f32 {
        match self.ty {
            Type::F32 => f32::from_le_bytes(self.chunk(i)),
            Type::Bf16 => bf16::from_le_bytes(self.chunk(i)).to_f32(),
            Type::F16 => f16::from_le_bytes(self.chunk(i)).to_f32(),
            Type::E4m3 => E4M3[usize::from(self.byte(i))],
            Type::E5m2 => E5M2[usize::from(self.byte(i))],
            Type::E8m0 => power_of_two(self.byte(i)),
            Type::I8 => f32::from(self.byte(i) as i8),
            Type::U8 => f32::from(self.byte(i)),
            Type::Word => i32::from_le_bytes(self.chunk(i)) as f32,
            Type::I64 => i64::from_le_bytes(self.chunk(i)) as f32,
        }
    }

    /// A whole number.
    pub(super) fn whole(self, i: usize) -> i64 {
        match self.ty {
            Type::Word => i32::from_le_bytes(self.chunk(i)).into(),
            Type::I64 => i64::from_le_bytes(self.chunk(i)),
            _ => self.at(i) as i64,
        }
    }

    /// The bits of a word.
    pub(super) fn word(self, i: usize) -> u32 {
        u32::from_le_bytes(self.chunk(i))
    }

    /// A byte.
    pub(super) fn byte(self, i: usize) -> u8 {
        self.bytes.get(i).copied().unwrap_or(0)
    }

    /// Some bytes.
    pub(super) fn some(self, range: Range<usize>) -> &'a [u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    fn chunk<const N: usize>(self, i: usize) -> [u8; N] {
        self.bytes.as_chunks::<N>().0.get(i).copied().unwrap_or([0; N])
    }
}

/// `2^(byte - 127)`; the last byte is no number.
pub(super) fn power_of_two(byte: u8) -> f32 {
    match byte {
        u8::MAX => f32::NAN,
        0 => f32::from_bits(1 << 22), // 2^-127 has no exponent of its own
        byte => f32::from_bits(u32::from(byte) << 23),
    }
}

/// Rounds a value to the dtype in which a format computes it.
pub(super) fn rounded(value: f32, dtype: Option<Dtype>) -> f32 {
    match dtype {
        None | Some(Dtype::F32) => value,
        Some(Dtype::Bf16) => bf16::from_f32(value).to_f32(),
        Some(Dtype::F16) => f16::from_f32(value).to_f32(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_of_exponent_is_a_power_of_two() {
        assert_eq!(power_of_two(127), 1.0);
        assert_eq!(power_of_two(130), 8.0);
        assert_eq!(power_of_two(1), f32::MIN_POSITIVE);
        assert_eq!(power_of_two(0), f32::MIN_POSITIVE / 2.0);
        assert_eq!(power_of_two(254), 2.0f32.powi(127));
        assert!(power_of_two(255).is_nan());
    }
}
