//! Entropy (Shannon 1948): `-Σ p ln p`.

use super::definition::{Closer, Definition, Limits, Needs, Range, Unit};

pub(super) const DEFINITION: Definition = Definition {
    name: "entropy",
    title: "entropy",
    unit: Unit::Nats,
    range: Range::VocabularyNats,
    limits: Limits::VocabularyNats,
    closer: Closer::Smaller,
    needs: Needs { entropy: true, ..Needs::NOTHING },
    by_default: true,
    value: |evidence| evidence.projected.entropy,
};
