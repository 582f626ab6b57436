//! The ledger: every tensor that the spec needs is there in the right shape, and every tensor that is there is
//! needed. A forgotten bias is found here, before a number is computed.

use super::{CheckpointError, TensorIndex};
use crate::{
    families::{Difference, TensorNames, listed},
    spec::DecoderSpec,
};

/// Checks that spec and checkpoint account for each other.
pub(super) fn close(
    spec: &DecoderSpec,
    names: &TensorNames,
    index: &TensorIndex,
) -> Result<(), CheckpointError> {
    let Difference { missing, unknown } = Difference::between(spec, names);
    let family = || spec.family.clone();
    if !missing.is_empty() {
        return Err(CheckpointError::Missing { family: family(), names: listed(&missing) });
    }
    for wanted in spec.tensors() {
        let Some(stored) = index.get(&wanted.name) else { continue };
        if stored.shape != wanted.shape {
            return Err(CheckpointError::Shape {
                name: wanted.name.clone(),
                stored: stored.shape.clone(),
                expected: wanted.shape.clone(),
            });
        }
        if let Err(dtype) = &stored.dtype {
            return Err(CheckpointError::Dtype { name: wanted.name.clone(), dtype: dtype.clone() });
        }
    }
    if !unknown.is_empty() {
        return Err(CheckpointError::Unknown { family: family(), names: listed(&unknown) });
    }
    Ok(())
}
