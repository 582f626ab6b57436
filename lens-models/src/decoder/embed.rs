//! From tokens to the residual stream.

use lens_core::TokenId;
use tch::{Kind, Tensor};

use super::{
    ModelError,
    norm::{Norm, normed},
    weights::{Linear, Weights},
};
use crate::spec::{EmbedScale, EmbedSpec};

/// The embedding of tokens and, where they are learned, positions.
#[derive(Debug)]
pub(super) struct Embedding {
    tokens: Tensor, // [n_vocab, d_embed]
    scale: Option<f64>,
    project: Option<Linear>,
    positions: Option<Positions>,
    norm: Option<Norm>,
}

#[derive(Debug)]
struct Positions {
    table: Tensor, // [n + offset, d_model]
    offset: usize,
    n: usize,
}

impl Embedding {
    pub(super) fn load(spec: &EmbedSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let tokens = weights.tensor(&spec.tokens)?;
        let scale = match spec.scale {
            None => None,
            Some(EmbedScale::Factor(factor)) => Some(factor),
            Some(EmbedScale::RoundedFactor(factor)) => {
                Some(Tensor::f_from_slice(&[factor])?.f_to_kind(tokens.kind())?.f_double_value(&[0])?)
            }
        };
        let positions = match &spec.positions {
            Some(learned) => Some(Positions {
                table: weights.param(&learned.table)?,
                offset: learned.offset,
                n: learned.n,
            }),
            None => None,
        };
        Ok(Self {
            scale,
            project: spec.project.as_ref().map(|project| weights.linear(project)).transpose()?,
            positions,
            norm: Norm::load_optional(spec.norm.as_ref(), weights)?,
            tokens,
        })
    }

    /// The matrix that a tied model unembeds with.
    pub(super) fn tokens(&self) -> &Tensor {
        &self.tokens
    }

    /// The model's dtype.
    pub(super) fn kind(&self) -> Kind {
        self.tokens.kind()
    }

    /// What enters block 0 for tokens at these positions of their sequences, `[pos, d_model]`.
    pub(super) fn forward(&self, tokens: &[TokenId], positions: &[usize]) -> Result<Tensor, ModelError> {
        let n_vocab = self.tokens.size()[0] as usize;
        if let Some(token) = tokens.iter().find(|token| token.index() >= n_vocab) {
            return Err(ModelError::UnknownToken { token: *token, n_vocab });
        }
        let ids: Vec<i64> = tokens.iter().map(|token| token.index() as i64).collect();
        let ids = Tensor::f_from_slice(&ids)?.f_to_device(self.tokens.device())?;
        let mut x = self.tokens.f_index_select(0, &ids)?;
        if let Some(scale) = self.scale {
            x = x.f_mul_scalar(scale)?;
        }
        if let Some(project) = &self.project {
            x = project.forward(&x)?;
        }
        if let Some(Positions { table, offset, n }) = &self.positions {
            let length = positions.iter().max().map_or(0, |last| last + 1);
            if length > *n {
                return Err(ModelError::TooLong { length, max: *n });
            }
            let rows: Vec<i64> = positions.iter().map(|position| (position + offset) as i64).collect();
            let rows = Tensor::f_from_slice(&rows)?.f_to_device(table.device())?;
            x = x.f_add(&table.f_index_select(0, &rows)?)?;
        }
        normed(self.norm.as_ref(), &x)
    }
}
