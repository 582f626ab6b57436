//! What the sums of the stream are beyond their parts: what the model's dtype rounds away, and what interventions change.

use super::{capture::Captured, changed::Changed, error::AttributionError, parts::dot};
use crate::{
    backend::Backend,
    point::{Point, Site},
};

/// What the sums of one block are beyond their parts, where the stream is a sum of them.
#[derive(Default)]
pub(super) struct Beyond {
    /// What rounding adds.
    pub(super) rounding: f64,
    /// What interventions add, by the sum that they change; the last sum first.
    pub(super) changes: Vec<(Point, f64)>,
}

/// The products of a direction with what is in the sums of a block beyond their parts: what interventions change, and,
/// where the dtype `rounds`, what rounding adds.
///
/// # Errors
/// When a sum that nobody changed is off by more than a rounding: then it is none, and something else changed the stream.
pub(super) fn in_block<B: Backend>(
    backend: &B,
    captured: &Captured<B::Hidden>,
    layer: u16,
    direction: &[f64],
    (changed, rounds): (&Changed, bool),
) -> Result<Beyond, AttributionError> {
    let mut beyond = Beyond::default();
    for [before, added, sum] in backend.info().sums(layer).iter().rev().copied() {
        let point = Point::block(layer, sum);
        let is_changed = changed.has(point);
        if !is_changed && !rounds {
            continue;
        }
        let values = |site| captured.values(backend, Point::block(layer, site));
        let (Some(before), Some(added), Some(there)) = (values(before)?, values(added)?, values(sum)?) else {
            continue;
        };
        let mut product = 0.0;
        for (i, g) in direction.iter().enumerate() {
            let [x, y, z] = [before[i], added[i], there[i]].map(f64::from);
            let difference = z - (x + y);
            if !is_changed {
                within_rounding(backend, point, i, difference, (x + y).abs().max(z.abs()))?;
            }
            product += g * difference;
        }
        match is_changed {
            true => beyond.changes.push((point, product)),
            false => beyond.rounding += product,
        }
    }
    Ok(beyond)
}

/// Refuses a difference that is larger than a rounding of a value of this size.
fn within_rounding<B: Backend>(
    backend: &B,
    point: Point,
    dimension: usize,
    difference: f64,
    size: f64,
) -> Result<(), AttributionError> {
    // The smallest numbers of a dtype are further apart than its roundoff says.
    let allowed = 1.01 * f64::from(backend.info().unit_roundoff) * size + SMALLEST;
    match difference.abs() <= allowed {
        true => Ok(()),
        false => Err(AttributionError::NotASum { point, dimension, difference, allowed }),
    }
}

/// What rounding adds in a block with norms on the stream itself: what its output has beyond the `sum` of its parts,
/// which are led through those norms.
///
/// # Errors
/// When that is more than rounding explains.
pub(super) fn through_norms<B: Backend>(
    backend: &B,
    captured: &Captured<B::Hidden>,
    layer: u16,
    direction: &[f64],
    sum: f64,
) -> Result<f64, AttributionError> {
    let point = Point::block(layer, Site::ResidPost);
    let Some(output) = captured.values(backend, point)? else { return Ok(0.0) };
    let difference = dot(direction, &output) - sum;
    let largest = output.iter().fold(0.0, |most: f64, x| most.max(f64::from(x.abs())));
    let unit = f64::from(backend.info().unit_roundoff);
    // Two norms, two sums, and a branch that is computed again, each a few roundings of values of this size.
    let allowed = 16.0 * unit * largest * direction.iter().map(|g| g.abs()).sum::<f64>();
    if difference.abs() > allowed {
        return Err(AttributionError::NotThroughNorms { layer, difference, allowed });
    }
    Ok(difference)
}

/// The distance between float16's smallest numbers, the widest of all dtypes.
const SMALLEST: f64 = 1.0 / (1u64 << 24) as f64;
