//! Kullback-Leibler divergence `KL(final ‖ readout) = Σ p_final ln(p_final / p)`, from log-softmax, never clipped.

use super::definition::{Closer, Definition, Limits, Needs, Range, Unit};

pub(super) const DEFINITION: Definition = Definition {
    name: "kl_to_final",
    title: "KL(final ‖ readout)",
    unit: Unit::Nats,
    // Below a hundredth two distributions look the same to any reader; a hundred is beyond what models do.
    range: Range::Logarithmic(0.01, 100.0),
    limits: Limits::NotNegative,
    closer: Closer::Smaller,
    needs: Needs { divergence: true, ..Needs::NOTHING },
    by_default: true,
    value: |evidence| evidence.projected.kl_to_final,
};
