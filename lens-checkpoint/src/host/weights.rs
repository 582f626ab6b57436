//! From a checkpoint to weights in host memory.

use lens_core::{FinalNorm, NormShapeError};

use super::{ValueType, View};
use crate::{
    checkpoint::{Checkpoint, StoredDtype, StoredTensor},
    made::MadeError,
    spec::{NormSpec, Param, TensorSpec},
};

/// The weights of a checkpoint, in host memory.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a> {
    pub(crate) checkpoint: &'a Checkpoint,
}

/// A weight that cannot be read by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The checkpoint has no usable tensor of that name.
    #[error("the checkpoint has no tensor {name} of a type that can be read")]
    NoTensor {
        /// Its name.
        name: String,
    },
    /// A parameter that is not a part of one tensor, or not in the shape that its use asks for.
    #[error("the parameter {name} cannot be read by itself: {reason}")]
    Param {
        /// Its first tensor.
        name: String,
        /// Why.
        reason: String,
    },
    /// A weight that cannot be made from what is stored.
    #[error(transparent)]
    Made(#[from] MadeError),
    /// A norm whose weights do not fit the model's width.
    #[error(transparent)]
    Norm(#[from] NormShapeError),
    /// An unembedding that does not fit the model's width.
    #[error(transparent)]
    Projection(#[from] lens_core::projection::ProjectionError),
    /// A token that the embedding has no row for.
    #[error("token id {id} is outside the vocabulary of {n_vocab} rows")]
    UnknownToken {
        /// The token.
        id: usize,
        /// Rows of the embedding.
        n_vocab: usize,
    },
}

impl<'a> Weights<'a> {
    /// The weights of a checkpoint.
    pub fn of(checkpoint: &'a Checkpoint) -> Self {
        Self { checkpoint }
    }

    /// A tensor of the checkpoint and its type.
    pub(super) fn tensor(self, spec: &TensorSpec) -> Result<(&'a StoredTensor, StoredDtype), HostError> {
        let stored = self.checkpoint.outline().tensors.get(&spec.name);
        let known = stored.and_then(|stored| Some((stored, stored.dtype.clone().ok()?)));
        known.ok_or_else(|| HostError::NoTensor { name: spec.name.clone() })
    }

    /// A whole tensor, and its type.
    pub(super) fn whole(self, spec: &TensorSpec) -> Result<(View<'a>, StoredDtype), HostError> {
        let (stored, dtype) = self.tensor(spec)?;
        let view = match &stored.made {
            Some(made) => View::of_made(self.checkpoint, made, dtype).filter(|_| made.shape() == spec.shape),
            None => View::new(self.checkpoint.tensor_bytes(stored), ValueType::Model(dtype), &spec.shape),
        };
        let unfit = || HostError::Param {
            name: spec.name.clone(),
            reason: "its tensor has another shape".to_owned(),
        };
        Ok((view.ok_or_else(unfit)?, dtype))
    }

    /// A parameter in its final shape.
    ///
    /// # Errors
    /// When it is made of several tensors, which no view can show, or they do not have the shape that they should have.
    pub fn view(self, param: &Param) -> Result<View<'a>, HostError> {
        let name = || param.tensors.first().map_or_else(String::new, |tensor| tensor.name.clone());
        let unfit = |reason: &str| HostError::Param { name: name(), reason: reason.to_owned() };
        let [tensor] = param.tensors.as_slice() else {
            return Err(unfit("it is stacked from several tensors"));
        };
        let (view, _) = self.whole(tensor)?;
        let cut = param.cuts.iter().try_fold(view, super::super::view::View::cut);
        cut.ok_or_else(|| unfit("its tensor has another shape"))
    }

    /// A parameter that has to be a matrix `[rows, columns]`; either may be left open.
    pub(crate) fn matrix(self, param: &Param, shape: [Option<usize>; 2]) -> Result<View<'a>, HostError> {
        let view = self.view(param)?;
        let is = view.shape();
        let fits = is.len() == 2
            && shape.iter().zip(&is).all(|(wanted, n)| wanted.is_none_or(|wanted| wanted == *n));
        if fits {
            return Ok(view);
        }
        let name = param.tensors.first().map_or_else(String::new, |tensor| tensor.name.clone());
        Err(HostError::Param { name, reason: format!("it has the shape {is:?}") })
    }

    /// The values of a vector that may be absent.
    pub(crate) fn vector(self, param: Option<&Param>) -> Result<Option<Vec<f32>>, HostError> {
        param.map(|param| Ok(self.view(param)?.to_vec()?)).transpose()
    }

    /// A norm over vectors of `width`; without a spec, one that leaves them as they are.
    ///
    /// # Errors
    /// When its weights have another width.
    pub fn norm(self, spec: Option<&NormSpec>, width: usize) -> Result<FinalNorm, HostError> {
        let Some(spec) = spec else { return Ok(FinalNorm::identity(width)) };
        let offset = spec.offset as f32;
        let weight = self.vector(spec.weight.as_ref())?;
        let weight = weight.map(|weight| weight.into_iter().map(|w| w + offset).collect());
        Ok(FinalNorm::new(spec.kind, spec.eps, width, weight, self.vector(spec.bias.as_ref())?)?)
    }
}
