//! Total variation: `½ Σ |p_final - p|`.

use super::definition::{Closer, Definition, Limits, Needs, Range, Unit};

pub(super) const DEFINITION: Definition = Definition {
    name: "tv_to_final",
    title: "TV(final, readout)",
    unit: Unit::One,
    range: Range::Linear(0.0, 1.0),
    limits: Limits::Within(0.0, 1.0),
    closer: Closer::Smaller,
    needs: Needs { distances: true, ..Needs::NOTHING },
    by_default: false,
    value: |evidence| evidence.projected.tv_to_final,
};
