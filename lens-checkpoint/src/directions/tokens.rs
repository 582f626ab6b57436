//! Embeddings: what each token writes into the stream before the first block.

use lens_core::{Selection, TokenId};

use super::{Directions, DirectionsError, Origin, Rows};
use crate::{
    checkpoint::Checkpoint,
    host::{EmbeddingWeights, HostError},
};

impl Rows for EmbeddingWeights<'_> {
    fn read(&self, rows: &[usize], out: &mut Vec<f32>) -> Result<(), HostError> {
        self.rows(rows, out)
    }
}

impl<'a> Directions<'a> {
    /// The embedding of tokens as it enters the first block, learned positions left aside: of `tokens`, or, without any,
    /// of those ids that `which` selects.
    ///
    /// # Errors
    /// When the embedding cannot be read, a token has no row, or nothing is selected.
    pub fn of_embedding(
        checkpoint: &'a Checkpoint,
        tokens: &[TokenId],
        which: &Selection,
    ) -> Result<Self, DirectionsError> {
        let embedding = EmbeddingWeights::of(checkpoint)?;
        let positions = checkpoint.outline().spec.embed.positions.is_some();
        let note =
            positions.then(|| "the learned positions are not added: a token by itself is at none".to_owned());
        let mut directions = Self::new(note.into_iter().collect());
        let n_vocab = embedding.n_vocab();
        if tokens.is_empty() {
            directions.push(Origin::Embedding, (n_vocab, which, "token"), embedding)?;
            return Ok(directions);
        }
        tokens.iter().try_for_each(|token| embedding.knows(token.index()))?;
        directions.push_all(Origin::Embedding, tokens.iter().map(|token| token.index()).collect(), embedding);
        Ok(directions)
    }
}
