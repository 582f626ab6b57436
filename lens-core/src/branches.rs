//! Runs that part from a sequence inside the model.

use std::sync::Arc;

use crate::{edit::Edits, token::TokenId};

/// Several runs of one sequence that differ in what is changed from some block and position on, each with edits of its
/// own. What comes before is the same in all of them, and need not be computed again. None of them can be continued.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Branches<'a, H> {
    /// The tokens of the sequence, up to the last one that matters.
    pub tokens: &'a [TokenId],
    /// Length, in tokens, of the whole sequence that these begin. Position embeddings that depend on a length are
    /// computed for this one.
    pub total: usize,
    /// The first block that is run.
    pub layer: u16,
    /// What enters it, at every position, `[tokens, d_model]`: its captured `resid_pre`.
    pub input: &'a H,
    /// No edit changes anything at an earlier position. The sequence has to be the one that the backend ran last,
    /// without an edit; what its caches do not hold of the positions before is computed again from `input`.
    pub from: usize,
    /// The edits of each run.
    pub edits: &'a [Arc<Edits>],
    /// The position whose final residual is wanted.
    pub row: usize,
}

impl<'a, H> Branches<'a, H> {
    /// A run for each of `edits` that leaves the sequence of these tokens at block `layer`, whose input is `input`. All
    /// positions may be changed, and the last one is read.
    pub fn new(tokens: &'a [TokenId], layer: u16, input: &'a H, edits: &'a [Arc<Edits>]) -> Self {
        let n = tokens.len();
        Self { tokens, total: n, layer, input, from: 0, edits, row: n.saturating_sub(1) }
    }

    crate::setters! {
        /// Length, in tokens, of the whole sequence that these begin. Position embeddings that depend on a length are
        /// computed for this one.
        with_total => total: usize,
        /// The first position that any edit changes anything at.
        with_from => from: usize,
        /// The position whose final residual is wanted.
        with_row => row: usize,
    }
}
