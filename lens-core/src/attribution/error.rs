//! Why a logit could not be taken apart.

use crate::{backend::BackendError, point::Point, token::TokenId};

/// Why a logit could not be taken apart.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttributionError {
    /// There is no token to run.
    #[error("the prompt has no tokens: there is no position to read")]
    NoTokens,
    /// A position that the sequence does not have.
    #[error("there is no position {position}: the prompt has {length} tokens")]
    NoPosition {
        /// The position asked for.
        position: usize,
        /// Tokens of the sequence.
        length: usize,
    },
    /// A logit cannot be read there.
    #[error(
        "a logit is taken apart at the input or the output of a block (resid_pre, resid_post) or at the embedding, and \
         {point} is none in this model of {n_layers} layers"
    )]
    NoPlace {
        /// The point asked for.
        point: Point,
        /// Layers of the model.
        n_layers: u16,
    },
    /// The token to compare with is the target itself.
    #[error("the target and the token to compare it with are the same, {token}: their difference is zero")]
    SameToken {
        /// The token.
        token: TokenId,
    },
    /// The stream is not the sum of its parts, beyond what a rounding of the model's dtype explains: something changes
    /// it that is no part of the model.
    #[error(
        "{point} is not the sum of what comes before it and what is added: value {dimension} is off by {difference:.3e}, \
         and a rounding explains {allowed:.3e}. Is the model being steered?"
    )]
    NotASum {
        /// The sum.
        point: Point,
        /// The worst value.
        dimension: usize,
        /// How far it is off.
        difference: f64,
        /// What rounding allows.
        allowed: f64,
    },
    /// The output of a block with norms on the stream is not what its parts make, beyond what roundings explain.
    #[error(
        "the output of layer {layer} is not what its parts make through its norms: a product is off by {difference:.3e}, \
         and roundings explain {allowed:.3e}. Is the model being steered?"
    )]
    NotThroughNorms {
        /// The layer.
        layer: u16,
        /// How far the product is off.
        difference: f64,
        /// What rounding allows.
        allowed: f64,
    },
    /// The backend did not say what a branch adds, and the model has no point to capture it at.
    #[error("what the {branch} of layer {layer} adds is not known: the model has no such point")]
    NoOutput {
        /// `attention` or `MLP`.
        branch: &'static str,
        /// The layer.
        layer: u16,
    },
    /// A product is NaN or infinite although the activations are finite.
    #[error("a contribution is NaN or infinite: the activations are too large for their products")]
    NotFinite,
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
}
