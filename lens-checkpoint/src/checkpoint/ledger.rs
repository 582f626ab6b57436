//! The ledger: every tensor that the spec needs is there in the right shape, and every tensor that is there is
//! needed. A forgotten bias is found here, before a number is computed.

use super::{CheckpointError, TensorIndex};
use crate::{
    config::ConfigError,
    families::{Difference, TensorNames, listed},
    spec::DecoderSpec,
};

/// What the names of quantised tensors end with, and who writes them.
const QUANTISED: &[(&str, &str)] = &[
    (".qweight", "GPTQ or AWQ"),
    (".qzeros", "GPTQ or AWQ"),
    (".weight_scale", "fp8 or compressed-tensors"),
    (".weight_scale_inv", "fp8"),
    (".weight_packed", "compressed-tensors"),
    (".SCB", "bitsandbytes, 8 bits"),
    (".quant_state.bitsandbytes__nf4", "bitsandbytes, 4 bits"),
    (".quant_state.bitsandbytes__fp4", "bitsandbytes, 4 bits"),
    ("_blocks", "MXFP4"),
    (".scales", "MLX, GPTQ or AWQ"),
];

/// What the names of heads for other tasks begin with.
const OTHER_HEADS: &[&str] =
    &["v_head.", "score.", "classifier.", "qa_outputs.", "value_head.", "reward_head.", "summary."];

/// Checks that spec and checkpoint account for each other. Tensors that nobody needs are left out, with a note, if the
/// reader insists.
pub(super) fn close(
    spec: &DecoderSpec,
    names: &TensorNames,
    index: &TensorIndex,
    ignore_extra: bool,
) -> Result<Option<String>, CheckpointError> {
    let Difference { missing, unknown } = Difference::between(spec, names);
    let family = || spec.family.clone();
    let clue = unknown.iter().find_map(|name| QUANTISED.iter().find(|(end, _)| name.ends_with(end)));
    if let Some((_, method)) = clue {
        return Err(
            ConfigError::Quantised { method: format!("{method}, by the names of its tensors") }.into()
        );
    }
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
    if unknown.is_empty() {
        return Ok(None);
    }
    let names = listed(&unknown);
    if ignore_extra {
        return Ok(Some(format!(
            "the checkpoint holds tensors that {} does not use: {names}. They are left out, as was asked \
             for; the results are right only if they change nothing",
            spec.family
        )));
    }
    let is_head = |name: &&str| OTHER_HEADS.iter().any(|start| name.starts_with(start));
    Err(match unknown.iter().all(is_head) {
        true => CheckpointError::OtherHead { family: family(), names },
        false => CheckpointError::Unknown { family: family(), names },
    })
}
