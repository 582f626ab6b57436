//! 1 + the number of tokens that this readout prefers to the one that comes next.

use super::definition::{Closer, Definition, Limits, Needs, Range, Unit};

pub(super) const DEFINITION: Definition = Definition {
    name: "rank_of_next",
    title: "rank of the next token",
    unit: Unit::Rank,
    range: Range::VocabularyRanks,
    limits: Limits::Ranks,
    closer: Closer::Smaller,
    needs: Needs::NOTHING,
    by_default: false,
    value: |evidence| evidence.next.map(|token| token.rank.into()),
};
