//! How rows and columns are shared out to pages.

use std::ops::Range;

/// `n` things on pages of at most `most`, as evenly as can be. A page ends only where `may_end` says that the
/// next one may begin, as long as there is such a place.
pub(super) fn split(n: usize, most: usize, may_begin: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let most = most.max(1);
    let pages = n.div_ceil(most).max(1);
    let each = n.div_ceil(pages);
    let mut ranges = Vec::with_capacity(pages);
    let mut start = 0;
    while start < n {
        let wanted = (start + each).min(n);
        let last = (start + most).min(n);
        let begins = |at: &usize| *at == n || may_begin(*at);
        // The nearest good place after the even share, else the last one before it.
        let after = (wanted..=last).find(begins);
        let end = after.or_else(|| (start + 1..wanted).rev().find(begins)).unwrap_or(last);
        ranges.push(start..end);
        start = end;
    }
    ranges
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pages_are_even() {
        assert_eq!(split(10, 4, |_| true), [0..4, 4..8, 8..10]);
        assert_eq!(split(9, 8, |_| true), [0..5, 5..9]);
        assert_eq!(split(12, 8, |at| at % 5 == 0), [0..5, 5..12]);
        assert!(split(0, 8, |_| true).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_page_is_too_full(n in 0usize..300, most in 0usize..60, every in 1usize..9) {
            let pages = split(n, most, |at| at % every == 0);
            let all: Vec<usize> = pages.iter().cloned().flatten().collect();
            prop_assert_eq!(all, (0..n).collect::<Vec<_>>());
            prop_assert!(pages.iter().all(|page| page.len() <= most.max(1) && !page.is_empty()));
        }
    }
}
