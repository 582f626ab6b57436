//! The norm before the unembedding, against lens-core's.

use lens_core::{FinalNorm, NormKind, NormMode, Post, VectorFacts, toy::Random};
use lens_cuda::{Machine as _, Narrow, Norms, Vectors, normed};

use crate::machine::Memory;

/// The sixteen bits of a bfloat16, to the nearest and ties to even, by way of float64.
fn narrowed(x: f32) -> u16 {
    let below = (x.to_bits() >> 16) as u16;
    let wide = |bits: u16| f64::from(f32::from_bits(u32::from(bits) << 16));
    let (low, high) = (wide(below), wide(below + 1));
    let (to_low, to_high) = ((f64::from(x) - low).abs(), (high - f64::from(x)).abs());
    if to_low < to_high || to_low == to_high && below % 2 == 0 { below } else { below + 1 }
}

fn widened(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[test]
#[allow(unsafe_code, reason = "a kernel is run on vectors")]
fn vectors_are_normed_as_on_the_host() {
    for (d, rows, width) in [(1usize, 1usize, 1usize), (7, 2, 3), (256, 1, 4), (1001, 3, 2)] {
        let mut random = Random::new(d as u64);
        let values = random.values(rows * width * d, 3.0);
        let (weight, bias) = (random.values(d, 1.0), random.values(d, 0.5));
        let wide = |values: &[f32]| values.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
        let (weight_there, bias_there) = (wide(&weight), wide(&bias));
        for (kind, has_bias) in [(None, false), (Some(NormKind::Rms), false), (Some(NormKind::Layer), true)] {
            let has_weight = kind.is_some();
            let host = kind.map_or(FinalNorm::identity(d), |kind| {
                FinalNorm::new(kind, 1e-5, d, Some(weight.clone()), has_bias.then(|| bias.clone())).unwrap()
            });
            for mode in [NormMode::Recomputed, NormMode::FinalScale, NormMode::None] {
                for (narrow_x, narrow) in
                    [(Narrow::No, Narrow::No), (Narrow::Yes, Narrow::Yes), (Narrow::Yes, Narrow::No)]
                {
                    let bits: Vec<u16> = values.iter().map(|x| narrowed(*x)).collect();
                    let x: Vec<f32> = match narrow_x {
                        Narrow::Yes => bits.iter().map(|bits| widened(*bits)).collect(),
                        Narrow::No => values.clone(),
                    };
                    let address = match narrow_x {
                        Narrow::Yes => bits.as_ptr() as u64,
                        Narrow::No => x.as_ptr() as u64,
                    };
                    let at = |values: &[f64], there: bool| there.then(|| values.as_ptr() as u64);
                    // SAFETY: all are in host memory, and as long as they should be.
                    let (vectors, norms) = unsafe {
                        (
                            Vectors::new(address, [rows, width, d], narrow_x),
                            Norms::new(kind, 1e-5, at(&weight_there, has_weight), at(&bias_there, has_bias)),
                        )
                    };
                    let memory = Memory::new(Post::default(), None);
                    let got = normed(&memory, &vectors, &norms, mode, narrow, true).unwrap();
                    let bytes = memory.download(&got.vectors).unwrap();
                    let facts = got.facts(&memory).unwrap().unwrap();
                    for i in 0..rows * width {
                        let (own, last) = (&x[i * d..][..d], &x[(i / width * width + width - 1) * d..][..d]);
                        let is_final = i % width == width - 1;
                        let mut right = own.to_vec();
                        match if is_final { NormMode::Recomputed } else { mode } {
                            NormMode::Recomputed => host.apply(&mut right, host.scale(own)),
                            NormMode::FinalScale => host.apply(&mut right, host.scale(last)),
                            NormMode::None => {}
                        }
                        for (j, right) in right.iter().enumerate() {
                            let place = i * d + j;
                            let (got, slack) = match narrow {
                                Narrow::No => {
                                    (f32::from_ne_bytes(bytes[4 * place..][..4].try_into().unwrap()), 1e-6)
                                }
                                Narrow::Yes => {
                                    let bits =
                                        u16::from_ne_bytes(bytes[2 * place..][..2].try_into().unwrap());
                                    (widened(bits), 1.0 / 250.0)
                                }
                            };
                            assert!((got - right).abs() <= slack * (1.0 + right.abs()), "{got} and {right}");
                        }
                        let of_last = VectorFacts::of_final(last);
                        let right = if is_final { of_last } else { VectorFacts::of(own, last, &of_last) };
                        let close = |a: f64, b: f64| {
                            (a - b).abs() <= 1e-12 * (1.0 + right.square + right.final_square)
                        };
                        assert_eq!(facts[i].is_final, right.is_final);
                        assert!(close(facts[i].square, right.square) && close(facts[i].dot, right.dot));
                        assert!(close(facts[i].final_square, right.final_square));
                    }
                }
            }
        }
    }
}

#[test]
#[allow(unsafe_code, reason = "a kernel is run on vectors")]
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
