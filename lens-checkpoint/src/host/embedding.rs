//! From a token to what enters the first block, positions left aside.

use half::{bf16, f16};
use lens_core::{FinalNorm, TokenId};

use super::{HostError, HostLinear, View, Weights};
use crate::{
    checkpoint::{Checkpoint, StoredDtype},
    spec::{EmbedScale, EmbedSpec},
};

/// The embedding of tokens: the stored row, times the model's own factor, through the projection and the norm that some
/// models have. Learned positions are not added: a token by itself is at none.
#[derive(Debug)]
pub struct EmbeddingWeights<'a> {
    /// `[n_vocab, d_embed]`
    rows: View<'a>,
    scale: Option<f32>,
    project: Option<HostLinear>,
    norm: FinalNorm,
}

impl<'a> EmbeddingWeights<'a> {
    /// The embedding of a checkpoint.
    ///
    /// # Errors
    /// When a tensor of it cannot be read.
    pub fn of(checkpoint: &'a Checkpoint) -> Result<Self, HostError> {
        let (weights, spec) = (Weights::of(checkpoint), &checkpoint.outline().spec);
        let EmbedSpec { tokens, scale, project, norm, .. } = &spec.embed;
        let (rows, dtype) = weights.whole(tokens)?;
        let &[_, d_embed] = tokens.shape.as_slice() else {
            let reason = "its tensor has another shape".to_owned();
            return Err(HostError::Param { name: tokens.name.clone(), reason });
        };
        let project = match project {
            None => None,
            Some(project) => {
                let weight = weights.matrix(&project.weight, [Some(spec.d_model), Some(d_embed)])?;
                Some(HostLinear::new(weight.to_vec()?, weights.vector(project.bias.as_ref())?, d_embed))
            }
        };
        let scale = scale.map(|scale| match scale {
            EmbedScale::Factor(factor) => factor as f32,
            EmbedScale::RoundedFactor(factor) => rounded(factor as f32, dtype),
        });
        Ok(Self { rows, scale, project, norm: weights.norm(norm.as_ref(), spec.d_model)? })
    }

    /// How many tokens have a row.
    pub fn n_vocab(&self) -> usize {
        self.rows.shape()[0]
    }

    /// Makes sure that a token has a row.
    ///
    /// # Errors
    /// When it has none.
    pub fn knows(&self, token: usize) -> Result<(), HostError> {
        let n_vocab = self.n_vocab();
        match token < n_vocab {
            true => Ok(()),
            false => Err(HostError::UnknownToken { id: token, n_vocab }),
        }
    }

    /// Appends what enters the first block for each token, `[tokens, d_model]`.
    ///
    /// # Errors
    /// When a token has no row.
    pub fn rows(&self, tokens: &[usize], out: &mut Vec<f32>) -> Result<(), HostError> {
        tokens.iter().try_for_each(|token| self.knows(*token))?;
        let start = out.len();
        let mut stored = Vec::new();
        self.rows.rows(tokens, &mut stored)?;
        if let Some(scale) = self.scale {
            stored.iter_mut().for_each(|value| *value *= scale);
        }
        match &self.project {
            None => out.append(&mut stored),
            Some(project) => {
                let d_embed = self.rows.shape()[1];
                stored.chunks_exact(d_embed).for_each(|row| project.apply(row, out));
            }
        }
        for row in out[start..].chunks_exact_mut(self.norm.d_model()) {
            let scale = self.norm.scale(row);
            self.norm.apply(row, scale);
        }
        Ok(())
    }

    /// What enters the first block for one token, `[d_model]`.
    ///
    /// # Errors
    /// As for [`EmbeddingWeights::rows`].
    pub fn row(&self, token: TokenId) -> Result<Vec<f32>, HostError> {
        let mut row = Vec::new();
        self.rows(&[token.index()], &mut row)?;
        Ok(row)
    }
}

fn rounded(value: f32, dtype: StoredDtype) -> f32 {
    match dtype {
        StoredDtype::F32 => value,
        StoredDtype::Bf16 => bf16::from_f32(value).to_f32(),
        StoredDtype::F16 => f16::from_f32(value).to_f32(),
    }
}
