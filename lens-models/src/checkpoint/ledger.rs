//! The ledger: every tensor that the spec needs is there in the right shape, and every tensor that is there is
//! needed. A forgotten bias is found here, before a number is computed.

use std::collections::BTreeSet;

use super::{CheckpointError, TensorIndex};
use crate::spec::DecoderSpec;

/// How many names a message lists.
const SHOWN: usize = 6;

/// Checks that spec and checkpoint account for each other.
pub(super) fn close(spec: &DecoderSpec, index: &TensorIndex) -> Result<(), CheckpointError> {
    let mut missing = Vec::new();
    let mut consumed = BTreeSet::new();
    for wanted in spec.tensors() {
        let Some(stored) = index.get(&wanted.name) else {
            missing.push(wanted.name.clone());
            continue;
        };
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
        consumed.insert(wanted.name.as_str());
    }
    if !missing.is_empty() {
        return Err(CheckpointError::Missing { family: spec.family.clone(), names: listed(&missing) });
    }
    let unknown: Vec<String> = index
        .iter()
        .map(|(name, _)| name)
        .filter(|name| !consumed.contains(name) && !spec.ignored.covers(name))
        .map(str::to_owned)
        .collect();
    if !unknown.is_empty() {
        return Err(CheckpointError::Unknown { family: spec.family.clone(), names: listed(&unknown) });
    }
    Ok(())
}

fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
