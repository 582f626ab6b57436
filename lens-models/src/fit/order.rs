//! The order in which sequences are read, from a seed alone: nothing of it has to be kept to go on later.

/// SplitMix64 (Steele, Lea and Flood 2014): the same numbers everywhere.
pub(super) struct SplitMix(u64);

impl SplitMix {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 if there is none.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// Puts items in a random order (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// An endless order of `n` items, every item once before any comes again.
#[derive(Debug)]
pub(super) struct Order {
    seed: u64,
    round: Option<u64>,
    items: Vec<usize>,
}

impl Order {
    pub(super) fn new(seed: u64, n: usize) -> Self {
        Self { seed, round: None, items: (0..n).collect() }
    }

    /// The item in place `k`, from 0; `None` where there are no items.
    pub(super) fn at(&mut self, k: u64) -> Option<usize> {
        let n = self.items.len() as u64;
        let round = k.checked_div(n)?;
        if self.round != Some(round) {
            self.items = (0..self.items.len()).collect();
            // Rounds must not be shifted copies of each other.
            let seed = SplitMix::new(self.seed ^ round.wrapping_mul(0xd1b5_4a32_d192_ed03)).next();
            SplitMix::new(seed).shuffle(&mut self.items);
            self.round = Some(round);
        }
        self.items.get((k % n) as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_every_item_in_another_order() {
        let mut order = Order::new(7, 50);
        let round = |order: &mut Order, i: u64| -> Vec<usize> {
            (0..50).map(|k| order.at(50 * i + k).unwrap()).collect()
        };
        let (first, second) = (round(&mut order, 0), round(&mut order, 1));
        assert_ne!(first, second);
        for items in [&first, &second] {
            let mut sorted = items.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..50));
        }
        // What was asked before does not matter.
        assert_eq!(round(&mut Order::new(7, 50), 1), second);
        assert_ne!(round(&mut Order::new(8, 50), 0), first);
        assert_eq!(Order::new(7, 0).at(3), None);
    }
}
