//! What a model tells of its parts, so that a logit can be taken apart.

use crate::{
    backend::{Backend, BackendError},
    norm::FinalNorm,
    projection::Post,
    token::TokenId,
};

/// A norm at one vector, and a factor after it: with its statistics given, it is an affine map.
#[derive(Debug, Clone, PartialEq)]
pub struct FixedNorm {
    norm: FinalNorm,
    scale: f64,
    factor: f64,
}

impl FixedNorm {
    /// The norm with the statistics that it has at `x`, `[d_model]`.
    pub fn at(norm: FinalNorm, x: &[f32]) -> Self {
        let scale = norm.scale(x);
        Self { norm, scale, factor: 1.0 }
    }

    /// No norm, and a factor on vectors of `d_model`.
    pub fn factor(d_model: usize, factor: f64) -> Self {
        Self { norm: FinalNorm::identity(d_model), scale: 1.0, factor }
    }

    /// This norm, with one more factor on what it makes.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { factor: self.factor * factor, ..self }
    }

    /// Whether it is a factor alone.
    pub(super) fn is_factor(&self) -> bool {
        self.norm.kind().is_none()
    }

    /// The direction to multiply what is normed with, `[d_model]`, for the product of the normed vector with
    /// `direction`; and the part of that product that the norm's bias makes.
    pub(super) fn pull_back(&self, direction: &[f64]) -> (Vec<f64>, f64) {
        let direction: Vec<f64> = direction.iter().map(|g| g * self.factor).collect();
        let bias = dot(&direction, self.norm.bias().unwrap_or_default());
        (self.norm.pull_back(&direction, self.scale), bias)
    }
}

/// The captured values of a block at one position; each holds one row.
#[derive(Debug)]
#[non_exhaustive]
pub struct BlockValues<'a, H> {
    /// The block's input, `[1, d_model]`.
    pub resid_pre: &'a H,
    /// Per-head attention result, `[1, n_heads * d_head]`, if the block has heads.
    pub z: Option<&'a H>,
    /// The stream between the branches, `[1, d_model]`, if it is the sum of its parts in this block.
    pub resid_mid: Option<&'a H>,
    /// The block's output, `[1, d_model]`, unless an intervention changed it.
    pub resid_post: Option<&'a H>,
}

/// What a block does at one position.
///
/// Its output is `after_mlp(after_attention(before(resid_pre) + attention) + mlp)`; in most models all three are
/// absent, and branches are summands of the stream.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct BlockParts {
    /// A norm on the stream before the first branch is added.
    pub before: Option<FixedNorm>,
    /// A norm on the stream after the attention branch was added.
    pub after_attention: Option<FixedNorm>,
    /// A norm or a factor on the stream after the MLP branch was added.
    pub after_mlp: Option<FixedNorm>,
    /// Attention, or what stands in its place.
    pub attention: BranchParts,
    /// The MLP.
    pub mlp: BranchParts,
}

impl BlockParts {
    crate::setters! {
        /// A norm on the stream before the first branch is added.
        with_before => before: Option<FixedNorm>,
        /// A norm on the stream after the attention branch was added.
        with_after_attention => after_attention: Option<FixedNorm>,
        /// A norm or a factor on the stream after the MLP branch was added.
        with_after_mlp => after_mlp: Option<FixedNorm>,
        /// Attention, or what stands in its place.
        with_attention => attention: BranchParts,
        /// The MLP.
        with_mlp => mlp: BranchParts,
    }

    /// Whether a branch reaches the stream only through a norm of the stream itself, or a factor on it.
    pub(super) fn changes_the_stream(&self) -> bool {
        self.on_the_stream().next().is_some()
    }

    /// Whether what stands on the stream are factors alone.
    pub(super) fn scales_the_stream(&self) -> bool {
        self.changes_the_stream() && self.on_the_stream().all(FixedNorm::is_factor)
    }

    fn on_the_stream(&self) -> impl Iterator<Item = &FixedNorm> {
        [&self.before, &self.after_attention, &self.after_mlp].into_iter().flatten()
    }
}

/// What a branch adds: `multiplier * norm(sum over inputs of weight * (W values + bias))`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BranchParts {
    /// Whether the block does not have the branch at all: it adds nothing.
    pub is_absent: bool,
    /// What it adds, `[d_model]`; needed only where the model has no such point to capture.
    pub output: Option<Vec<f32>>,
    /// The norm on what the branch computed, before it is added.
    pub norm: Option<FixedNorm>,
    /// The factor on what it adds.
    pub multiplier: f64,
    /// What enters its output projections; empty where the branch has neither heads nor neurons.
    pub inputs: Vec<BranchInputs>,
}

