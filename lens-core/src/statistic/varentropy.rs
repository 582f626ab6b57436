//! Varentropy (Kontoyiannis and Verdú 2013): the variance of `-ln p` under p.

use super::definition::{Closer, Definition, Limits, Needs, Range, Unit};

pub(super) const DEFINITION: Definition = Definition {
    name: "varentropy",
    title: "varentropy",
    unit: Unit::SquareNats,
    range: Range::Observed,
    limits: Limits::NotNegative,
    closer: Closer::Smaller,
    needs: Needs { variance: true, ..Needs::NOTHING },
    by_default: true,
    value: |evidence| evidence.projected.variance,
};
