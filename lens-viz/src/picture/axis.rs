//! Round numbers for axes and scales.

/// Round numbers from `low` to `high`, at most about `wanted` of them.
pub(super) fn linear_ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let step = step(high - low, wanted);
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    // A range of rounding errors has no ticks rather than millions.
    if !(first.is_finite() && last.is_finite()) || last - first > 1000.0 {
        return Vec::new();
    }
    (0..=(last - first).max(0.0) as usize).map(|i| (first + i as f64) * step).collect()
}

/// The smallest of 1, 2 and 5 times a power of ten that divides `span` into no more than `wanted` parts.
fn step(span: f64, wanted: usize) -> f64 {
    let least = (span / wanted.max(1) as f64).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|step| *step >= least * 0.999)
        .unwrap_or(10.0 * power)
}

/// The powers of ten from `low` to `high`.
pub(super) fn decades(low: f64, high: f64) -> Vec<f64> {
    let (first, last) = ((low.log10() - 1e-9).ceil() as i32, (high.log10() + 1e-9).floor() as i32);
    (first..=last).map(|power| 10f64.powi(power)).collect()
}

/// A round number that is not less than `value`.
pub(super) fn round_up(value: f64) -> f64 {
    let step = step(value.abs(), 10);
    (value / step - 1e-9).ceil() * step
}

/// A round number that is not more than `value`.
pub(super) fn round_down(value: f64) -> f64 {
    -round_up(-value)
}

/// A number as short as it can be said: `0.5`, `12`, `10k`.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{}M", trimmed(value / 1e6)),
        v if v >= 1e4 => format!("{}k", trimmed(value / 1e3)),
        _ => trimmed(value),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(linear_ticks(0.0, 1.0, 5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(linear_ticks(0.0, 31.0, 8), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]);
        assert_eq!(linear_ticks(-3.0, 7.0, 3), [0.0, 5.0]);
        assert_eq!(decades(1.0, 151_936.0).len(), 6);
        assert!(linear_ticks(0.0, f64::INFINITY, 5).is_empty());
        assert_eq!(linear_ticks(2.0, 2.0, 5).len(), 1);
    }

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, -0.0, 0.25, 12.0, 1000.0, 10_000.0, 151_936.0, 2.5e6, 0.01].map(short);
        assert_eq!(shown, ["0", "0", "0.25", "12", "1000", "10k", "151.936k", "2.5M", "0.01"]);
        assert_eq!(round_up(17.3), 18.0);
        assert_eq!(round_down(-17.3), -18.0);
        assert_eq!(round_down(3.07), 3.0);
    }
}
