//! Attention as data.

use std::sync::Arc;

use crate::spec::{
    norm::NormSpec,
    param::{LinearSpec, Param},
    rope::Rope,
};

/// Which earlier positions a position attends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// All of them.
    Causal,
    /// The last `window`, itself included.
    Sliding {
        /// Number of positions.
        window: usize,
    },
    /// Those of its own chunk of the sequence (Llama 4).
    Chunked {
        /// Positions of a chunk; the first chunk begins with the sequence.
        chunk: usize,
    },
}

/// How attention takes positions into account.
#[derive(Debug, Clone, PartialEq)]
pub enum Position {
    /// Not at all: positions were learned into the embedding, or the layer has none.
    None,
    /// Queries and keys are rotated; layers that rotate alike share one.
    Rotary(Arc<Rope>),
    /// A bias on the scores that falls linearly with distance.
    Alibi(Alibi),
}

/// Attention with linear biases (Press et al. 2022): `slope * (key - query)` is added to the scores.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Alibi {
    /// One slope for each head, `[n_heads]`.
    pub slopes: Vec<f64>,
    /// How exactly the bias is computed.
    pub precision: AlibiPrecision,
}

/// How exactly an ALiBi bias is computed. It matters: rounded biases do not fall linearly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlibiPrecision {
    /// In float32, from distances.
    Single,
    /// In bfloat16, slope times position of the key, and then scaled like the scores (Falcon).
    Bfloat16,
}

/// A norm on queries and keys.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QkNorm {
    /// On queries.
    pub q: NormSpec,
    /// On keys.
    pub k: NormSpec,
    /// The values that it is taken over.
    pub scope: QkScope,
}

/// The values that a query-key norm is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QkScope {
    /// Every head by itself, before it is rotated.
    Head,
    /// Every head by itself, after it was rotated.
    RotatedHead,
    /// All heads together, before they are rotated.
    AllHeads,
}

/// A factor on queries that grows with their position: `1 + slope ln(1 + floor((p + shift) / every))` (Llama 4).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct QueryGrowth {
    /// How fast it grows.
    pub slope: f64,
    /// It grows every so many positions.
    pub every: usize,
    /// What positions are counted from.
    pub shift: usize,
}

impl QueryGrowth {
    /// The factor at a position.
    pub fn at(&self, position: usize) -> f64 {
        1.0 + self.slope * (((position + self.shift) / self.every) as f64).ln_1p()
    }
}

/// What a gate makes of its map's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateFunction {
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// `ln(1 + e^x)` (Laguna).
    Softplus,
}

/// What a gate has a factor for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateScope {
    /// Every value that a head weighed.
    Value,
    /// A head as a whole.
    Head,
}

/// A gate on what heads weighed: a factor that the normed stream decides on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AttentionGate {
    /// From the normed stream, `[n_heads * d_value, d_model]`, or `[n_heads, d_model]` for heads as a whole.
    pub map: LinearSpec,
    /// What the factor is made of.
    pub function: GateFunction,
    /// What has a factor of its own.
    pub scope: GateScope,
}

impl AttentionGate {
    /// A sigmoid for every value that a head weighed.
    pub fn sigmoid(map: LinearSpec) -> Self {
        Self { map, function: GateFunction::Sigmoid, scope: GateScope::Value }
    }
}

/// Attention of one block.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AttentionSpec {
    /// Query heads.
    pub n_heads: usize,
    /// Key and value heads; each serves `n_heads / n_kv_heads` query heads.
    pub n_kv_heads: usize,
    /// Width of a query and of a key.
    pub d_head: usize,
    /// Width of a value.
    pub d_value: usize,
    /// Factor on `q · k`.
    pub scale: f64,
    /// Which earlier positions each position sees.
    pub mask: Mask,
    /// How positions are taken into account.
    pub position: Position,
    /// Norm on queries and keys.
    pub qk_norm: Option<QkNorm>,
    /// Factor on queries, after their norm and rotation.
    pub growth: Option<QueryGrowth>,
    /// Queries, keys and values are clamped to `[-clip, clip]`, after the norm before they are rotated.
    pub clip: Option<f64>,
    /// Scores become `cap * tanh(score / cap)` before the mask.
    pub softcap: Option<f64>,
    /// Norm on every head's values.
    pub v_norm: Option<NormSpec>,
    /// Whose keys and values the heads read.
    pub sharing: Sharing,
    /// Whether the second half of the heads is subtracted from the first, and how.
    pub differential: Option<DifferentialSpec>,
    /// One more score for each head, `[n_heads]`, that takes part in the softmax and carries no value.
    pub sinks: Option<Param>,
    /// Query projection, `[n_heads * d_head, d_model]`.
    pub q: LinearSpec,
    /// Key projection, `[n_kv_heads * d_head, d_model]`; of a block that borrows its keys, that of their own block.
    pub k: LinearSpec,
    /// Value projection, `[n_kv_heads * d_value, d_model]`; of a block that borrows its values, that of their own block.
    pub v: LinearSpec,
    /// Factor on values (MiMo).
    pub value_factor: Option<f64>,
    /// The gate on what the heads weighed.
    pub gate: Option<AttentionGate>,
    /// Norm on what all heads weighed together, before the output projection (BitNet).
    pub z_norm: Option<NormSpec>,
    /// Output projection, `[d_model, n_heads * d_value]`.
    pub o: LinearSpec,
}

