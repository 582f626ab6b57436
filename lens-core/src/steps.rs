//! Steps of a forward pass: how long they are, and which positions each of them captures.

use std::ops::Range;

/// Tokens of the longest step that suits a processor, and of prompts that are read together: enough for efficient
/// products, short enough for attention's scores.
pub const LONGEST_STEP: usize = 512;

/// Steps that suit a backend, for plans that do not say what captured activations may take.
///
/// A forward pass reads all weights, however short its step: short steps cost time, long ones memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepBudget {
    /// Bytes that captured activations may take.
    pub captured: usize,
    /// But as many positions as this are captured in one step, whatever they take.
    pub fewest: usize,
    /// Tokens of the longest step.
    pub longest: usize,
}

impl Default for StepBudget {
    /// What suits a processor: 16 MiB but at least 64 positions, and steps of up to 512 tokens.
    fn default() -> Self {
        Self { captured: 16 << 20, fewest: 64, longest: LONGEST_STEP }
    }
}

impl StepBudget {
    crate::setters! {
        /// Bytes that captured activations may take.
        with_captured => captured: usize,
        /// But as many positions as this are captured in one step, whatever they take.
        with_fewest => fewest: usize,
        /// Tokens of the longest step.
        with_longest => longest: usize,
    }

    /// Steps that capture `bytes` at each position, in as many as `asked` bytes altogether if that is given.
    pub(crate) fn steps(&self, bytes: usize, asked: Option<usize>) -> Steps {
        let bytes = bytes.max(1);
        let most_captured = match asked {
            Some(asked) => (asked / bytes).max(1),
            None => (self.captured / bytes).max(self.fewest).max(1),
        };
        Steps { most_captured, longest: self.longest.max(1) }
    }
}

/// How a sequence is cut into steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    /// The most positions that one step captures.
    pub(crate) most_captured: usize,
    /// Tokens of the longest step.
    pub(crate) longest: usize,
}

impl Steps {
    /// Steps that together are `tokens`: as long as can be, with no more than fit of the `captured` positions, which
    /// ascend.
    pub(crate) fn cut(&self, tokens: Range<usize>, captured: &[usize]) -> Vec<Range<usize>> {
        let mut steps = Vec::new();
        let mut start = tokens.start;
        while start < tokens.end {
            let before = captured.partition_point(|position| *position < start);
            // The first position that does not fit ends the step.
            let full = captured.get(before + self.most_captured).copied().unwrap_or(usize::MAX);
            let end = tokens.end.min(start.saturating_add(self.longest)).min(full);
            steps.push(start..end);
            start = end;
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_comes_before_what_suits_the_backend() {
        let budget = StepBudget::default().with_captured(1000).with_fewest(4).with_longest(10);
        assert_eq!(budget.steps(100, None).most_captured, 10);
        assert_eq!(budget.steps(500, None).most_captured, 4, "no step is too short for the backend");
        assert_eq!(budget.steps(500, Some(1000)).most_captured, 2);
        assert_eq!(budget.steps(500, Some(0)).most_captured, 1);
    }

    #[test]
    fn steps_are_as_long_as_what_they_capture_allows() {
        let steps = Steps { most_captured: 2, longest: 5 };
        assert_eq!(steps.cut(0..8, &[]), [0..5, 5..8]);
        assert_eq!(steps.cut(0..8, &[0, 1, 2, 7]), [0..2, 2..7, 7..8]);
        assert_eq!(steps.cut(3..8, &[0, 1, 2, 7]), vec![3..8]);
        assert_eq!(steps.cut(4..4, &[1]), []);
    }
}
