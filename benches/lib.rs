//! Shared inputs of the benches: shapes, numbers and traces that are the same on every machine.

mod toy;

use std::env;

use lens_core::toy::Random;

pub use toy::Toy;

/// A projection's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Width of a row.
    pub d_model: usize,
    /// Rows of the vocabulary.
    pub n_vocab: usize,
    /// Readouts in the batch.
    pub n: usize,
}

impl Shape {
    /// A shape.
    pub const fn new(d_model: usize, n_vocab: usize, n: usize) -> Self {
        Self { d_model, n_vocab, n }
    }

    /// Its name in the report: `d896_v151936_n96`.
    pub fn name(&self) -> String {
        format!("d{}_v{}_n{}", self.d_model, self.n_vocab, self.n)
    }

    /// Multiplications and additions of the bare product.
    pub fn operations(&self) -> u64 {
        2 * (self.d_model * self.n_vocab * self.n) as u64
    }

    /// The shape that `LENS_BENCH_D`, `LENS_BENCH_V` and `LENS_BENCH_N` describe, if any of them is set;
    /// what is not set is taken from `d896_v151936_n96`.
    pub fn from_env() -> Option<Self> {
        let (d_model, n_vocab, n) = (number("LENS_BENCH_D"), number("LENS_BENCH_V"), number("LENS_BENCH_N"));
        (d_model.is_some() || n_vocab.is_some() || n.is_some()).then(|| Self {
            d_model: d_model.unwrap_or(896),
            n_vocab: n_vocab.unwrap_or(151_936),
            n: n.unwrap_or(96),
        })
    }
}

/// Threads of both sides: `LENS_BENCH_THREADS`, or 2.
pub fn threads() -> usize {
    number("LENS_BENCH_THREADS").unwrap_or(2)
}

/// The dtype of the user's own shape: `LENS_BENCH_DTYPE`, or `bf16`.
pub fn dtype() -> String {
    env::var("LENS_BENCH_DTYPE").unwrap_or_else(|_| "bf16".to_owned())
}

/// A whole number above zero from the environment.
///
/// # Panics
/// When the variable is something else.
fn number(variable: &str) -> Option<usize> {
    let text = env::var(variable).ok()?;
    match text.parse() {
        Ok(value) if value > 0 => Some(value),
        _ => panic!("{variable} = \"{text}\" is not a whole number above zero"),
    }
}

/// `n` numbers in `[-scale, scale)`, always the same.
pub fn noise(n: usize, scale: f32) -> impl Iterator<Item = f32> {
    let mut random = Random::new(1);
    (0..n).map(move |_| (random.unit() * 2.0 - 1.0) * scale)
}
