//! Shapes, weights, biases and caps that nobody chose, on every kernel of this machine beside float64.
//!
//! A few hundred cases are an ordinary test; `LENS_CASES=100000 cargo test -p lens-core --test projection random_cases --
//! --nocapture` tries more, and `LENS_SEED=N` others.

use std::{env, time::Instant};

use lens_core::{projection::Post, toy::Random};

use crate::{
    kernels,
    properties::{Case, DTYPES, agrees, finals_of, some_tracked, tolerance},
};

/// Products of a case, at most: float64 takes its time, and Miri a thousand times as long.
const PRODUCTS: usize = if cfg!(miri) { 600 } else { 60_000 };
/// How many cases are tried where nobody says.
const CASES: u64 = if cfg!(miri) { 1 } else { 300 };

/// A number from the environment.
fn told(variable: &str, usual: u64) -> u64 {
    env::var(variable).map_or(usual, |value| value.parse().expect("a number"))
}

/// From 1 to `most`, small ones as often as large ones.
fn size(noise: &mut Random, most: usize) -> usize {
    let bits = noise.below(1 + most.ilog2() as usize);
    (1 + noise.below(1 << (bits + 1))).min(most)
}

/// What is tried, and how far a logit may be off.
struct Tried {
    case: Case,
    /// `d_model`, `n_vocab`, and how many readouts.
    shape: [usize; 3],
    allowed: f64,
}

/// Draws a case. Scales are at most 4, as where the bound was found.
fn draw(noise: &mut Random) -> Tried {
    let d_model = size(noise, 1500);
    let n_vocab = size(noise, (PRODUCTS / d_model).clamp(1, 2500));
    let n = size(noise, (PRODUCTS / (d_model * n_vocab)).clamp(1, 200));
    // Miri has no instruction that makes float16, the last of them, where the program is compiled for one.
    let dtypes = if cfg!(all(miri, target_feature = "f16c")) { &DTYPES[..2] } else { &DTYPES[..] };
    let dtype = dtypes[noise.below(dtypes.len())];
    let mut case = Case::random(dtype, d_model, n_vocab, n, noise.bits());
    let mut allowed = tolerance(d_model);
    if noise.below(2) == 0 {
        case.bias = Some(noise.values(n_vocab, 2.0));
        allowed = 4.0 * tolerance(d_model);
    }
    if noise.below(2) == 0 {
        let scale = [0.0625, 0.5, 1.0, 2.5, 4.0, -1.5][noise.below(6)];
        let softcap = [None, Some(3.0), Some(30.0), Some(50.0)][noise.below(4)];
        case.post = Post { scale, softcap };
        allowed = 4.0 * tolerance(d_model);
    }
    Tried { case, shape: [d_model, n_vocab, n], allowed }
}

#[test]
fn random_cases_agree_with_float64() {
    let (first, count) = (told("LENS_SEED", 1), told("LENS_CASES", CASES));
    let kernels = kernels();
    println!("{count} cases from seed {first} on {kernels:?}");
    let began = Instant::now();
    let mut largest = [0; 3];
    for seed in first..first + count {
        // Neighbouring seeds would begin alike.
        let mut noise = Random::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let Tried { case, shape, allowed } = draw(&mut noise);
        largest = std::array::from_fn(|i| largest[i].max(shape[i]));
        let [_, n_vocab, n] = shape;
        let finals = finals_of(n, 1 + noise.below(n));
        let tracked = some_tracked(n, n_vocab, &mut noise);
        for kernel in &kernels {
            let tried = std::panic::catch_unwind(|| agrees(&case, *kernel, &finals, &tracked, allowed));
            assert!(tried.is_ok(), "the case of seed {seed}, on {kernel}");
        }
    }
    let [d_model, n_vocab, n] = largest;
    println!("widths to {d_model}, vocabularies to {n_vocab}, readouts to {n}: in {:.0?}", began.elapsed());
}
