//! What happens to the stream after the MLP of a block, and the vectors that blocks read beside the stream.

use super::{
    mlp::Activation,
    norm::NormSpec,
    param::{LinearSpec, Param, TensorSpec},
};

/// The end of a block: `factor * (x + branch(x))` (Gemma 4).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EndSpec {
    /// One more branch, which reads the token's vector for this block.
    pub branch: Option<PerLayerBranch>,
    /// The factor on the whole stream, `[1]`.
    pub factor: Param,
}

/// A branch that lets the token's vector for the block through a gate: `norm(up(activation(gate(x)) * vector))`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PerLayerBranch {
    /// The nonlinearity of the gate.
    pub activation: Activation,
    /// The gate, `[d_vector, d_model]`.
    pub gate: LinearSpec,
    /// Back to the stream, `[d_model, d_vector]`.
    pub up: LinearSpec,
    /// Norm on what the branch adds.
    pub norm: NormSpec,
}

impl EndSpec {
    /// Its parameters.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        let branch = self
            .branch
            .iter()
            .flat_map(|branch| branch.gate.params().chain(branch.up.params()).chain(branch.norm.params()));
        std::iter::once(&self.factor).chain(branch)
    }
}

/// A vector of each token for each block: `(norm(factor * project(embedding)) + scale * tokens[token]) / sqrt(2)`, of which
/// each block has its part.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PerLayerEmbedding {
    /// The part that depends on the token alone, `[n_vocab, n_layers * d_vector]`.
    pub tokens: Param,
    /// Factor on that part, rounded to the model's dtype.
    pub scale: f64,
    /// What the other part is made of, from the embedding, `[n_layers * d_vector, d_model]`.
    pub project: LinearSpec,
    /// Factor on that.
    pub factor: f64,
    /// Norm on it, over the `d_vector` values of a block.
    pub norm: NormSpec,
    /// How wide the vector of one block is.
    pub d_vector: usize,
}

impl PerLayerEmbedding {
    /// Its parameters.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        std::iter::once(&self.tokens).chain(self.project.params()).chain(self.norm.params())
    }

    /// Everything that is stored of it.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorSpec> {
        self.params().flat_map(|param| &param.tensors)
    }
}
