//! The norm before the unembedding, against lens-core's.
#![allow(unsafe_code, reason = "a kernel is run on vectors")]

use lens_core::{FinalNorm, NormKind, NormMode, Post, VectorFacts, toy::Random};
use lens_cuda::{Machine as _, Narrow, Norms, Vectors, normed};

use crate::machine::Memory;

/// The sixteen bits of a bfloat16, to the nearest and ties to even, by way of float64.
fn narrowed(x: f32) -> u16 {
    let below = (x.to_bits() >> 16) as u16;
    let wide = |bits: u16| f64::from(widened(bits));
    let (to_low, to_high) = ((f64::from(x) - wide(below)).abs(), (wide(below + 1) - f64::from(x)).abs());
    if to_low < to_high || to_low == to_high && below.is_multiple_of(2) { below } else { below + 1 }
}

fn widened(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The numbers in a buffer.
fn numbers(bytes: &[u8], narrow: Narrow) -> Vec<f32> {
    match narrow {
        Narrow::Yes => bytes.chunks_exact(2).map(|b| widened(u16::from_ne_bytes([b[0], b[1]]))).collect(),
        Narrow::No => bytes.chunks_exact(4).map(|b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]])).collect(),
    }
}

/// Vectors and a norm.
struct Case {
    shape: [usize; 3],
    /// As the kernel reads them, and as they are.
    bits: Vec<u16>,
    x: Vec<f32>,
    kind: Option<NormKind>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Case {
    fn new(shape: [usize; 3], kind: Option<NormKind>, narrow: Narrow) -> Self {
        let mut random = Random::new(shape[2] as u64);
        let values = random.values(shape.iter().product(), 3.0);
        let bits: Vec<u16> = values.iter().map(|x| narrowed(*x)).collect();
        let x = if narrow == Narrow::Yes { bits.iter().map(|bits| widened(*bits)).collect() } else { values };
        // Layer norms have a bias here, and only norms have weights.
        let weight = random.values(if kind.is_some() { shape[2] } else { 0 }, 1.0);
        let bias = random.values(if kind == Some(NormKind::Layer) { shape[2] } else { 0 }, 0.5);
        Self { shape, bits, x, kind, weight, bias }
    }

    /// A vector, and the final one of its row.
    fn vectors(&self, i: usize) -> (&[f32], &[f32]) {
        let [_, width, d] = self.shape;
        (&self.x[i * d..][..d], &self.x[(i / width * width + width - 1) * d..][..d])
    }

    fn host(&self) -> FinalNorm {
        let some = |values: &[f32]| (!values.is_empty()).then(|| values.to_vec());
        self.kind.map_or(FinalNorm::identity(self.shape[2]), |kind| {
            FinalNorm::new(kind, 1e-5, self.shape[2], some(&self.weight), some(&self.bias)).unwrap()
        })
    }

    /// What lens-core makes of a vector.
    fn right(&self, i: usize, mode: NormMode) -> Vec<f32> {
        let (host, (own, last)) = (self.host(), self.vectors(i));
        let is_final = (i + 1).is_multiple_of(self.shape[1]);
        let mut right = own.to_vec();
        match if is_final { NormMode::Recomputed } else { mode } {
            NormMode::Recomputed => host.apply(&mut right, host.scale(own)),
            NormMode::FinalScale => host.apply(&mut right, host.scale(last)),
            NormMode::None => {}
        }
        right
    }

    /// What the kernel makes of all of them.
    fn got(&self, mode: NormMode, narrow_x: Narrow, narrow: Narrow) -> (Vec<f32>, Vec<VectorFacts>) {
        let wide = |values: &[f32]| values.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
        let (weight, bias) = (wide(&self.weight), wide(&self.bias));
        let at = |values: &[f64]| (!values.is_empty()).then_some(values.as_ptr() as u64);
        let x = if narrow_x == Narrow::Yes { self.bits.as_ptr() as u64 } else { self.x.as_ptr() as u64 };
        // SAFETY: all are in host memory, and as long as they should be.
        let (vectors, norms) = unsafe {
            (Vectors::new(x, self.shape, narrow_x), Norms::new(self.kind, 1e-5, at(&weight), at(&bias)))
        };
        let memory = Memory::new(Post::default(), None);
        let got = normed(&memory, &vectors, &norms, mode, narrow, true).unwrap();
        let vectors = numbers(&memory.download(&got.vectors).unwrap(), narrow);
        (vectors, got.facts(&memory).unwrap().unwrap())
    }

    fn check(&self, mode: NormMode, narrow_x: Narrow, narrow: Narrow) {
        let (got, facts) = self.got(mode, narrow_x, narrow);
        let [rows, width, d] = self.shape;
        let slack = if narrow == Narrow::Yes { 1.0 / 250.0 } else { 1e-6 };
        for i in 0..rows * width {
            for (got, right) in got[i * d..].iter().zip(self.right(i, mode)) {
                assert!((got - right).abs() <= slack * (1.0 + right.abs()), "{got} and {right}");
            }
            let (own, last) = self.vectors(i);
            let of_last = VectorFacts::of_final(last);
            let is_final = (i + 1).is_multiple_of(width);
            let right = if is_final { of_last } else { VectorFacts::of(own, last, &of_last) };
            let size = 1.0 + right.square + right.final_square;
            let close = |a: f64, b: f64| (a - b).abs() <= 1e-12 * size;
            assert_eq!(facts[i].is_final, right.is_final);
            assert!(close(facts[i].square, right.square) && close(facts[i].dot, right.dot));
            assert!(close(facts[i].final_square, right.final_square));
        }
    }
}

#[test]
fn vectors_are_normed_as_on_the_host() {
    for shape in [[1, 1, 1], [2, 3, 7], [1, 4, 256], [3, 2, 1001]] {
        for kind in [None, Some(NormKind::Rms), Some(NormKind::Layer)] {
            for (narrow_x, narrow) in
                [(Narrow::No, Narrow::No), (Narrow::Yes, Narrow::Yes), (Narrow::Yes, Narrow::No)]
            {
                let case = Case::new(shape, kind, narrow_x);
                for mode in [NormMode::Recomputed, NormMode::FinalScale, NormMode::None] {
                    case.check(mode, narrow_x, narrow);
                }
            }
        }
    }
}

#[test]
fn numbers_are_rounded_to_bfloat16_to_the_nearest() {
    // Halfway cases of both kinds, signs, the largest numbers, and what is not a number.
    let halfway =
        [0x3f80_8000u32, 0x3f81_8000, 0x3f80_7fff, 0x3f80_8001, 0xbf80_8000, 0x7f7f_ffff, 0x0000_8000];
    let x: Vec<f32> =
        halfway.into_iter().map(f32::from_bits).chain([0.0, -0.0, 1.0, f32::INFINITY, f32::NAN]).collect();
    // SAFETY: they are in host memory; there is no norm.
    let (vectors, norms) = unsafe {
        (Vectors::new(x.as_ptr() as u64, [1, 1, x.len()], Narrow::No), Norms::new(None, 0.0, None, None))
    };
    let memory = Memory::new(Post::default(), None);
    let got = normed(&memory, &vectors, &norms, NormMode::Recomputed, Narrow::Yes, false).unwrap();
    assert!(got.facts(&memory).unwrap().is_none());
    let bytes = memory.download(&got.vectors).unwrap();
    let got: Vec<u16> =
        bytes.chunks_exact(2).take(x.len()).map(|b| u16::from_ne_bytes([b[0], b[1]])).collect();
    assert_eq!(got[..7], [0x3f80, 0x3f82, 0x3f80, 0x3f81, 0xbf80, 0x7f80, 0x0000]);
    assert_eq!(got[7..11], [0, 0x8000, 0x3f80, 0x7f80]);
    assert!(widened(got[11]).is_nan());
}
