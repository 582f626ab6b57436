//! The two largest logits' difference: how far the second token is from being said.

use super::definition::{Closer, Definition, Limits, Needs, Range, Unit};

pub(super) const DEFINITION: Definition = Definition {
    name: "margin",
    title: "margin of the top-1 logit",
    unit: Unit::Logits,
    range: Range::Observed,
    limits: Limits::NotNegative,
    closer: Closer::Larger,
    needs: Needs { two_best: true, ..Needs::NOTHING },
    by_default: true,
    value: |evidence| match evidence.projected.top.as_slice() {
        [(_, first), (_, second), ..] => Some(f64::from(*first) - f64::from(*second)),
        _ => None, // a vocabulary of one
    },
};
