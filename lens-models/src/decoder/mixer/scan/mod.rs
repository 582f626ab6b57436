//! The recurrences of state spaces, in float32: a state that decays and is written to at every position.

mod by_channel;
mod by_head;

use tch::Tensor;

pub(super) use self::{
    by_channel::ByChannel,
    by_head::{ByHead, Inputs},
};
use crate::decoder::ModelError;

/// The state of the sequence that is run, in float32.
#[derive(Debug, Default)]
struct State(Option<Tensor>);

impl State {
    /// The state before the tokens of a step: zeros of this shape before the first one.
    fn take(&mut self, shape: &[i64], like: &Tensor) -> Result<Tensor, ModelError> {
        match self.0.take() {
            Some(state) => Ok(state),
            None => Ok(Tensor::f_zeros(shape, (tch::Kind::Float, like.device()))?),
        }
    }
}
