//! Mean, variance and range of values that come one by one and are put together in any grouping.

/// Number, mean, sum of squared deviations, minimum and maximum of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moments {
    pub(super) n: u64,
    pub(super) mean: f64,
    /// `Σ (x - mean)²`
    pub(super) squares: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self { n: 0, mean: 0.0, squares: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Moments {
    /// Adds one value (Welford 1962).
    pub(super) fn add(&mut self, x: f64) {
        self.n += 1;
        let before = x - self.mean;
        self.mean += before / self.n as f64;
        self.squares += before * (x - self.mean);
        self.min = self.min.min(x);
        self.max = self.max.max(x);
    }

    /// Adds what was gathered elsewhere (Chan, Golub and LeVeque 1979).
    pub(super) fn merge(&mut self, other: &Self) {
        let n = self.n + other.n;
        if other.n == 0 {
            return;
        }
        let (own, part) = (self.n as f64, other.n as f64 / n as f64);
        let apart = other.mean - self.mean;
        self.squares += other.squares + apart * apart * own * part;
        self.mean += apart * part;
        self.n = n;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The standard deviation of the values, over `n - 1`; `None` of fewer than two.
    pub(super) fn deviation(&self) -> Option<f64> {
        (self.n > 1).then(|| (self.squares / (self.n - 1) as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|x| moments.add(*x));
        moments
    }

    proptest! {
        #[test]
        fn parts_in_any_grouping_are_the_whole(
            values in prop::collection::vec(-1e3..1e3f64, 0..60),
            cuts in prop::collection::vec(0..60usize, 2),
        ) {
            let (a, b) = (cuts[0].min(cuts[1]).min(values.len()), cuts[0].max(cuts[1]).min(values.len()));
            let whole = of(&values);
            let [first, second, third] = [&values[..a], &values[a..b], &values[b..]].map(of);
            let mut left = first;
            left.merge(&second);
            left.merge(&third);
            let mut right = third;
            right.merge(&second);
            right.merge(&first);
            for merged in [left, right] {
                prop_assert_eq!((merged.n, merged.min, merged.max), (whole.n, whole.min, whole.max));
                prop_assert!((merged.mean - whole.mean).abs() <= 1e-12 * 1e3);
                prop_assert!((merged.squares - whole.squares).abs() <= 1e-11 * (1.0 + whole.squares));
            }
        }
    }

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        assert_eq!(of(&[1.0, 2.0, 3.0, 4.0]).deviation(), Some((5.0f64 / 3.0).sqrt()));
        assert_eq!(of(&[1.0]).deviation(), None);
        assert_eq!(of(&[]).n, 0);
    }
}
