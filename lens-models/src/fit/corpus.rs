//! A text as sequences of one length: some to fit to, some held out.

use lens_core::TokenId;

use super::{
    FitError,
    order::{Order, SplitMix},
};

/// Held-out sequences beyond this make no curve smoother.
const MOST_HELD_OUT: usize = 256;

/// A text as sequences of one length. What does not fill the last one is left out.
#[derive(Debug)]
pub struct Corpus {
    tokens: Vec<TokenId>,
    length: usize,
    /// Which sequences are fitted to, ascending.
    train: Vec<usize>,
    /// Which are held out, ascending.
    held_out: Vec<usize>,
    seed: u64,
    order: Order,
}

impl Corpus {
    /// Cuts the tokens of a text, documents one after the other, into sequences of `length`. Of these a share of
    /// `held_out` (at least one, at most 256 sequences; none if it is 0), drawn by `seed`, is held out; the others are
    /// read in an order that `seed` determines as well.
    ///
    /// # Errors
    /// When the text does not fill enough sequences, or `held_out` is not from 0 to below 1.
    pub fn new(tokens: Vec<TokenId>, length: usize, held_out: f64, seed: u64) -> Result<Self, FitError> {
        if !(0.0..1.0).contains(&held_out) {
            return Err(FitError::Option {
                name: "the share of the text to hold out",
                value: held_out.to_string(),
                wanted: "it has to be from 0 to below 1",
            });
        }
        let sequences = tokens.len().checked_div(length).unwrap_or(0);
        let held = match held_out > 0.0 {
            true => ((sequences as f64 * held_out) as usize).clamp(1, MOST_HELD_OUT),
            false => 0,
        };
        if sequences <= held {
            return Err(FitError::TooLittleText {
                tokens: tokens.len(),
                sequences,
                length,
                wanted: held + 1,
            });
        }
        let mut drawn: Vec<usize> = (0..sequences).collect();
        SplitMix::new(seed).shuffle(&mut drawn);
        let mut train = drawn.split_off(held);
        drawn.sort_unstable();
        train.sort_unstable();
        let order = Order::new(seed, train.len());
        Ok(Self { tokens, length, train, held_out: drawn, seed, order })
    }

    /// All tokens of the text.
    pub fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// What the draw and the order depend on.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Tokens of a sequence.
    pub fn length(&self) -> usize {
        self.length
    }

    /// How many sequences are fitted to.
    pub fn train_sequences(&self) -> usize {
        self.train.len()
    }

    /// How many sequences are held out.
    pub fn held_out_sequences(&self) -> usize {
        self.held_out.len()
    }

    /// Tokens at the end that do not fill a sequence.
    pub fn left_over(&self) -> usize {
        self.tokens.len() % self.length
    }

    /// The sequences that are held out, `n` of them at most at once, one after the other.
    pub fn held_out(&self, n: usize) -> impl Iterator<Item = Vec<TokenId>> {
        self.held_out
            .chunks(n.max(1))
            .map(|some| some.iter().flat_map(|i| self.sequence(*i)).copied().collect())
    }

    /// `n` sequences to fit to, one after the other: those in places `from..` of the order.
    pub(super) fn batch(&mut self, from: u64, n: usize) -> Vec<TokenId> {
        let mut tokens = Vec::with_capacity(n * self.length);
        for k in from..from + n as u64 {
            if let Some(i) = self.order.at(k) {
                tokens.extend_from_slice(self.sequence(self.train[i]));
            }
        }
        tokens
    }

    fn sequence(&self, i: usize) -> &[TokenId] {
        &self.tokens[i * self.length..][..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(n: u32, length: usize, held_out: f64) -> Result<Corpus, FitError> {
        Corpus::new((0..n).map(TokenId).collect(), length, held_out, 3)
    }

    #[test]
    fn every_whole_sequence_is_either_fitted_to_or_held_out() {
        let mut corpus = corpus(107, 10, 0.25).unwrap();
        assert_eq!((corpus.train_sequences(), corpus.held_out_sequences(), corpus.left_over()), (8, 2, 7));
        let held: Vec<TokenId> = corpus.held_out(1).flatten().collect();
        let mut all = [held, corpus.batch(0, 8)].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq((0..100).map(TokenId)));
        assert_eq!(corpus.batch(3, 2), [corpus.batch(3, 1), corpus.batch(4, 1)].concat());
    }

    #[test]
    fn a_text_that_is_too_short_is_refused() {
        let message = corpus(19, 10, 0.1).unwrap_err().to_string();
        assert!(message.contains("19 tokens, 1 sequences of 10: at least 2 are needed"), "{message}");
        assert!(corpus(19, 10, 0.0).is_ok() && corpus(9, 10, 0.0).is_err() && corpus(20, 10, 0.1).is_ok());
        assert!(corpus(100, 0, 0.1).is_err());
        assert!(corpus(100, 10, 1.0).is_err() && corpus(100, 10, f64::NAN).is_err());
    }
}
