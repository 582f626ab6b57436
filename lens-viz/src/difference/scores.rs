//! The tokens that a readout gives a probability.

use lens_core::{ReadoutTrace, TopTrace};

/// Every token that a readout gives a probability.
pub(super) fn all(readout: &ReadoutTrace) -> impl Iterator<Item = &TopTrace> {
    let targets = readout.targets.iter().map(|target| &target.token);
    readout.top.iter().chain(targets).chain(&readout.tracked)
}
