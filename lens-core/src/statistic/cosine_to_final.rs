//! The cosine of the angle between the captured vector and the final residual of its position, both before the norm.

use super::definition::{Closer, Definition, Limits, Needs, Range, Unit};

pub(super) const DEFINITION: Definition = Definition {
    name: "cosine_to_final",
    title: "cosine to the final residual",
    unit: Unit::One,
    range: Range::Linear(-1.0, 1.0),
    limits: Limits::Within(-1.0, 1.0),
    closer: Closer::Larger,
    needs: Needs { vector: true, ..Needs::NOTHING },
    by_default: true,
    value: |evidence| {
        let vector = evidence.vector.filter(|vector| !vector.is_final)?;
        let lengths = (vector.square * vector.final_square).sqrt();
        // A vector of zeros has no direction.
        (lengths > 0.0).then(|| (vector.dot / lengths).clamp(-1.0, 1.0))
    },
};
