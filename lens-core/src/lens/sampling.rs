//! How the next token is chosen from the probable ones.

use std::num::NonZeroUsize;

use rand_chacha::{
    ChaCha12Rng,
    rand_core::{RngCore, SeedableRng},
};

use crate::readout::TokenScore;

/// How a token is chosen from the final readout.
///
/// Logits are divided by the temperature; then only the `top_k` most probable tokens stay, and of those the
/// smallest set whose probabilities add up to `top_p`: the order of Hugging Face transformers.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Sampling {
    /// What logits are divided by. 0 is greedy: the most probable token, and of equally probable ones that with the
    /// smaller id.
    pub temperature: f32,
    /// At most this many tokens can be chosen; `None` is the whole vocabulary.
    pub top_k: Option<NonZeroUsize>,
    /// Least total probability of the tokens that can be chosen, in `(0, 1]`; 1 leaves none out.
    pub top_p: f32,
    /// Seed of the random numbers: the same seed chooses the same tokens, on every machine that computes the same
    /// logits.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: None, top_p: 1.0, seed: 0 }
    }
}

impl Sampling {
    /// Whether the most probable token is always chosen.
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0 || self.top_k.is_some_and(|k| k.get() == 1)
    }

    /// How many tokens of the readout a choice is made from.
    fn candidates(&self, n_vocab: usize) -> NonZeroUsize {
        let all = NonZeroUsize::new(n_vocab).unwrap_or(NonZeroUsize::MIN);
        if self.is_greedy() { NonZeroUsize::MIN } else { self.top_k.map_or(all, |k| k.min(all)) }
    }

    /// Makes sure that the numbers mean something.
    pub(super) fn validate(&self) -> Result<(), SamplingError> {
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return Err(SamplingError::Temperature { temperature: self.temperature });
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(SamplingError::TopP { top_p: self.top_p });
        }
        Ok(())
    }

    crate::setters! {
        /// What logits are divided by. 0 is greedy: the most probable token, and of equally probable ones that with the
        /// smaller id.
        with_temperature => temperature: f32,
        /// At most this many tokens can be chosen; `None` is the whole vocabulary.
        with_top_k => top_k: Option<NonZeroUsize>,
        /// Least total probability of the tokens that can be chosen, in `(0, 1]`; 1 leaves none out.
        with_top_p => top_p: f32,
        /// Seed of the random numbers: the same seed chooses the same tokens, on every machine that computes the same
        /// logits.
        with_seed => seed: u64,
    }
}

/// Numbers that describe no distribution.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SamplingError {
    /// The temperature is negative, infinite or NaN.
    #[error("a temperature of {temperature} makes no distribution: give 0 (greedy) or a positive number")]
    Temperature {
        /// The temperature.
        temperature: f32,
    },
    /// `top_p` is outside of `(0, 1]`.
    #[error("top_p is a probability above 0 and at most 1, not {top_p}")]
    TopP {
        /// What was given.
        top_p: f32,
    },
}

/// Chooses tokens, one after the other.
pub(super) struct Chooser {
    sampling: Sampling,
    random: ChaCha12Rng,
}

impl Chooser {
    pub(super) fn new(sampling: Sampling) -> Self {
        Self { sampling, random: ChaCha12Rng::seed_from_u64(sampling.seed) }
    }

    /// How many tokens of the readout a choice is made from.
    pub(super) fn candidates(&self, n_vocab: usize) -> NonZeroUsize {
        self.sampling.candidates(n_vocab)
    }

    /// Chooses among the most probable tokens, in the order of a readout; `None` if there are none.
    pub(super) fn choose(&mut self, top: &[TokenScore]) -> Option<TokenScore> {
        let first = top.first()?;
        if self.sampling.is_greedy() {
            return Some(*first);
        }
        let temperature = f64::from(self.sampling.temperature);
        let weight =
            |score: &TokenScore| ((f64::from(score.logit) - f64::from(first.logit)) / temperature).exp();
        let total: f64 = top.iter().map(weight).sum();
        let nucleus = nucleus(top.iter().map(weight), total * f64::from(self.sampling.top_p));
        let kept: f64 = top[..nucleus].iter().map(weight).sum();

        let mut left = self.uniform() * kept;
        let chosen = top[..nucleus].iter().find(|score| {
            left -= weight(score);
            left < 0.0
        });
        // Rounding may leave nothing over for the last one.
        Some(*chosen.unwrap_or(&top[nucleus - 1]))
    }

