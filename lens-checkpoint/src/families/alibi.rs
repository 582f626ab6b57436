//! Slopes of ALiBi biases (Press et al. 2022) for any number of heads.

/// BLOOM's and Falcon's slopes: a geometric series for the largest power of two, then every other element of
/// the next finer series.
pub(super) fn slopes(n_heads: usize) -> Vec<f64> {
    let power = 1 << n_heads.ilog2();
    let series = |n: usize| (1..=n).map(move |i| 2f64.powf(-8.0 * i as f64 / n as f64));
    series(power).chain(series(2 * power).step_by(2)).take(n_heads).collect()
}

/// MPT's slopes: a series for the next power of two, its odd elements before its even ones if that is too many.
pub(super) fn mpt_slopes(n_heads: usize, largest_bias: f64) -> Vec<f64> {
    let power = n_heads.next_power_of_two();
    let all: Vec<f64> = (1..=power).map(|i| 2f64.powf(-largest_bias * i as f64 / power as f64)).collect();
    if power == n_heads {
        return all;
    }
    let (odd, even) = (all.iter().skip(1).step_by(2), all.iter().step_by(2));
    odd.chain(even).copied().take(n_heads).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_heads_have_the_published_slopes() {
        let expected = [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125];
        for (got, expected) in slopes(6).iter().zip(expected) {
            assert!((got - expected).abs() < 1e-12, "{got} instead of {expected}");
        }
    }
}
