//! The types that GGUF files store values in, most of them in blocks with a scale, and what the blocks mean.
//!
//! A row of a tensor is a whole number of blocks. Values are computed in single precision, product by product as
//! ggml's `dequantize_row_*` and the numpy code of the `gguf` package do, so that they agree to the last bit.

mod k;
mod legacy;
mod nonlinear;

use std::fmt;

use half::{bf16, f16};

/// Values in a block of the K types.
pub(super) const QK_K: usize = 256;

macro_rules! block_types {
    ($($name:ident = $number:literal, $values:expr, $bytes:expr;)*) => {
        /// A type of stored values that is read here.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(non_camel_case_types, reason = "ggml's names")]
        pub(crate) enum BlockType { $($name),* }

        impl BlockType {
            /// Those that are read here.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            const fn known(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// Values in a block.
            pub(crate) const fn values(self) -> usize {
                match self { $(Self::$name => $values),* }
            }

            /// Bytes of a block.
            pub(crate) const fn bytes(self) -> usize {
                match self { $(Self::$name => $bytes),* }
            }

            /// Its name in ggml.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }
    };
}

block_types! {
    F32 = 0, 1, 4;
    F16 = 1, 1, 2;
    Q4_0 = 2, 32, 2 + 16;
    Q4_1 = 3, 32, 4 + 16;
    Q5_0 = 6, 32, 2 + 4 + 16;
    Q5_1 = 7, 32, 4 + 4 + 16;
    Q8_0 = 8, 32, 2 + 32;
    Q2_K = 10, QK_K, 16 + 64 + 4;
    Q3_K = 11, QK_K, 32 + 64 + 12 + 2;
    Q4_K = 12, QK_K, 4 + 12 + 128;
    Q5_K = 13, QK_K, 4 + 12 + 32 + 128;
    Q6_K = 14, QK_K, 128 + 64 + 16 + 2;
    Q8_K = 15, QK_K, 4 + 256 + 32;
    IQ4_NL = 20, 32, 2 + 16;
    IQ4_XS = 23, QK_K, 2 + 2 + 4 + 128;
    BF16 = 30, 1, 2;
    MXFP4 = 39, 32, 1 + 16;
}

/// ggml's names of types that are not read here.
const OTHERS: &[(u32, &str)] = &[
    (9, "Q8_1"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (40, "NVFP4"),
];

impl BlockType {
    /// The type with this number in ggml.
    ///
    /// # Errors
    /// Where it is not read here: its name and what is.
    pub(crate) fn of(number: u32) -> Result<Self, String> {
        Self::known(number).ok_or_else(|| {
            let name = OTHERS.iter().find(|(other, _)| *other == number);
            let name = name.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned());
            format!("{name}, which is not read here (F32, F16, BF16, Q4_0 to Q8_0, Q2_K to Q8_K, IQ4_NL, IQ4_XS, MXFP4)")
        })
    }

    /// Whether its values are stored one by one, without a scale.
    pub(crate) fn is_plain(self) -> bool {
        self.values() == 1
    }

    /// Bits of a stored number, without its share of the scale.
    pub(crate) fn bits(self) -> usize {
        match self {
            Self::F32 => 32,
            Self::F16 | Self::BF16 => 16,
            Self::Q8_0 | Self::Q8_K => 8,
            Self::Q6_K => 6,
            Self::Q5_0 | Self::Q5_1 | Self::Q5_K => 5,
            Self::Q4_0 | Self::Q4_1 | Self::Q4_K | Self::IQ4_NL | Self::IQ4_XS | Self::MXFP4 => 4,
            Self::Q3_K => 3,
            Self::Q2_K => 2,
        }
    }

    /// Appends the values of whole blocks.
    ///
    /// # Panics
    /// When `blocks` are not whole blocks.
    pub(crate) fn append(self, blocks: &[u8], out: &mut Vec<f32>) {
        assert!(blocks.len().is_multiple_of(self.bytes()), "whole blocks, says the caller");
        out.reserve(blocks.len() / self.bytes() * self.values());
        for block in blocks.chunks_exact(self.bytes()) {
            match self {
                Self::F32 => out.push(f32::from_le_bytes([block[0], block[1], block[2], block[3]])),
                Self::F16 => out.push(half(block)),
                Self::BF16 => out.push(bf16::from_le_bytes([block[0], block[1]]).to_f32()),
                Self::Q4_0 => legacy::q4_0(block, out),
                Self::Q4_1 => legacy::q4_1(block, out),
                Self::Q5_0 => legacy::q5_0(block, out),
                Self::Q5_1 => legacy::q5_1(block, out),
                Self::Q8_0 => legacy::q8_0(block, out),
                Self::Q2_K => k::q2(block, out),
                Self::Q3_K => k::q3(block, out),
                Self::Q4_K => k::q4(block, out),
                Self::Q5_K => k::q5(block, out),
                Self::Q6_K => k::q6(block, out),
                Self::Q8_K => k::q8(block, out),
                Self::IQ4_NL => nonlinear::iq4_nl(block, out),
                Self::IQ4_XS => nonlinear::iq4_xs(block, out),
                Self::MXFP4 => nonlinear::mxfp4(block, out),
            }
        }
    }
}

impl fmt::Display for BlockType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The half-precision number at the start of `bytes`.
fn half(bytes: &[u8]) -> f32 {
    f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::gguf::Header;

    #[test]
    fn blocks_mean_what_the_gguf_package_says_to_the_last_bit() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/gguf/blocks.gguf");
        let file = std::fs::read(path).unwrap();
        let header = Header::read(&file, file.len() as u64).unwrap();
        let mut seen = BTreeSet::from([BlockType::F32, BlockType::Q8_K]);
        for tensor in header.tensors.iter().filter(|tensor| !tensor.name.ends_with(".values")) {
            let name = format!("{}.values", tensor.name);
            let values = header.tensors.iter().find(|tensor| tensor.name == name).unwrap();
            let (mut got, mut expected) = (Vec::new(), Vec::new());
            tensor.kind.append(&file[tensor.range.clone()], &mut got);
            values.kind.append(&file[values.range.clone()], &mut expected);
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&got), bits(&expected), "{}", tensor.name);
            seen.insert(tensor.kind);
        }
        assert_eq!(seen.len(), BlockType::ALL.len(), "every type is tested: {seen:?}");
    }

    /// The package cannot read this type: ggml's own formula.
    #[test]
    fn eight_bits_with_a_scale_in_single_precision() {
        let mut block = 0.3f32.to_le_bytes().to_vec();
        block.extend((0..=255u8).chain([9; 32]));
        let mut values = Vec::new();
        BlockType::Q8_K.append(&block, &mut values);
        assert_eq!(values.len(), QK_K);
        assert_eq!(
            [values[0], values[127], values[128], values[255]],
            [0.0, 0.3f32 * 127.0, 0.3f32 * -128.0, -0.3f32]
        );
    }
}
