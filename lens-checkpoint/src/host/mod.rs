//! Weights in host memory, without a decoder: what can be computed from a checkpoint when no prompt is run.
//!
//! A weight is a [`View`] of the mapped file: stored values under the shape that its [`Param`](crate::spec::Param)
//! describes. Nothing is copied before a row is asked for.

mod embedding;
mod linear;
mod readout;
mod weights;

pub use crate::view::{ValueType, View};
pub use embedding::EmbeddingWeights;
pub(crate) use linear::HostLinear;
pub use readout::ReadoutWeights;
pub use weights::{HostError, Weights};
