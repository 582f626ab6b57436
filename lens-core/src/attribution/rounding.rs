//! What the sums of the stream lose where the model's dtype rounds them.

use super::{capture::Captured, error::AttributionError, parts::dot};
use crate::{
    backend::Backend,
    point::{Point, Site},
};

/// The product of a direction with what rounding adds to the stream in one block, where the stream is a sum of its
/// parts.
///
/// # Errors
/// When a sum is off by more than a rounding: then it is none, and something else changed the stream.
pub(super) fn in_block<B: Backend>(
    backend: &B,
    captured: &Captured<B::Hidden>,
    layer: u16,
    direction: &[f64],
) -> Result<f64, AttributionError> {
    let mut product = 0.0;
    for [before, added, sum] in backend.info().sums(layer).iter().copied() {
        let values = |site| captured.values(backend, Point::block(layer, site));
        if let (Some(before), Some(added), Some(rounded)) = (values(before)?, values(added)?, values(sum)?) {
            let unit = f64::from(backend.info().unit_roundoff);
            let point = Point::block(layer, sum);
            for (i, g) in direction.iter().enumerate() {
                let [x, y, z] = [before[i], added[i], rounded[i]].map(f64::from);
                let difference = z - (x + y);
                // The smallest numbers of a dtype are further apart than its roundoff says.
                let allowed = 1.01 * unit * (x + y).abs().max(z.abs()) + SMALLEST;
                if difference.abs() > allowed {
                    return Err(AttributionError::NotASum { point, dimension: i, difference, allowed });
                }
                product += g * difference;
            }
        }
    }
    Ok(product)
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
