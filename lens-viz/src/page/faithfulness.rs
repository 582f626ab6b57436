//! How far a point's readouts are from the final ones, so that nobody reads early layers with full confidence.

use lens_core::{Component, Grade, LensTrace, Statistic};
use serde::Serialize;

/// A grade of closeness to the final readout, as the page's program has it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Described {
    /// The largest median of KL(final ‖ readout) that still has this grade, nats; `None` for the last grade.
    up_to: Option<f32>,
    /// The grade in words, for a reader of the page.
    pub(super) meaning: &'static str,
}

/// The grades, closest first; each is drawn as a disc that is filled less than the one before.
pub(super) fn grades() -> [Described; Grade::ALL.len()] {
    Grade::ALL
        .map(|grade| Described { up_to: grade.up_to().map(|nats| nats as f32), meaning: grade.meaning() })
}

/// Which of [`grades`] a median has.
pub(super) fn grade(median: f32) -> usize {
    // As the bounds are written, not as their nearest float32 is.
    let grade = Grade::of((f64::from(median) * 1e6).round() / 1e6);
    Grade::ALL.iter().position(|other| *other == grade).unwrap_or(Grade::ALL.len() - 1)
}

/// The median over the positions of KL(final ‖ readout) at a point, nats; `None` where the trace has no KL there.
pub(super) fn median(trace: &LensTrace, layer: Option<u16>, component: Component) -> Option<f32> {
    let at_point = trace.readouts.iter().filter(|r| r.layer == layer && r.component == component);
    middle(at_point.filter_map(|readout| readout.get(Statistic::KlToFinal).map(|nats| nats as f32)).collect())
}

/// The middle of the numbers, the mean of the two middle ones of an even count.
pub(super) fn middle(mut numbers: Vec<f32>) -> Option<f32> {
    numbers.sort_by(f32::total_cmp);
    let half = numbers.len() / 2;
    let upper = *numbers.get(half)?;
    Some(if numbers.len() % 2 == 1 { upper } else { f32::midpoint(numbers[half - 1], upper) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_the_median() {
        assert_eq!(middle(vec![]), None);
        assert_eq!(middle(vec![3.0, 1.0, 9.0]), Some(3.0));
        assert_eq!(middle(vec![3.0, 1.0, 9.0, 5.0]), Some(4.0));
    }

    #[test]
    fn grades_follow_their_bounds() {
        assert_eq!([0.0, 0.1, 0.11, 4.0, 4.1, f32::MAX].map(grade), [0, 0, 1, 3, 4, 4]);
    }
}
