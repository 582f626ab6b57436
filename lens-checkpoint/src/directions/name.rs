//! What a direction is called.

use std::{fmt, sync::Arc};

use lens_core::TokenId;

/// Where a direction comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A tensor of a file.
    Tensor {
        /// Its name; empty for the one array of a file.
        name: Arc<str>,
        /// The layer that its name says.
        layer: Option<u16>,
    },
    /// What a neuron of an MLP writes.
    Neurons {
        /// Its layer.
        layer: u16,
        /// The expert that it belongs to, where a layer has several.
        expert: Option<Expert>,
    },
    /// What a head writes when it attends to a token and to nothing else.
    Heads {
        /// Its layer.
        layer: u16,
        /// The token.
        token: TokenId,
    },
    /// What a token's embedding writes.
    Embedding,
}

/// One of the MLPs of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expert {
    /// One among which the router chooses, by its number.
    Routed(u32),
    /// The one that sees every token.
    Shared,
}

/// A direction's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectionName {
    /// Where it comes from.
    pub origin: Origin,
    /// Its number there: a row, a neuron, a head, or a token id.
    pub row: usize,
}

impl DirectionName {
    /// The layer that it belongs to, where that is known.
    pub fn layer(&self) -> Option<u16> {
        match self.origin {
            Origin::Tensor { layer, .. } => layer,
            Origin::Neurons { layer, .. } | Origin::Heads { layer, .. } => Some(layer),
            Origin::Embedding => None,
        }
    }

    /// The token that it is about.
    pub fn token(&self) -> Option<TokenId> {
        match self.origin {
            Origin::Heads { token, .. } => Some(token),
            Origin::Embedding => u32::try_from(self.row).ok().map(TokenId),
            Origin::Tensor { .. } | Origin::Neurons { .. } => None,
        }
    }
}

/// `W_dec[12]`, `L3.n120`, `L3.e5.n120`, `L3.shared.n120`, `L2.h5`, `embed[464]`.
impl fmt::Display for DirectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.row;
        match &self.origin {
            Origin::Tensor { name, .. } => write!(f, "{name}[{row}]"),
            Origin::Neurons { layer, expert: None } => write!(f, "L{layer}.n{row}"),
            Origin::Neurons { layer, expert: Some(Expert::Routed(e)) } => write!(f, "L{layer}.e{e}.n{row}"),
            Origin::Neurons { layer, expert: Some(Expert::Shared) } => write!(f, "L{layer}.shared.n{row}"),
            Origin::Heads { layer, .. } => write!(f, "L{layer}.h{row}"),
            Origin::Embedding => write!(f, "embed[{row}]"),
        }
    }
}
