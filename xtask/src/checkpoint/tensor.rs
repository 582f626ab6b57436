//! A tensor of normally distributed numbers, each a function of seed, name and place alone: neither the number of
//! threads nor the split into files changes it.

use std::f64::consts::TAU;
use std::thread;

use clap::ValueEnum;

/// How numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dtype {
    Bf16,
    F16,
    F32,
}

impl Dtype {
    pub(super) fn bytes(self) -> u64 {
        match self {
            Self::Bf16 | Self::F16 => 2,
            Self::F32 => 4,
        }
    }

    /// As a safetensors header spells it.
    pub(crate) fn in_header(self) -> &'static str {
        match self {
            Self::Bf16 => "BF16",
            Self::F16 => "F16",
            Self::F32 => "F32",
        }
    }

    /// As torch spells it.
    pub(super) fn in_config(self) -> &'static str {
        match self {
            Self::Bf16 => "bfloat16",
            Self::F16 => "float16",
            Self::F32 => "float32",
        }
    }
}

/// A tensor to be: its name, its shape and how its numbers are distributed.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) shape: Vec<u64>,
    mean: f64,
    spread: f64,
}

impl Tensor {
    /// Numbers around zero with the standard deviation `spread`.
    pub(super) fn normal(name: impl Into<String>, shape: impl Into<Vec<u64>>, spread: f64) -> Self {
        Self { name: name.into(), shape: shape.into(), mean: 0.0, spread }
    }

    /// The weight of a norm.
    pub(super) fn near_one(name: impl Into<String>, width: u64) -> Self {
        Self { name: name.into(), shape: vec![width], mean: 1.0, spread: 0.1 }
    }

    pub(super) fn numel(&self) -> u64 {
        self.shape.iter().product()
    }

    /// The tensor's numbers in a dtype, to be written down piece by piece.
    pub(super) fn numbers(&self, dtype: Dtype, seed: u64) -> Numbers {
        let table = match dtype {
            Dtype::Bf16 => Table::Two(self.table(|x| bf16(x).to_le_bytes())),
            Dtype::F16 => Table::Two(self.table(|x| f16(x).to_le_bytes())),
            Dtype::F32 => Table::Four(self.table(f32::to_le_bytes)),
        };
        // FNV-1a
        let name = self.name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Numbers { table, key: mix(name ^ mix(seed)) }
    }

    /// 65,536 numbers with this tensor's distribution, by the Box-Muller transform of a grid.
    fn table<const B: usize>(&self, store: impl Fn(f32) -> [u8; B]) -> Vec<[u8; B]> {
        let middle = |i: u32| (f64::from(i) + 0.5) / 256.0;
        (0..=u32::from(u16::MAX))
            .map(|i| {
                let (radius, angle) = ((-2.0 * middle(i >> 8).ln()).sqrt(), TAU * middle(i & 0xff));
                store((self.mean + self.spread * radius * angle.cos()) as f32)
            })
            .collect()
    }
}

/// The numbers of one tensor.
pub(super) struct Numbers {
    table: Table,
    key: u64,
}

enum Table {
    Two(Vec<[u8; 2]>),
    Four(Vec<[u8; 4]>),
}

impl Numbers {
    /// Fills `out` with the numbers from the `first` on, a multiple of 4, with `threads` threads.
    pub(super) fn fill(&self, first: u64, out: &mut [u8], threads: usize) {
        match &self.table {
            Table::Two(table) => fill(table, self.key, first, out.as_chunks_mut().0, threads),
            Table::Four(table) => fill(table, self.key, first, out.as_chunks_mut().0, threads),
        }
    }
}

fn fill<const B: usize>(table: &[[u8; B]], key: u64, first: u64, out: &mut [[u8; B]], threads: usize) {
    let piece = out.len().div_ceil(threads.max(1)).next_multiple_of(4);
    thread::scope(|scope| {
        for (i, out) in out.chunks_mut(piece).enumerate() {
            let first = first + (i * piece) as u64;
            scope.spawn(move || {
                for (four, counter) in out.chunks_mut(4).zip(first / 4..) {
                    let random = mix(key.wrapping_add(counter.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
                    for (i, value) in four.iter_mut().enumerate() {
                        *value = table[usize::from((random >> (16 * i)) as u16)];
                    }
                }
            });
        }
    });
}

/// The output function of SplitMix64 (Steele, Lea and Flood 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The bits of the nearest bfloat16, ties to even.
fn bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

/// The bits of the nearest float16, ties to even, for numbers in its range.
fn f16(x: f32) -> u16 {
    let sign = if x.is_sign_negative() { 0x8000 } else { 0 };
    let magnitude = x.abs();
    // 2^exponent <= |x|, or the exponent that subnormal numbers share.
    let exponent = ((magnitude.to_bits() >> 23) as i32 - 127).max(-14);
    let steps = (magnitude * 2.0f32.powi(10 - exponent)).round_ties_even() as u16;
    // A normal number's leading one counts its exponent up by one, as does a carry.
    sign | ((((exponent + 14) as u16) << 10) + steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_rounded_to_nearest_even() {
        for (x, bits) in
            [(1.0, 0x3c00), (-2.5, 0xc100), (0.02, 0x251f), (6.0e-8, 1), (0.0, 0), (2047.9, 0x6800)]
        {
            assert_eq!(f16(x), bits, "{x}");
        }
        for (x, bits) in [(1.0, 0x3f80), (-2.5, 0xc020), (1.003_906_2, 0x3f80), (1.011_718_8, 0x3f82)] {
            assert_eq!(bf16(x), bits, "{x}");
        }
    }

    #[test]
    fn numbers_have_the_mean_and_spread_of_their_tensor() {
        let mut bytes = vec![0; 400_000];
        Tensor::near_one("norm", 100_000).numbers(Dtype::F32, 1).fill(0, &mut bytes, 3);
        let values: Vec<f64> =
            bytes.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect();
        let mean = values.iter().sum::<f64>() / 1e5;
        let spread = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 1e5).sqrt();
        assert!((mean - 1.0).abs() < 2e-3 && (spread - 0.1).abs() < 2e-3, "{mean} {spread}");
    }

    #[test]
    fn a_number_depends_on_its_place_and_not_on_the_piece_or_the_threads() {
        let numbers = Tensor::normal("w", [1000], 1.0).numbers(Dtype::Bf16, 7);
        let (mut whole, mut pieces) = (vec![0; 2000], vec![0; 2000]);
        numbers.fill(0, &mut whole, 1);
        numbers.fill(0, &mut pieces[..800], 3);
        numbers.fill(400, &mut pieces[800..], 5);
        assert_eq!(whole, pieces);
    }
}
