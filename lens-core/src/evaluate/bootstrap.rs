//! How far a mean over sequences could be from what other sequences would give: a bootstrap that needs no second look.

use rand_chacha::{
    ChaCha12Rng,
    rand_core::{RngCore, SeedableRng},
};
use serde::Serialize;

/// A mean, with the interval that most resamplings of the sequences give.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Estimate {
    /// The mean over everything that was read.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// Sums over sequences, as they are and resampled.
///
/// Each resampling takes every sequence as often as a number from the Poisson distribution of mean 1 says, drawn when
/// the sequence comes (Chamandy et al. 2012): nothing has to be kept of the sequences, and all sums of a resampling
/// share its draws.
#[derive(Debug, Clone)]
pub(crate) struct Bootstrap {
    random: ChaCha12Rng,
    width: usize,
    /// `[1 + resamplings, width]`; the first row is the sum as it is.
    sums: Vec<f64>,
}

impl Bootstrap {
    /// `resamplings` of `width` sums, drawn by `seed`.
    pub(crate) fn new(width: usize, resamplings: usize, seed: u64) -> Self {
        Self {
            random: ChaCha12Rng::seed_from_u64(seed),
            width,
            sums: vec![0.0; width * resamplings.saturating_add(1)],
        }
    }

    /// Adds one sequence's values, `[width]`.
    pub(crate) fn add(&mut self, values: &[f64]) {
        for (i, sums) in self.sums.chunks_exact_mut(self.width.max(1)).enumerate() {
            let times = if i == 0 { 1.0 } else { f64::from(poisson(self.random.next_u32())) };
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += times * value);
        }
    }

    /// The sum at an index.
    pub(crate) fn sum(&self, index: usize) -> f64 {
        self.sums.get(index).copied().unwrap_or(0.0)
    }

    /// The quotient of two sums, with the interval that a share of `confidence` of the resamplings fall into; `None`
    /// where there is nothing to divide by.
    pub(crate) fn ratio(&self, above: usize, below: usize, confidence: f64) -> Option<Estimate> {
        let of = |sums: &[f64]| (sums[below] > 0.0).then(|| sums[above] / sums[below]);
        let mut rows = self.sums.chunks_exact(self.width.max(1));
        let value = of(rows.next()?)?;
        Some(Estimate::of(value, rows.filter_map(of).collect(), confidence))
    }
}

impl Estimate {
    /// A value with the interval that a share of `confidence` of its resamplings fall into.
    pub(crate) fn of(value: f64, mut resampled: Vec<f64>, confidence: f64) -> Self {
        resampled.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| -> f64 {
            let place = share * resampled.len().saturating_sub(1) as f64;
            resampled.get(place.round() as usize).copied().unwrap_or(value)
        };
        let tail = (1.0 - confidence) / 2.0;
        Self { value, low: at(tail), high: at(1.0 - tail) }
    }
}

/// The number of the Poisson distribution of mean 1 that a uniform one stands for, by inversion.
pub(crate) fn poisson(uniform: u32) -> u32 {
    let uniform = f64::from(uniform) / (f64::from(u32::MAX) + 1.0);
    let mut probability = (-1.0f64).exp();
    let (mut cumulated, mut n) = (probability, 0);
    // At 13 less than one part in 2³² is left.
    while uniform >= cumulated && n < 13 {
        n += 1;
        probability /= f64::from(n);
        cumulated += probability;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::Random;

    #[test]
    fn draws_have_the_mean_and_the_variance_of_poisson() {
        let mut random = ChaCha12Rng::seed_from_u64(3);
        let draws: Vec<f64> = (0..40_000).map(|_| f64::from(poisson(random.next_u32()))).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!((mean - 1.0).abs() < 0.02 && (variance - 1.0).abs() < 0.04, "{mean}, {variance}");
    }

    /// The interval of a mean has the width that its standard error says, and holds the truth about as often as it
    /// should.
    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        let mut random = Random::new(11);
        let (mut held, rounds, n) = (0, 200, 60);
        for seed in 0..rounds {
            let mut bootstrap = Bootstrap::new(2, 400, seed);
            for _ in 0..n {
                bootstrap.add(&[f64::from(random.unit()), 1.0]);
            }
            let estimate = bootstrap.ratio(0, 1, 0.9).unwrap();
            assert!(estimate.low <= estimate.value && estimate.value <= estimate.high);
            held += u32::from(estimate.low <= 0.5 && 0.5 <= estimate.high);
            // 2 * 1.645 / sqrt(12 n)
            let width = estimate.high - estimate.low;
            assert!((0.08..0.18).contains(&width), "{width}");
        }
        let share = f64::from(held) / rounds as f64;
        assert!((0.82..0.97).contains(&share), "{share}");
    }

    #[test]
    fn a_seed_gives_the_same_interval_every_time() {
        let interval = |seed| {
            let mut bootstrap = Bootstrap::new(2, 50, seed);
            (0..20).for_each(|i| bootstrap.add(&[f64::from(i), 1.0]));
            bootstrap.ratio(0, 1, 0.95).unwrap()
        };
        assert_eq!(interval(1), interval(1));
        assert_ne!(interval(1), interval(2));
        assert_eq!(Bootstrap::new(2, 5, 1).ratio(0, 1, 0.95), None);
    }
}
