//! Jensen-Shannon divergence (Lin 1991): the mean of both readouts' divergences from their mixture.

use super::definition::{Closer, Definition, Limits, Needs, Range, Unit};

pub(super) const DEFINITION: Definition = Definition {
    name: "js_to_final",
    title: "JS(final, readout)",
    unit: Unit::Nats,
    range: Range::Linear(0.0, std::f64::consts::LN_2),
    limits: Limits::Within(0.0, std::f64::consts::LN_2),
    closer: Closer::Smaller,
    needs: Needs { distances: true, ..Needs::NOTHING },
    by_default: false,
    value: |evidence| evidence.projected.js_to_final,
};
