//! A number at every position: its mean, its ends, and where they are.

use serde::{Deserialize, Serialize};

/// A position of a sequence of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Place {
    /// The sequence, from 0.
    pub sequence: u64,
    /// The position in it, from 0.
    pub position: usize,
}

impl Place {
    /// A position of a sequence.
    pub fn new(sequence: u64, position: usize) -> Self {
        Self { sequence, position }
    }
}

/// What a number comes to over all positions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Spread {
    /// The mean over positions.
    pub mean: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The first position that has the smallest.
    pub at_min: Place,
    /// The first position that has the largest.
    pub at_max: Place,
}

/// Values that are added up as they come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    sum: f64,
    n: u64,
    min: Option<(f64, Place)>,
    max: Option<(f64, Place)>,
}

impl Tally {
    pub(super) fn add(&mut self, value: f64, at: Place) {
        self.sum += value;
        self.n += 1;
        if self.min.is_none_or(|(least, _)| value < least) {
            self.min = Some((value, at));
        }
        if self.max.is_none_or(|(most, _)| value > most) {
            self.max = Some((value, at));
        }
    }

    /// `None` where there was no value.
    pub(super) fn spread(&self) -> Option<Spread> {
        let ((min, at_min), (max, at_max)) = (self.min?, self.max?);
        // A mean lies between the ends, also where rounding would not have it so.
        let mean = (self.sum / self.n as f64).clamp(min, max);
        Some(Spread { mean, min, max, at_min, at_max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_knows_where_its_ends_are() {
        let mut tally = Tally::default();
        assert_eq!(tally.spread(), None);
        for (i, value) in [2.0, -1.0, 5.0, -1.0, 5.0].into_iter().enumerate() {
            tally.add(value, Place::new(7, i));
        }
        let spread = tally.spread().unwrap();
        assert_eq!((spread.mean, spread.min, spread.max), (2.0, -1.0, 5.0));
        assert_eq!((spread.at_min.position, spread.at_max.position), (1, 2));
        let mut same = Tally::default();
        (0..3).for_each(|i| same.add(0.1, Place::new(0, i)));
        assert_eq!(same.spread().unwrap().mean, 0.1);
    }
}
