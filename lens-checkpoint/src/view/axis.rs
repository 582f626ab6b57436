//! One axis of a view: how far each of its indices lies from the first value.

use std::ops::Range;

/// Offsets, in values, of the indices of an axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Axis {
    /// `start + i * stride`: what most axes are, so that views of many experts cost nothing.
    Even { start: usize, stride: usize, n: usize },
    /// Anything else.
    Listed(Vec<usize>),
}

impl Axis {
    pub(super) fn even(n: usize, stride: usize) -> Self {
        Self::Even { start: 0, stride, n }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Even { n, .. } => *n,
            Self::Listed(offsets) => offsets.len(),
        }
    }

    /// The offset of an index; `None` past the end.
    pub(super) fn at(&self, index: usize) -> Option<usize> {
        match self {
            Self::Even { start, stride, n } => (index < *n).then(|| start + index * stride),
            Self::Listed(offsets) => offsets.get(index).copied(),
        }
    }

    /// All offsets, in order.
    pub(super) fn offsets(&self) -> Vec<usize> {
        match self {
            Self::Even { start, stride, n } => (0..*n).map(|i| start + i * stride).collect(),
            Self::Listed(offsets) => offsets.clone(),
        }
    }

    /// Some indices; `None` if the axis is shorter.
    pub(super) fn slice(&self, range: Range<usize>) -> Option<Self> {
        match self {
            Self::Even { start, stride, n } => (range.start <= range.end && range.end <= *n)
                .then(|| Self::Even { start: start + range.start * stride, stride: *stride, n: range.len() }),
            Self::Listed(offsets) => offsets.get(range).map(|offsets| Self::Listed(offsets.to_vec())),
        }
    }

    /// Every `step`-th index from `first` on.
    pub(super) fn every(&self, first: usize, step: usize) -> Self {
        let step = step.max(1);
        match self {
            Self::Even { start, stride, n } => Self::Even {
                start: start + first * stride,
                stride: stride * step,
                n: n.saturating_sub(first).div_ceil(step),
            },
            Self::Listed(offsets) => {
                Self::Listed(offsets.iter().copied().skip(first).step_by(step).collect())
            }
        }
    }

    /// The slots `take` of every group, where the axis is `[groups, slots, width]` flattened; `None` where it is not.
    pub(super) fn slots(&self, groups: usize, slots: usize, take: &Range<usize>) -> Option<Self> {
        let parts = groups.checked_mul(slots).filter(|parts| *parts > 0)?;
        let width = self.len() / parts;
        if width * parts != self.len() || take.start > take.end || take.end > slots {
            return None;
        }
        let offsets = self.offsets();
        let of_group =
            |group: usize| (group * slots + take.start) * width..(group * slots + take.end) * width;
        Some(Self::Listed((0..groups).flat_map(|group| offsets[of_group(group)].to_vec()).collect()))
    }
}
