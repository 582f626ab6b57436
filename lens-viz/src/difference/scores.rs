//! The tokens that a readout gives a probability.

use lens_core::{ReadoutTrace, TokenId, TopTrace};

/// Every token that a readout gives a probability.
pub(super) fn all(readout: &ReadoutTrace) -> impl Iterator<Item = &TopTrace> {
    readout.top.iter().chain(readout.targets.iter().map(|target| &target.token))
}

/// The token of this id.
pub(super) fn scored(readout: &ReadoutTrace, id: TokenId) -> Option<&TopTrace> {
    all(readout).find(|token| token.id == id)
}