/// Whose keys and values the heads of a block read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Those of their own block, which nobody else reads.
    Own,
    /// Those of their own block, which later ones read as well.
    Lends,
    /// Those of an earlier block.
    Borrows {
        /// That block.
        from: usize,
    },
}

/// Differential attention (Ye et al. 2024). The heads are two halves, and each half of the key-value heads makes half of a
/// value: with `A_1` and `A_2` what head `h` of the first and of the second half weighs, both of twice the width of a head,
/// `z_h = (1 - initial) norm(A_1 - lambda A_2)`, where `lambda = exp(q_1 · k_1) - exp(q_2 · k_2) + initial`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DifferentialSpec {
    /// `q_1, k_1` and `q_2, k_2`, `[d_head]` each.
    pub lambdas: [[Param; 2]; 2],
    /// What lambda is beside these.
    pub initial: f64,
    /// The norm on a difference, over twice the width of a head.
    pub norm: NormSpec,
}

impl AttentionSpec {
    /// Attention of heads whose values are as wide as their keys, `[n_heads, n_kv_heads, d_head]`, to all earlier
    /// positions, scaled by `d_head^-1/2`, without positions and without norms: the common case, to be changed from there.
    pub fn plain([n_heads, n_kv_heads, d_head]: [usize; 3], [q, k, v, o]: [LinearSpec; 4]) -> Self {
        Self {
            n_heads,
            n_kv_heads,
            d_head,
            d_value: d_head,
            scale: (d_head as f64).powf(-0.5),
            mask: Mask::Causal,
            position: Position::None,
            qk_norm: None,
            growth: None,
            clip: None,
            softcap: None,
            v_norm: None,
            sharing: Sharing::Own,
            differential: None,
            sinks: None,
            q,
            k,
            v,
            value_factor: None,
            gate: None,
            z_norm: None,
            o,
        }
    }

    /// Its parameters.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        let own = !self.borrows();
        let norms = self
            .qk_norm
            .iter()
            .flat_map(move |norm| norm.q.params().chain(norm.k.params().filter(move |_| own)));
        let lambdas = self.differential.iter().flat_map(|differential| differential.lambdas.iter().flatten());
        let made = [&self.k, &self.v].into_iter().filter(move |_| own);
        [&self.q, &self.o]
            .into_iter()
            .chain(made)
            .flat_map(LinearSpec::params)
            .chain(norms)
            .chain(self.v_norm.iter().filter(move |_| own).flat_map(NormSpec::params))
            .chain(lambdas)
            .chain(&self.sinks)
            .chain(self.gate.iter().flat_map(|gate| gate.map.params()))
            .chain(self.z_norm.iter().flat_map(NormSpec::params))
    }

    /// Whether it reads keys and values of another block.
    pub fn borrows(&self) -> bool {
        matches!(self.sharing, Sharing::Borrows { .. })
    }

    /// The shape of `z` at one position, `[heads, width of a value]`.
    pub fn z_shape(&self) -> [usize; 2] {
        match self.differential {
            Some(_) => [self.n_heads / 2, 2 * self.d_value],
            None => [self.n_heads, self.d_value],
        }
    }

    /// How many values it keeps of a sequence of `room` tokens: keys and values.
    pub fn kept_values(&self, room: usize) -> usize {
        if self.borrows() {
            return 0;
        }
        (self.n_kv_heads * (self.d_head + self.d_value)).saturating_mul(room)
    }

    /// The rotary embedding, if there is one.
    pub fn rope(&self) -> Option<&Arc<Rope>> {
        match &self.position {
            Position::Rotary(rope) => Some(rope),
            Position::None | Position::Alibi(_) => None,
        }
    }
}
