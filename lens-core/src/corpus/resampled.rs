//! Sums over documents as they would be of other documents: a bootstrap whose draws belong to the documents.

use crate::evaluate::poisson;

/// Weighted sums over documents, `[resamplings, width]`.
///
/// Each resampling takes every document as often as a number from the Poisson distribution of mean 1 says (Chamandy et
/// al. 2012). The number follows from the seed, the document's place in the corpus and the resampling, and from nothing
/// else, so that sums over parts of a corpus add up to those over all of it, whoever made which part.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Resampled {
    seed: u64,
    width: usize,
    sums: Vec<f64>,
}

impl Resampled {
    pub(super) fn new(resamplings: usize, width: usize, seed: u64) -> Self {
        Self { seed, width, sums: vec![0.0; resamplings * width] }
    }

    /// Adds one document's values, `[width]`.
    pub(super) fn add(&mut self, document: u64, values: &[f64]) {
        for (resampling, sums) in self.sums.chunks_exact_mut(self.width.max(1)).enumerate() {
            let times = f64::from(poisson(draw(self.seed, document, resampling as u64)));
            if times > 0.0 {
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += times * value);
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, other)| *sum += other);
    }

    /// One of the sums in every resampling.
    pub(super) fn of(&self, index: usize) -> impl Iterator<Item = f64> {
        self.sums.iter().skip(index).step_by(self.width.max(1)).copied()
    }

    /// Sets one of the sums in every resampling.
    pub(super) fn set(&mut self, index: usize, values: &[f64]) {
        self.sums
            .iter_mut()
            .skip(index)
            .step_by(self.width.max(1))
            .zip(values)
            .for_each(|(sum, x)| *sum = *x);
    }
}

/// Uniform bits: three rounds of the finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn draw(seed: u64, document: u64, resampling: u64) -> u32 {
    let mix = |mut z: u64| {
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (mix(mix(mix(seed) ^ document) ^ resampling) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_mean_and_the_variance_of_poisson_along_both_ways() {
        let moments = |draws: Vec<u32>| {
            let n = draws.len() as f64;
            let mean = draws.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
            (mean, draws.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n)
        };
        let by_document = (0..40_000).map(|document| poisson(draw(3, document, 7))).collect();
        let by_resampling = (0..40_000).map(|resampling| poisson(draw(3, 7, resampling))).collect();
        for (mean, variance) in [moments(by_document), moments(by_resampling)] {
            assert!((mean - 1.0).abs() < 0.02 && (variance - 1.0).abs() < 0.04, "{mean}, {variance}");
        }
    }

    #[test]
    fn a_document_is_drawn_alike_wherever_it_is_read() {
        let values = |document: u64| [document as f64, 1.0];
        let mut whole = Resampled::new(30, 2, 5);
        (0..9).for_each(|i| whole.add(i, &values(i)));
        let (mut first, mut second) = (Resampled::new(30, 2, 5), Resampled::new(30, 2, 5));
        (0..9).filter(|i| i % 2 == 0).for_each(|i| first.add(i, &values(i)));
        (0..9).filter(|i| i % 2 == 1).for_each(|i| second.add(i, &values(i)));
        second.merge(&first);
        assert_eq!(second, whole);
        let mut read_back = Resampled::new(30, 2, 5);
        (0..2).for_each(|i| read_back.set(i, &whole.of(i).collect::<Vec<_>>()));
        assert_eq!(read_back, whole);
    }
}
