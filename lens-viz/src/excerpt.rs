//! Part of a trace, as a trace.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use lens_core::LensTrace;

use crate::picture::{PictureError, PictureOptions, step::important};
use crate::source::{Source, place};

/// The trace without what was not asked for: for tables and pages, which show all that a trace holds.
///
/// Of `what`, the lens, positions, components, layers, stride and threshold count, and mean what they mean for
/// pictures: an empty list means all that were read, and `embed` stays unless layers were chosen. What a trace says of
/// a position as a whole, such as where it was decided, still comes from all that was read.
///
/// # Errors
/// When a position, component or layer was not read, or nothing is left.
pub fn excerpt(mut trace: LensTrace, what: &PictureOptions) -> Result<LensTrace, PictureError> {
    what.check()?;
    if let Cow::Owned(of_lens) = trace.of_lens(what.lens.as_deref())? {
        trace = of_lens;
    }
    let source = Source::new(&trace)?;
    let positions: BTreeSet<usize> = source.positions(&what.positions)?.into_iter().collect();
    let places: BTreeSet<_> =
        source.places(&source.components(&what.components)?, what)?.into_iter().collect();
    // By the threshold, from all that was read and not from what is left of it.
    let mut anew: HashMap<usize, Vec<u16>> = HashMap::new();
    if let threshold @ Some(_) = what.threshold {
        let of = |position: &usize| important(&source, *position, threshold).0.into_iter().collect();
        anew = positions.iter().map(|position| (*position, of(position))).collect();
        trace.important_above = threshold;
    }
    trace
        .readouts
        .retain(|readout| positions.contains(&readout.position) && places.contains(&place(readout)));
    trace.finals.retain(|last| positions.contains(&last.position));
    trace.steps.retain(|step| positions.contains(&step.position));
    if trace.readouts.is_empty() {
        return Err(PictureError::Empty {
            what: "readout of these layers, positions and components".to_owned(),
        });
    }
    for last in &mut trace.finals {
        if let Some(layers) = anew.remove(&last.position) {
            last.important_layers = layers;
        }
    }
    Ok(trace)
}
