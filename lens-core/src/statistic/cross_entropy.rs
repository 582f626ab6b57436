//! Surprise at the token that comes next: `-ln p(next)`.

use super::definition::{Closer, Definition, Limits, Needs, Range, Unit};

pub(super) const DEFINITION: Definition = Definition {
    name: "cross_entropy",
    title: "surprise at the next token",
    unit: Unit::Nats,
    range: Range::VocabularyNats,
    limits: Limits::NotNegative,
    closer: Closer::Smaller,
    needs: Needs::NOTHING,
    by_default: true,
    value: |evidence| Some(evidence.projected.log_sum_exp - f64::from(evidence.next?.logit)),
};
