//! Gated delta nets as data.

use super::FilterSpec;
use crate::spec::{
    norm::NormSpec,
    param::{LinearSpec, Param},
};

/// A gated delta net (Yang, Kautz and Hatamizadeh 2024): every head keeps a matrix that maps keys to values, and is
/// corrected at every position.
///
/// Queries, keys and values go through a causal filter and SiLU; queries and keys are then divided by their lengths, and
/// queries by `sqrt(d_key)`. With a decay `a = exp(-exp(rate) softplus(decay(x) + bias))` and a strength
/// `b = factor * sigmoid(strength(x))`, a head does `S = a S`, `S = S + b k (v - Sᵀ k)ᵀ` and reads `o = Sᵀ q`.
/// `z = norm(o) * silu(gate(x))`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GatedDeltaSpec {
    /// Heads of queries and keys; each serves `n_heads / n_key_heads` heads of values.
    pub n_key_heads: usize,
    /// Heads of values, and of the state.
    pub n_heads: usize,
    /// Width of a query and of a key.
    pub d_key: usize,
    /// Width of a value.
    pub d_value: usize,
    /// Query projection, `[n_key_heads * d_key, d_model]`.
    pub q: LinearSpec,
    /// Key projection, `[n_key_heads * d_key, d_model]`.
    pub k: LinearSpec,
    /// Value projection, `[n_heads * d_value, d_model]`.
    pub v: LinearSpec,
    /// The filters over queries, keys and values, in this order: one over all of them, or several over some each.
    pub filters: Vec<FilterSpec>,
    /// How strongly a head corrects its state, before the sigmoid, `[n_heads, d_model]`.
    pub strength: LinearSpec,
    /// Factor on the strength: above one, what was kept may be turned round.
    pub strength_factor: f64,
    /// How fast a head forgets, before the softplus, `[n_heads, d_model]`.
    pub decay: LinearSpec,
    /// Added to that, `[n_heads]`.
    pub decay_bias: Param,
    /// Logarithm of the factor on that, `[n_heads]`.
    pub log_rate: Param,
    /// Norm on what a head reads, over `d_value` values.
    pub norm: NormSpec,
    /// What is multiplied with that after SiLU, `[n_heads * d_value, d_model]`.
    pub gate: LinearSpec,
    /// Output projection, `[d_model, n_heads * d_value]`.
    pub o: LinearSpec,
}

impl GatedDeltaSpec {
    /// Its parameters.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        [&self.q, &self.k, &self.v, &self.strength, &self.decay, &self.gate, &self.o]
            .into_iter()
            .flat_map(LinearSpec::params)
            .chain(self.filters.iter().flat_map(FilterSpec::params))
            .chain([&self.decay_bias, &self.log_rate])
            .chain(self.norm.params())
    }

    /// How many values are kept of a sequence so that it can be continued, however long it is.
    pub fn kept_values(&self) -> usize {
        let filtered: usize = self.filters.iter().map(FilterSpec::kept_values).sum();
        filtered + self.n_heads * self.d_key * self.d_value
    }
}
