//! Parameters: which tensors of a checkpoint a weight is made of.

use std::ops::Range;

/// A tensor of the checkpoint: its name there, and the shape that the config implies.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorSpec {
    /// Name in the checkpoint.
    pub name: String,
    /// Shape in the checkpoint.
    pub shape: Vec<usize>,
}

impl TensorSpec {
    /// A tensor by name and shape.
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self { name: name.into(), shape: shape.into() }
    }
}

/// A weight of the model: a stored tensor, or a part of one, or several stacked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Param {
    /// The stored tensors. More than one are stacked along a new first dimension.
    pub tensors: Vec<TensorSpec>,
    /// What is done to the tensor, in this order, to get the weight. Most cuts are views and copy nothing.
    pub cuts: Vec<Cut>,
}

/// One step from a stored tensor to a weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// Swaps the last two dimensions: weights that are stored `[in, out]`.
    Transpose,
    /// Some rows of the first dimension: blocks of a fused projection.
    Rows(Range<usize>),
    /// The first dimension is `[groups, slots, d_head]` flattened; takes some slots of every group: heads that
    /// are interleaved in a fused projection.
    Heads {
        /// Groups of heads.
        groups: usize,
        /// Heads in a group.
        slots: usize,
        /// Which of them.
        take: Range<usize>,
    },
    /// One element of the first dimension: an expert of a stack.
    Index(usize),
    /// Every `step`-th row from `start` on: two projections stored alternately.
    Every {
        /// The first row.
        start: usize,
        /// Distance between rows.
        step: usize,
    },
}

impl Param {
    /// A stored tensor as it is.
    pub fn whole(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self { tensors: vec![TensorSpec::new(name, shape)], cuts: Vec::new() }
    }

    /// Several tensors of one shape, stacked along a new first dimension.
    pub fn stack(tensors: Vec<TensorSpec>) -> Self {
        Self { tensors, cuts: Vec::new() }
    }

    /// This weight with one more cut.
    #[must_use]
    pub fn cut(mut self, cut: Cut) -> Self {
        self.cuts.push(cut);
        self
    }
}

/// `y = W x + b`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinearSpec {
    /// `W`, `[out, in]` after its cuts.
    pub weight: Param,
    /// `b`, `[out]` after its cuts.
    pub bias: Option<Param>,
}

impl LinearSpec {
    /// `{prefix}.weight`, `[d_out, d_in]`, and `{prefix}.bias` if `bias`.
    pub fn new(prefix: &str, d_out: usize, d_in: usize, bias: bool) -> Self {
        Self {
            weight: Param::whole(format!("{prefix}.weight"), [d_out, d_in]),
            bias: bias.then(|| Param::whole(format!("{prefix}.bias"), [d_out])),
        }
    }

    /// A linear map whose weight is stored `[d_in, d_out]`, with a bias (GPT-2's `Conv1D`).
    pub fn transposed(prefix: &str, d_out: usize, d_in: usize) -> Self {
        Self {
            weight: Param::whole(format!("{prefix}.weight"), [d_in, d_out]).cut(Cut::Transpose),
            bias: Some(Param::whole(format!("{prefix}.bias"), [d_out])),
        }
    }

    /// This map with `cut` applied to its outputs: to the weight and to the bias.
    pub fn part(&self, cut: &Cut) -> Self {
        Self {
            weight: self.weight.clone().cut(cut.clone()),
            bias: self.bias.clone().map(|bias| bias.cut(cut.clone())),
        }
    }

    /// Its parameters.
    pub fn params(&self) -> impl Iterator<Item = &Param> {
        std::iter::once(&self.weight).chain(&self.bias)
    }
}
