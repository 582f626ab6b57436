//! Which traces of a page can be compared, and how they are laid over one another.

use std::collections::BTreeMap;

use super::places::Places;
use crate::{difference::Pairing, named::Named};

/// The most traces of which every two are compared: of 64, there are 2016 pairs.
pub(super) const MOST: usize = 64;

/// First and second trace, what a position of the first is increased by to give that of the second, 1 if tokens are
/// recognised by their ids, and the numbers of the notes.
pub(super) type PairRow = (usize, usize, isize, u8, Vec<usize>);

/// The pairs of a page's traces.
#[derive(Default)]
pub(super) struct Pairs {
    /// First trace before second.
    pub(super) pairs: Vec<PairRow>,
    /// The assumptions of the pairs, each sentence once.
    pub(super) notes: Vec<String>,
}

impl Pairs {
    /// Every two traces that have a point and a position in common.
    pub(super) fn of(traces: &[Named<'_>], places: &[Places]) -> Self {
        let mut all = Self::default();
        if traces.len() > MOST {
            return all;
        }
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        for first in 0..traces.len() {
            for second in first + 1..traces.len() {
                let pairing = Pairing::of(traces[first].trace, traces[second].trace);
                if !places[first].overlap(&places[second], pairing.shift) {
                    continue;
                }
                let by_id = u8::from(pairing.by_id);
                let notes = pairing.notes.into_iter().map(|note| {
                    *known.entry(note).or_insert_with_key(|note| {
                        all.notes.push(note.clone());
                        all.notes.len() - 1
                    })
                });
                let notes = notes.collect();
                all.pairs.push((first, second, pairing.shift, by_id, notes));
            }
        }
        all
    }
}
