//! Numbers as tables and pictures write them: short, and never saying more than is so.

use lens_core::{ReadoutTrace, Statistic, TargetTrace, attribution::AttributionTrace};
use unicode_width::UnicodeWidthStr;

/// A statistic of a readout as tables and cells show it.
pub(crate) fn digits(readout: &ReadoutTrace, statistic: Statistic) -> Option<String> {
    let whole = readout.statistics.whole(statistic).map(|number| number.to_string());
    whole.or_else(|| readout.get(statistic).map(|number| nats(number as f32)))
}

/// The sum of all shares in a logit, and how far it is off.
pub(crate) fn sum_of_shares(trace: &AttributionTrace) -> String {
    format!(
        "{:.4} = contributions {:+.4}, biases {:+.4}; off by {:.1e}",
        trace.logit_before_cap,
        trace.contributions.sum(),
        trace.bias,
        trace.error.abs()
    )
}

/// Where a logit is read, where that is not the end of the model: `L4.resid_pre, through a tuned lens`.
pub(crate) fn place_read(trace: &AttributionTrace) -> Option<String> {
    let point = trace.point.as_ref()?;
    Some(match &trace.lens {
        Some(lens) => format!("{point}, through a {} lens", lens.kind),
        None => point.clone(),
    })
}

/// A probability as a percentage, three columns wide or, with a decimal, four (five for 100).
pub(crate) fn percent(probability: f32, decimals: bool) -> String {
    let percent = f64::from(probability) * 100.0;
    match decimals {
        true if percent >= 99.95 => "100".to_owned(),
        true if percent < 0.05 && percent > 0.0 => "<0.1".to_owned(),
        true => format!("{percent:.1}"),
        false if percent < 0.5 && percent > 0.0 => "<1".to_owned(),
        false => format!("{percent:.0}"),
    }
}

/// A target's rank; a question mark where the trace does not know it.
pub(crate) fn rank(target: &TargetTrace) -> String {
    target.rank.map_or_else(|| "?".to_owned(), |rank| rank.to_string())
}

/// A number of nats in at most five columns, without a sign before a zero.
pub(crate) fn nats(value: f32) -> String {
    let digits = match value.abs() {
        v if v < 99.995 => 2,
        v if v < 999.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
        _ if text.width() > 5 => format!("{value:.0e}"),
        _ => text,
    }
}

/// A threshold in percent, as short as it is exact.
pub(crate) fn percent_of(probability: f32) -> String {
    let percent = f64::from(probability) * 100.0;
    let text = format!("{percent:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A difference as a cell shows it: with its sign, in at most six columns.
pub(crate) fn signed(value: f64) -> String {
    let digits = match value.abs() {
        v if v < 9.995 => 2,
        v if v < 999.5 => 1,
        _ => 0,
    };
    let text = format!("{value:+.digits$}");
    match &text[1..] {
        zero if zero.chars().all(|c| matches!(c, '0' | '.')) => zero.to_owned(),
        _ if text.len() > 6 => format!("{value:+.0e}"),
        _ => text,
    }
}

/// Layers that ascend, with those that follow each other as a range.
pub(crate) fn ranges(layers: &[u16]) -> String {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for layer in layers {
        match runs.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(*layer) => *end = *layer,
            _ => runs.push((*layer, *layer)),
        }
    }
    let run = |(start, end): &(u16, u16)| match end - start {
        0 => start.to_string(),
        1 => format!("{start}, {end}"),
        _ => format!("{start}-{end}"),
    };
    if runs.is_empty() { "none".to_owned() } else { runs.iter().map(run).collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_do_not_pretend() {
        assert_eq!(percent(0.412, true), "41.2");
        assert_eq!(percent(0.000_01, true), "<0.1");
        assert_eq!(percent(0.0, true), "0.0");
        assert_eq!(percent(0.999_9, true), "100");
        assert_eq!(percent(0.412, false), "41");
        assert_eq!(percent(0.004, false), "<1");
    }

    #[test]
    fn nats_are_short_and_zero_has_no_sign() {
        assert_eq!(nats(-1e-7), "0.00");
        assert_eq!(nats(12.345), "12.35");
        assert_eq!(nats(123.46), "123.5");
        assert_eq!(nats(1234567.0), "1e6");
    }

    #[test]
    fn a_threshold_is_short() {
        assert_eq!(percent_of(0.03), "3");
        assert_eq!(percent_of(0.005), "0.5");
        assert_eq!(percent_of(1.0), "100");
        assert_eq!(percent_of(0.0), "0");
    }

    #[test]
    fn differences_have_a_sign_unless_they_are_nothing() {
        let shown = [0.0, -0.001, 0.25, -12.34, 100.0, -12345.0, 1_234_567.0].map(signed);
        assert_eq!(shown, ["0.00", "0.00", "+0.25", "-12.3", "+100.0", "-12345", "+1e6"]);
    }

    #[test]
    fn layers_that_follow_each_other_are_a_range() {
        assert_eq!(ranges(&[]), "none");
        assert_eq!(ranges(&[3]), "3");
        assert_eq!(ranges(&[0, 1, 4, 5, 6, 9]), "0, 1, 4-6, 9");
    }
}
