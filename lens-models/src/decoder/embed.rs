//! From tokens to the residual stream.

use lens_core::TokenId;
use tch::{Device, Kind, Tensor};

use super::{
    ModelError,
    norm::{Norm, normed},
    weights::{Linear, Weights},
};
use crate::spec::{EmbedScale, EmbedSpec, PerLayerEmbedding, PositionRows, PositionTable, Sines};

/// The embedding of tokens and, where they are learned, positions.
#[derive(Debug)]
pub(super) struct Embedding {
    tokens: Tensor, // [n_vocab, d_embed]
    scale: Option<f64>,
    project: Option<Linear>,
    positions: Option<Positions>,
    norm: Option<Norm>,
    per_layer: Option<PerLayer>,
}

/// A vector of each token for each block.
#[derive(Debug)]
struct PerLayer {
    tokens: Tensor, // [n_vocab, n_layers * d_vector]
    scale: f64,
    project: Linear,
    factor: f64,
    norm: Norm,
    d_vector: i64,
}

#[derive(Debug)]
struct Positions {
    rows: Rows,
    offset: usize,
    n: usize,
}

/// The vectors of positions.
#[derive(Debug)]
enum Rows {
    Learned(Tensor), // [n + offset, d_model]
    Sines { of: Sines, kind: Kind, device: Device },
}

impl Embedding {
    pub(super) fn load(spec: &EmbedSpec, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let tokens = weights.tensor(&spec.tokens)?;
        let scale = match spec.scale {
            None => None,
            Some(EmbedScale::Factor(factor)) => Some(factor),
            Some(EmbedScale::RoundedFactor(factor)) => Some(rounded(factor, tokens.kind())?),
        };
        let positions = match &spec.positions {
            Some(table) => Some(Positions::load(table, &tokens, weights)?),
            None => None,
        };
        Ok(Self {
            scale,
            project: spec.project.as_ref().map(|project| weights.linear(project)).transpose()?,
            positions,
            norm: Norm::load_optional(spec.norm.as_ref(), weights)?,
            per_layer: spec.per_layer.as_ref().map(|spec| PerLayer::load(spec, weights)).transpose()?,
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

    /// What the token and the position each bring to what enters block 0, `[1, d_model]` both; `None` where positions
    /// are not learned or a norm follows the sum.
    pub(super) fn parts(&self, token: TokenId, position: usize) -> Result<Option<[Tensor; 2]>, ModelError> {
        match &self.positions {
            Some(positions) if self.norm.is_none() => {
                Ok(Some([self.of_tokens(&[token])?, positions.of(&[position])?]))
            }
            _ => Ok(None),
        }
    }

    /// What enters block 0 for tokens at these positions of their sequences, `[pos, d_model]`.
    pub(super) fn forward(&self, tokens: &[TokenId], positions: &[usize]) -> Result<Tensor, ModelError> {
        let mut x = self.of_tokens(tokens)?;
        if let Some(learned) = &self.positions {
            x = x.f_add(&learned.of(positions)?)?;
        }
        normed(self.norm.as_ref(), &x)
    }

    /// The vectors of tokens for blocks, `[pos, n_layers, d_vector]`, where the model has some; `embedded` is what enters
    /// block 0, `[pos, d_model]`, before anything changes it.
    pub(super) fn vectors(
        &self,
        tokens: &[TokenId],
        embedded: &Tensor,
    ) -> Result<Option<Tensor>, ModelError> {
        self.per_layer.as_ref().map(|per_layer| per_layer.of(tokens, embedded)).transpose()
    }

    /// The part of the tokens, scaled and projected, `[pos, d_model]`.
    fn of_tokens(&self, tokens: &[TokenId]) -> Result<Tensor, ModelError> {
        let mut x = rows_of(&self.tokens, tokens)?;
        if let Some(scale) = self.scale {
            x = x.f_mul_scalar(scale)?;
        }
        match &self.project {
            Some(project) => project.forward(&x),
            None => Ok(x),
        }
    }
}

impl PerLayer {
    fn load(spec: &PerLayerEmbedding, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let tokens = weights.param(&spec.tokens)?;
        Ok(Self {
            scale: rounded(spec.scale, tokens.kind())?,
            tokens,
            project: weights.linear(&spec.project)?,
            factor: spec.factor,
            norm: Norm::load(&spec.norm, weights)?,
            d_vector: spec.d_vector as i64,
        })
    }

    /// The vectors of these tokens, `[pos, n_layers, d_vector]`.
    fn of(&self, tokens: &[TokenId], embedded: &Tensor) -> Result<Tensor, ModelError> {
        let shape = [tokens.len() as i64, -1, self.d_vector];
        let own = rows_of(&self.tokens, tokens)?.f_mul_scalar(self.scale)?.f_view(shape)?;
        let projected = self.project.forward(embedded)?.f_mul_scalar(self.factor)?.f_view(shape)?;
        Ok(self.norm.forward(&projected)?.f_add(&own)?.f_mul_scalar(std::f64::consts::FRAC_1_SQRT_2)?)
    }
}

/// A number as this dtype has it.
fn rounded(number: f64, kind: Kind) -> Result<f64, ModelError> {
    Ok(Tensor::f_from_slice(&[number])?.f_to_kind(kind)?.f_double_value(&[0])?)
}

/// The rows of a table that belong to these tokens, `[pos, ..]`.
fn rows_of(table: &Tensor, tokens: &[TokenId]) -> Result<Tensor, ModelError> {
    let n_vocab = table.size()[0] as usize;
    if let Some(token) = tokens.iter().find(|token| token.index() >= n_vocab) {
        return Err(ModelError::UnknownToken { token: *token, n_vocab });
    }
    let ids: Vec<i64> = tokens.iter().map(|token| token.index() as i64).collect();
    let ids = Tensor::f_from_slice(&ids)?.f_to_device(table.device())?;
    Ok(table.f_index_select(0, &ids)?)
}

impl Positions {
    fn load(table: &PositionTable, tokens: &Tensor, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let rows = match &table.rows {
            PositionRows::Learned(param) => Rows::Learned(weights.param(param)?),
            PositionRows::Sines(sines) => {
                Rows::Sines { of: sines.clone(), kind: tokens.kind(), device: tokens.device() }
            }
        };
        Ok(Self { rows, offset: table.offset, n: table.n })
    }

    /// Their rows for these positions, `[pos, d_model]`.
    fn of(&self, positions: &[usize]) -> Result<Tensor, ModelError> {
        let Self { rows, offset, n } = self;
        let length = positions.iter().max().map_or(0, |last| last + 1);
        if length > *n {
            return Err(ModelError::TooLong { length, max: *n });
        }
        match rows {
            Rows::Learned(table) => {
                let rows: Vec<i64> = positions.iter().map(|position| (position + offset) as i64).collect();
                let rows = Tensor::f_from_slice(&rows)?.f_to_device(table.device())?;
                Ok(table.f_index_select(0, &rows)?)
            }
            Rows::Sines { of, kind, device } => {
                let values: Vec<f32> =
                    positions.iter().flat_map(|position| of.row(position + offset)).collect();
                let table =
                    Tensor::f_from_slice(&values)?.f_view([positions.len() as i64, of.width as i64])?;
                Ok(table.f_to_kind(*kind)?.f_to_device(*device)?)
            }
        }
    }
}
