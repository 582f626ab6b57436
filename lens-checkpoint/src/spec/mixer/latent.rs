//! Latent attention as data: keys and values out of one narrow vector a position.

use std::sync::Arc;

use super::QueryGrowth;
use crate::spec::{
    norm::NormSpec,
    param::{LinearSpec, Param},
    rope::Rope,
};

/// Where the queries of latent attention come from.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a model has one for each layer: nothing to save")]
pub enum LatentQuery {
    /// One map, `[n_heads * d_key, d_model]`.
    Plain(LinearSpec),
    /// A narrow vector, normed, and a map from there.
    LowRank {
        /// To the narrow vector, `[rank, d_model]`.
        down: LinearSpec,
        /// Norm of the narrow vector.
        norm: NormSpec,
        /// From there, `[n_heads * d_key, rank]`.
        up: LinearSpec,
    },
}

/// Multi-head latent attention (MLA, DeepSeek-AI 2024): a position keeps a narrow vector, of which every head makes its
/// key and its value, and one rotated key that all heads share.
///
/// With `c = norm(down_c(x))` a head's key is `[W_k c; rotate(down_r(x))]`, its value `W_v c`, and its query
/// `[q_c; rotate(q_r)]`. `W_k` and `W_v` of all heads lie in one matrix, a head after the other.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LatentAttentionSpec {
    /// Heads.
    pub n_heads: usize,
    /// Width of the part of queries and keys that does not rotate.
    pub d_content: usize,
    /// Width of the part that rotates; the key's is shared by all heads.
    pub d_rotary: usize,
    /// Width of a value.
    pub d_value: usize,
    /// Width of the vector that a position keeps, without the rotated key.
    pub rank: usize,
    /// Factor on `q · k`.
    pub scale: f64,
    /// How queries and the shared key rotate; `None` where positions are not taken into account.
    pub rope: Option<Arc<Rope>>,
    /// Factor on queries, after their rotation.
    pub growth: Option<QueryGrowth>,
    /// Queries.
    pub query: LatentQuery,
    /// To the kept vector and the shared key, `[rank + d_rotary, d_model]`.
    pub down: LinearSpec,
    /// Norm of the kept vector.
    pub norm: NormSpec,
    /// From the kept vector to keys and values, `[n_heads * (d_content + d_value), rank]`.
    pub up: Param,
    /// Output projection, `[d_model, n_heads * d_value]`.
    pub o: LinearSpec,
}

impl LatentAttentionSpec {
    /// Width of a query and of a key.
    pub fn d_key(&self) -> usize {
        self.d_content + self.d_rotary
    }

    /// Width of what a position keeps: the narrow vector and the rotated key.
    pub fn d_kept(&self) -> usize {
        self.rank + self.d_rotary
    }

    /// Its parameters.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        let query: Vec<&Param> = match &self.query {
            LatentQuery::Plain(q) => q.params().collect(),
            LatentQuery::LowRank { down, norm, up } => {
                down.params().chain(norm.params()).chain(up.params()).collect()
            }
        };
        query
            .into_iter()
            .chain(self.down.params())
            .chain(self.norm.params())
            .chain([&self.up])
            .chain(self.o.params())
    }
}
