//! What can go wrong while a lens is fitted.

use std::path::PathBuf;

use lens_core::{MapShapeError, Site};

use crate::decoder::ModelError;

/// A lens that cannot be fitted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// The model fails.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// What was fitted does not make a lens.
    #[error("what was fitted is not a lens")]
    Maps(#[from] MapShapeError),
    /// A layer that is no source of a Jacobian.
    #[error("layer {layer} has no Jacobian at {site}: the layers that have one are 0 to {}", i32::from(*n) - 1)]
    NoSource {
        /// The layer.
        layer: u16,
        /// The site.
        site: Site,
        /// How many layers, from the first, have one.
        n: u16,
    },
    /// A model of one layer, or no layer named.
    #[error("there is no layer to fit: the Jacobian of the last block's output is the identity")]
    NoSources,
    /// Options that leave no position.
    #[error(
        "{max_tokens} tokens of a prompt in batches of {dim_batch} dimensions leave nothing to average: a prompt has to \
         have at least {shortest} tokens, and a batch 1 dimension"
    )]
    NoPositions {
        /// Tokens that prompts are cut to.
        max_tokens: usize,
        /// The shortest prompt that has a valid position.
        shortest: usize,
        /// Dimensions of a backward pass.
        dim_batch: usize,
    },
    /// Lenses that cannot be merged.
    #[error("{which} cannot be merged with the others: {reason}")]
    Merge {
        /// The file, or the number, of the one that does not fit.
        which: String,
        /// Why.
        reason: String,
    },
    /// No prompt was long enough.
    #[error("no prompt was long enough to fit a lens to")]
    NoPrompts,
    /// A text that is too short.
    #[error(
        "the text has {tokens} tokens, {sequences} sequences of {length}: at least {wanted} are needed, one of them \
         to hold out; give more text, or shorter sequences"
    )]
    TooLittleText {
        /// Its tokens.
        tokens: usize,
        /// The sequences that they fill.
        sequences: usize,
        /// The length of a sequence.
        length: usize,
        /// How many are needed.
        wanted: usize,
    },
    /// An option that says nothing sensible.
    #[error("{name} is {value}: {wanted}")]
    Option {
        /// What it is.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it has to be.
        wanted: &'static str,
    },
    /// A loss that is not finite.
    #[error(
        "the loss of the translator for layer {layer} is not finite at step {step}: a smaller learning rate may help"
    )]
    Diverged {
        /// The layer.
        layer: usize,
        /// The step, from 0.
        step: u64,
    },
    /// A checkpoint of another fit.
    #[error("the fit cannot go on from what was kept: {what} differ")]
    OtherState {
        /// What is different.
        what: String,
    },
    /// A checkpoint that cannot be read or written.
    #[error("cannot {action} the state of the fit, {}", path.display())]
    State {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
