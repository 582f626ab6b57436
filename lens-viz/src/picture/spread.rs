//! How colours are spread over the values of a picture.

use super::axis::short;
use crate::models::number;

/// How the colours of cells are spread over their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spread {
    /// As the statistic's own scale is, which is the same in every picture: evenly for probabilities and entropies, by
    /// the logarithm for ranks and divergences.
    #[default]
    Usual,
    /// Evenly, whatever the statistic.
    Linear,
    /// By the logarithm: what is small is told apart too. The scale begins at the power of ten below the smallest
    /// positive value that is shown, a millionth of its upper end at the least.
    Log,
    /// By the order of the values that are shown: as many cells have each colour. Such a scale is that of one picture.
    Quantile,
}

/// Decades that a logarithmic scale may span.
const DECADES: i32 = 6;

/// The lower end of a logarithmic scale of some values; `None` where one of them is negative.
pub(super) fn lowest(values: &[f64], high: f64) -> Option<f64> {
    if values.iter().any(|value| *value < 0.0) || high <= 0.0 {
        return None;
    }
    let positive = values.iter().copied().filter(|value| value.is_finite() && *value > 0.0);
    let below = |value: f64| (value.log10() + 1e-9).floor() as i32;
    let top = (high.log10() - 1e-9).ceil() as i32;
    let lowest = positive.map(below).min().unwrap_or(top - 1);
    Some(10f64.powi(lowest.clamp(top - DECADES, top - 1)))
}

/// The values that are shown, in their order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order(Vec<f64>);

impl Order {
    /// The order of those values that are numbers.
    pub(super) fn of(values: &[f64]) -> Self {
        let mut order: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        order.sort_by(f64::total_cmp);
        Self(order)
    }

    /// The share of the values below this one, from 0 to 1; equal values have the middle of their shares.
    pub(super) fn share(&self, value: f64) -> f64 {
        let below = self.0.partition_point(|other| *other < value);
        let to = self.0.partition_point(|other| *other <= value).max(below + 1);
        let most = self.0.len().saturating_sub(1).max(1) as f64;
        ((below + to - 1) as f64 / 2.0 / most).clamp(0.0, 1.0)
    }

    /// The values at the quarters, each once and with its share.
    pub(super) fn quarters(&self) -> Vec<(f64, f64)> {
        let last = self.0.len().saturating_sub(1);
        let mut values: Vec<f64> =
            (0..=4).filter_map(|quarter| self.0.get(quarter * last / 4).copied()).collect();
        values.dedup();
        values.into_iter().map(|value| (self.share(value), value)).collect()
    }
}

/// A value at the bar of colours, whatever its size.
pub(super) fn written(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.01 { number(value) } else { short(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logarithmic_scale_begins_below_what_is_shown() {
        assert_eq!(lowest(&[0.03, 0.0, 1.0], 1.0), Some(0.01));
        assert_eq!(lowest(&[1e-30], 1.0), Some(1e-6));
        assert_eq!(lowest(&[], 5.0), Some(1.0));
        assert_eq!(lowest(&[1.0], 1.0), Some(0.1));
        assert_eq!(lowest(&[f64::NAN, 20.0], 300.0), Some(10.0));
        assert_eq!(lowest(&[-0.1, 1.0], 1.0), None);
    }

    #[test]
    fn shares_are_even_and_equal_values_have_equal_ones() {
        let order = Order::of(&[5.0, f64::NAN, 1.0, 3.0, 3.0, f64::INFINITY, 9.0]);
        let shares = [1.0, 3.0, 5.0, 9.0].map(|value| order.share(value));
        assert_eq!(shares, [0.0, 0.375, 0.75, 1.0]);
        assert_eq!((order.share(-7.0), order.share(100.0)), (0.0, 1.0));
        assert_eq!(order.quarters(), [(0.0, 1.0), (0.375, 3.0), (0.75, 5.0), (1.0, 9.0)]);
        assert_eq!(Order::of(&[2.0]).share(2.0), 0.0);
        assert!(Order::of(&[]).quarters().is_empty());
        assert!((0.0..=1.0).contains(&Order::of(&[]).share(f64::NAN)));
    }
}
