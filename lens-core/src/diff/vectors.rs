//! How far two captured vectors are apart.

/// The distance of two vectors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Apart {
    /// `|a - b| / |a|`. Where `a` is zero, `|b|` takes its place, so that it is 1; two zeros are 0 apart.
    pub(super) relative: f64,
    /// `a·b / (|a| |b|)`, from -1 to 1. Two zeros have 1, a zero and another vector 0.
    pub(super) cosine: f64,
}

impl Apart {
    /// Of finite vectors of one length; sums are in float64.
    pub(super) fn of(a: &[f32], b: &[f32]) -> Self {
        let (mut aa, mut bb, mut ab, mut dd) = (0.0, 0.0, 0.0, 0.0);
        for (a, b) in a.iter().zip(b) {
            let (a, b) = (f64::from(*a), f64::from(*b));
            aa += a * a;
            bb += b * b;
            ab += a * b;
            dd += (a - b) * (a - b);
        }
        if aa == 0.0 && bb == 0.0 {
            return Self { relative: 0.0, cosine: 1.0 };
        }
        if aa == 0.0 || bb == 0.0 {
            return Self { relative: 1.0, cosine: 0.0 };
        }
        // The root of a square is exact: equal vectors have a cosine of 1 to the bit.
        Self { relative: (dd / aa).sqrt(), cosine: (ab / (aa * bb).sqrt()).clamp(-1.0, 1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::Random;

    #[test]
    fn equal_vectors_are_exactly_equal() {
        let mut random = Random::new(3);
        for n in [1, 2, 3, 17, 64, 900] {
            let a = random.values(n, 7.0);
            assert_eq!(Apart::of(&a, &a), Apart { relative: 0.0, cosine: 1.0 });
        }
    }

    #[test]
    fn distances_are_those_of_the_formula_and_zeros_have_one_too() {
        let apart = Apart::of(&[3.0, 4.0], &[3.0, 0.0]);
        assert_eq!(apart.relative, 0.8);
        assert!((apart.cosine - 0.6).abs() < 1e-15);
        assert_eq!(Apart::of(&[1.0, 0.0], &[-2.0, 0.0]), Apart { relative: 3.0, cosine: -1.0 });
        assert_eq!(Apart::of(&[0.0; 2], &[0.0; 2]), Apart { relative: 0.0, cosine: 1.0 });
        assert_eq!(Apart::of(&[0.0; 2], &[5.0, 0.0]), Apart { relative: 1.0, cosine: 0.0 });
        assert_eq!(Apart::of(&[5.0, 0.0], &[0.0; 2]), Apart { relative: 1.0, cosine: 0.0 });
        // Squares that float32 could not hold.
        assert_eq!(Apart::of(&[1e30, 0.0], &[1e30, 1e30]).relative, 1.0);
    }
}
