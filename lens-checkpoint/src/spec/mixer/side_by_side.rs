//! Attention and a state space side by side as data.

use super::{attention::AttentionSpec, state_space::Mamba2Spec};
use crate::spec::param::Param;

/// Attention and a Mamba-2 mixer that read the same normed stream (Falcon-H1). `attn_out` is the sum that is added to the
/// stream; neither part is a point of its own, and there is no `z`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SideBySideSpec {
    /// Attention.
    pub attention: AttentionSpec,
    /// Factor on the normed stream that attention reads.
    pub attention_in: f64,
    /// Factor on what attention returns.
    pub attention_out: f64,
    /// The state space.
    pub mamba2: Mamba2Spec,
    /// Factor on what the state space returns.
    pub mamba2_out: f64,
}

impl SideBySideSpec {
    /// Its parameters.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        self.attention.params().chain(self.mamba2.params())
    }
}