    /// A number in `[0, 1)`.
    fn uniform(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 * 2f64.powi(-53)
    }
}

/// How many of `weights`, which descend, add up to `mass`; at least one.
fn nucleus(weights: impl ExactSizeIterator<Item = f64>, mass: f64) -> usize {
    let n = weights.len();
    let mut sum = 0.0;
    let before = weights
        .take_while(|weight| {
            sum += weight;
            sum < mass
        })
        .count();
    (before + 1).min(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::TokenId;

    fn top(probabilities: &[f32]) -> Vec<TokenScore> {
        let score = |(id, prob): (u32, &f32)| TokenScore { id: TokenId(id), logit: prob.ln(), prob: *prob };
        (0..).zip(probabilities).map(score).collect()
    }

    fn counts(sampling: Sampling, probabilities: &[f32]) -> Vec<usize> {
        let (mut chooser, top) = (Chooser::new(sampling), top(probabilities));
        let mut counts = vec![0; probabilities.len()];
        for _ in 0..20_000 {
            counts[chooser.choose(&top).unwrap().id.index()] += 1;
        }
        counts
    }

    const PROBABILITIES: [f32; 4] = [0.5, 0.25, 0.15, 0.1];

    #[test]
    fn tokens_come_as_often_as_they_are_probable() {
        let counts = counts(Sampling { temperature: 1.0, ..Sampling::default() }, &PROBABILITIES);
        for (count, prob) in counts.iter().zip(PROBABILITIES) {
            assert!((*count as f32 / 20_000.0 - prob).abs() < 0.015, "{counts:?}");
        }
    }

    #[test]
    fn a_temperature_sharpens_or_flattens() {
        let counts = counts(Sampling { temperature: 0.5, ..Sampling::default() }, &PROBABILITIES);
        let squares: f32 = PROBABILITIES.iter().map(|p| p * p).sum();
        assert!((counts[0] as f32 / 20_000.0 - 0.25 / squares).abs() < 0.015, "{counts:?}");
    }

    #[test]
    fn the_nucleus_is_the_smallest_set_that_is_enough() {
        let with =
            |top_p| counts(Sampling { temperature: 1.0, top_p, ..Sampling::default() }, &PROBABILITIES);
        assert_eq!(with(0.5)[1..], [0, 0, 0]);
        assert_eq!(with(0.51)[2..], [0, 0]);
        assert!(with(0.51)[1] > 0 && with(0.9)[2] > 0 && with(0.95)[3] > 0);
    }

    #[test]
    fn at_most_k_tokens_are_chosen_from() {
        let sampling = Sampling { temperature: 1.0, top_k: NonZeroUsize::new(2), ..Sampling::default() };
        assert_eq!(sampling.candidates(4).get(), 2);
        assert!(Sampling { top_k: Some(NonZeroUsize::MIN), ..sampling }.is_greedy());
        assert_eq!(Sampling::default().candidates(4).get(), 1);
    }

    #[test]
    fn the_seed_decides() {
        let sampling = Sampling { temperature: 1.0, seed: 7, ..Sampling::default() };
        let sequence = |sampling| {
            let (mut chooser, top) = (Chooser::new(sampling), top(&PROBABILITIES));
            (0..20).map(|_| chooser.choose(&top).unwrap().id.0).collect::<Vec<_>>()
        };
        assert_eq!(sequence(sampling), sequence(sampling));
        assert_ne!(sequence(sampling), sequence(Sampling { seed: 8, ..sampling }));
        // The numbers of ChaCha12 with this seed: another generator would break reproducibility silently.
        assert_eq!(sequence(sampling)[..8], SEVEN);
    }

    const SEVEN: [u32; 8] = [0, 0, 0, 1, 0, 3, 0, 0];

    #[test]
    fn numbers_without_meaning_are_refused() {
        for temperature in [-1.0, f32::NAN, f32::INFINITY] {
            assert!(Sampling { temperature, ..Sampling::default() }.validate().is_err());
        }
        for top_p in [0.0, -0.5, 1.5, f32::NAN] {
            assert!(Sampling { top_p, ..Sampling::default() }.validate().is_err());
        }
        assert_eq!(Sampling::default().validate(), Ok(()));
    }
}