impl Default for BranchParts {
    fn default() -> Self {
        Self { is_absent: false, output: None, norm: None, multiplier: 1.0, inputs: Vec::new() }
    }
}

impl BranchParts {
    /// A branch that the block does not have.
    pub fn absent() -> Self {
        Self { is_absent: true, ..Self::default() }
    }

    crate::setters! {
        /// What it adds, `[d_model]`; needed only where the model has no such point to capture.
        with_output => output: Option<Vec<f32>>,
        /// The norm on what the branch computed, before it is added.
        with_norm => norm: Option<FixedNorm>,
        /// The factor on what it adds.
        with_multiplier => multiplier: f64,
        /// What enters its output projections.
        with_inputs => inputs: Vec<BranchInputs>,
    }
}

/// What enters one output projection: the heads of attention, or the neurons of an MLP.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BranchInputs {
    /// Which projection.
    pub map: OutputMap,
    /// The factor on its output: what a router gives an expert, otherwise 1.
    pub weight: f64,
    /// The values, `[units * width]`.
    pub values: Vec<f32>,
    /// Values of one unit: `d_head` for heads, 1 for neurons. Not zero.
    pub width: usize,
    /// The projection's bias, `[d_model]`.
    pub bias: Option<Vec<f32>>,
}

impl BranchInputs {
    /// `values` that enter `map`, `width` of them for each unit, with a weight of 1 and no bias.
    pub fn new(map: OutputMap, values: Vec<f32>, width: usize) -> Self {
        Self { map, weight: 1.0, values, width, bias: None }
    }

    crate::setters! {
        /// The factor on its output: what a router gives an expert, otherwise 1.
        with_weight => weight: f64,
        /// The projection's bias, `[d_model]`.
        with_bias => bias: Option<Vec<f32>>,
    }
}

/// An output projection of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputMap {
    /// That of attention, `W_O`.
    Attention,
    /// That of an MLP without experts, `W_down`.
    Mlp,
    /// That of an expert, by its number.
    Expert(usize),
    /// That of the expert that sees every token.
    SharedExpert,
}

/// The way from the last residual to the logit of one token: `post(row · norm(x) + bias)`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TokenReadout {
    /// The token's row of the unembedding, `[d_model]`.
    pub row: Vec<f32>,
    /// Its bias.
    pub bias: f32,
    /// The final norm.
    pub norm: FinalNorm,
    /// Logit scale and soft cap.
    pub post: Post,
}

impl TokenReadout {
    /// The readout of a token by its row of the unembedding, `[d_model]`.
    pub fn new(row: Vec<f32>, bias: f32, norm: FinalNorm, post: Post) -> Self {
        Self { row, bias, norm, post }
    }
}

/// The two summands of an embedding with learned positions.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EmbeddingParts {
    /// The token's part, `[d_model]`, scaled as the model scales it.
    pub token: Vec<f32>,
    /// The position's part, `[d_model]`.
    pub position: Vec<f32>,
}

impl EmbeddingParts {
    /// The two parts, `[d_model]` each.
    pub fn new(token: Vec<f32>, position: Vec<f32>) -> Self {
        Self { token, position }
    }
}

/// A model that tells what its blocks are made of.
pub trait Dissect: Backend {
    /// What block `layer` does at one position, computed again from what was captured there.
    ///
    /// # Errors
    /// When the computation fails.
    fn dissect(&self, layer: u16, at: &BlockValues<'_, Self::Hidden>) -> Result<BlockParts, BackendError>;

    /// The transpose of an output projection of block `layer` times `direction`, `[d_model]`: one number for each value
    /// that enters the projection. In float64.
    ///
    /// # Errors
    /// When the block has no such projection, or the computation fails.
    fn pull_back(&self, layer: u16, map: OutputMap, direction: &[f64]) -> Result<Vec<f64>, BackendError>;

    /// How the logit of a token is read from the last residual.
    ///
    /// # Errors
    /// When the model does not have the token, or the computation fails.
    fn token_readout(&self, token: TokenId) -> Result<TokenReadout, BackendError>;

    /// What the token and the position each bring to `embed`; `None` where positions are not learned, or a norm follows
    /// the sum.
    ///
    /// # Errors
    /// When the computation fails.
    fn embedding_parts(
        &self,
        token: TokenId,
        position: usize,
    ) -> Result<Option<EmbeddingParts>, BackendError> {
        let _ = (token, position);
        Ok(None)
    }
}

/// The product of a direction with a vector, in float64; an empty vector stands for zeros.
pub(super) fn dot(direction: &[f64], vector: &[f32]) -> f64 {
    direction.iter().zip(vector).map(|(g, x)| g * f64::from(*x)).sum()
}
