//! 1 + the number of tokens that this readout prefers to the final readout's top-1.

use super::definition::{Closer, Definition, Limits, Needs, Range, Unit};

pub(super) const DEFINITION: Definition = Definition {
    name: "rank_of_final",
    title: "rank of the final top-1 token",
    unit: Unit::Rank,
    range: Range::VocabularyRanks,
    limits: Limits::Ranks,
    closer: Closer::Smaller,
    needs: Needs { final_top1: true, ..Needs::NOTHING },
    by_default: true,
    value: |evidence| evidence.final_top1.map(|token| token.rank.into()),
};
