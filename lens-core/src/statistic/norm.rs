//! The L2 norm of the captured vector, before the final norm.

use super::definition::{Closer, Definition, Limits, Needs, Range, Unit};

pub(super) const DEFINITION: Definition = Definition {
    name: "norm",
    title: "norm of the vector",
    unit: Unit::Stream,
    range: Range::Observed,
    limits: Limits::NotNegative,
    closer: Closer::Neither,
    needs: Needs { vector: true, ..Needs::NOTHING },
    by_default: true,
    value: |evidence| Some(evidence.vector?.square.sqrt()),
};
