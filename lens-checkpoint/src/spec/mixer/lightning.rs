//! Lightning attention as data.

use crate::spec::{
    mlp::Activation,
    norm::NormSpec,
    param::{LinearSpec, Param},
};

/// Linear attention with a decay (Qin et al. 2024, "Lightning Attention-2"): every head keeps a matrix from keys to values.
///
/// Queries, keys and values go through a nonlinearity. At every position a head does `S = exp(-rate) S + k vᵀ` and reads
/// `o = Sᵀ q`; `z = norm(o) * sigmoid(gate(x))`, with one norm over all heads together.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LightningSpec {
    /// How many heads there are.
    pub n_heads: usize,
    /// Width of a query, of a key and of a value.
    pub d_head: usize,
    /// The nonlinearity.
    pub activation: Activation,
    /// How fast each head forgets, `[n_heads]`.
    pub rates: Vec<f64>,
    /// Query projection, `[n_heads * d_head, d_model]`.
    pub q: LinearSpec,
    /// Key projection, `[n_heads * d_head, d_model]`.
    pub k: LinearSpec,
    /// Value projection, `[n_heads * d_head, d_model]`.
    pub v: LinearSpec,
    /// Norm on what all heads read, over `n_heads * d_head` values.
    pub norm: NormSpec,
    /// What is multiplied with that after a sigmoid, `[n_heads * d_head, d_model]`.
    pub gate: LinearSpec,
    /// Output projection, `[d_model, n_heads * d_head]`.
    pub o: LinearSpec,
}

impl LightningSpec {
    /// Its parameters.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        [&self.q, &self.k, &self.v, &self.gate, &self.o]
            .into_iter()
            .flat_map(LinearSpec::params)
            .chain(self.norm.params())
    }

    /// How many values are kept of a sequence so that it can be continued, however long it is.
    pub fn kept_values(&self) -> usize {
        self.n_heads * self.d_head * self.d_head
    }
}
