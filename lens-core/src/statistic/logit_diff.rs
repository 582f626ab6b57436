//! The logit difference of two tokens, the usual measure of circuit analysis (Wang et al. 2022): that of the first
//! target less that of `versus`.

use super::definition::{Closer, Definition, Limits, Needs, Range, Unit};

pub(super) const DEFINITION: Definition = Definition {
    name: "logit_diff",
    title: "logit difference",
    unit: Unit::Logits,
    range: Range::Observed,
    limits: Limits::Any,
    closer: Closer::Neither,
    needs: Needs::NOTHING,
    by_default: true,
    value: |evidence| Some(f64::from(evidence.targets.first()?.logit) - f64::from(evidence.versus?.logit)),
};
