//! Quantiles of values without the values: counts in buckets that grow with the size of what they hold.

use std::collections::BTreeMap;

/// Buckets between a power of two and the next: a quantile is off by less than 1/64 of itself.
const PER_OCTAVE: i64 = 32;

/// Bits of a float32's mantissa that do not say in which bucket it is.
const BELOW: u32 = 23 - PER_OCTAVE.trailing_zeros();

/// What is smaller has one bucket: rounding makes more of the rest than it means.
const SMALLEST: f32 = 1.0 / (1 << 20) as f32;

/// Counts of values by bucket. Its parts are whole numbers, so that sketches put together in any order are the same to
/// the last bit; the buckets are those of DDSketch (Masson, Rim and Lee 2019), with the bounds that float32 itself has
/// between powers of two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sketch {
    counts: BTreeMap<i64, u64>,
}

impl Sketch {
    pub(super) fn add(&mut self, value: f64) {
        *self.counts.entry(bucket(value as f32)).or_default() += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (bucket, n) in &other.counts {
            *self.counts.entry(*bucket).or_default() += n;
        }
    }

    /// The buckets that hold something, ascending.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (i64, u64)> {
        self.counts.iter().map(|(bucket, n)| (*bucket, *n))
    }

    /// The sketch of counted buckets.
    pub(super) fn of(buckets: impl IntoIterator<Item = (i64, u64)>) -> Self {
        let mut sketch = Self::default();
        for (bucket, n) in buckets {
            *sketch.counts.entry(bucket).or_default() += n;
        }
        sketch
    }

    /// The value that a share of all is not above, up to the width of a bucket: of whole numbers up to 64 it is exact.
    /// `None` where there is none.
    pub(super) fn quantile(&self, share: f64, whole: bool) -> Option<f64> {
        let n: u64 = self.counts.values().sum();
        let wanted = ((share * n as f64).ceil() as u64).clamp(1, n.max(1));
        let mut seen = 0;
        for (bucket, n) in &self.counts {
            seen += n;
            if seen >= wanted {
                return Some(value(*bucket, whole));
            }
        }
        None
    }
}

/// The number of a value's bucket: 0 about zero, below it for negative values.
fn bucket(value: f32) -> i64 {
    if value.abs() < SMALLEST {
        return 0;
    }
    let first = i64::from(SMALLEST.to_bits() >> BELOW);
    let own = i64::from(value.abs().to_bits() >> BELOW) - first + 1;
    if value < 0.0 { -own } else { own }
}

/// What stands for the values of a bucket: its smallest whole number, or its middle.
fn value(bucket: i64, whole: bool) -> f64 {
    if bucket == 0 {
        return 0.0;
    }
    let first = i64::from(SMALLEST.to_bits() >> BELOW);
    let edge = |own: i64| f64::from(f32::from_bits((((own - 1 + first) as u32) << BELOW).min(0x7f7f_ffff)));
    let own = bucket.abs();
    let size = if whole { edge(own).ceil() } else { f64::midpoint(edge(own), edge(own + 1)) };
    if bucket < 0 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn quantiles_are_within_a_sixty_fourth(mut values in prop::collection::vec(1e-5..1e6f64, 1..200), share in 0.0..=1.0f64) {
            let mut sketch = Sketch::default();
            values.iter().for_each(|x| sketch.add(*x));
            values.sort_unstable_by(f64::total_cmp);
            let exact = values[((share * values.len() as f64).ceil() as usize).clamp(1, values.len()) - 1];
            let got = sketch.quantile(share, false).unwrap();
            prop_assert!((got / exact - 1.0).abs() < 1.0 / 60.0, "{got}, not {exact}");
        }
    }

    #[test]
    fn small_whole_numbers_are_exact_and_zero_has_a_bucket() {
        for n in 1..=64u32 {
            assert_eq!(value(bucket(n as f32), true), f64::from(n));
        }
        assert_eq!(value(bucket(-1e-9), false), 0.0);
        assert!((value(bucket(-3.0), false) + 3.0).abs() < 0.05);
        assert!(bucket(-2.0) < bucket(-1.0) && bucket(-1.0) < 0 && 0 < bucket(1e-5));
        assert!(value(bucket(f32::MAX), false).is_finite());
        assert_eq!(Sketch::default().quantile(0.5, false), None);
    }

    #[test]
    fn the_order_of_merging_does_not_matter() {
        let of = |values: &[f64]| {
            let mut sketch = Sketch::default();
            values.iter().for_each(|x| sketch.add(*x));
            sketch
        };
        let (a, b) = (of(&[1.0, 2.0, 0.1]), of(&[2.0, -0.5]));
        let (mut left, mut right) = (a.clone(), b.clone());
        left.merge(&b);
        right.merge(&a);
        assert_eq!(left, right);
        assert_eq!(left, of(&[1.0, 2.0, 0.1, 2.0, -0.5]));
        assert_eq!(Sketch::of(left.buckets()), left);
    }
}
