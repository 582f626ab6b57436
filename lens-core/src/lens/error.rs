//! Why the lens could not be run.

use super::SamplingError;
use crate::{
    backend::{BackendError, ModelInfo},
    point::{Component, Point},
    selection::SelectionError,
    size::ByteSize,
};

/// Why the lens could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LensError {
    /// There is no token to read.
    #[error("the prompt has no tokens: there is no position to read")]
    NoTokens,
    /// A selection does not fit the model or the sequence.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// A component that was asked for by name and is not part of this model's stream.
    #[error(
        "this {family} model has no {component}{}: its branches are not summands of the residual stream, because a \
         norm stands after their sum. embed, resid_pre and resid_post can be read",
        in_layers(layers)
    )]
    AbsentComponent {
        /// The component.
        component: Component,
        /// The model's family.
        family: String,
        /// The layers without it; empty if that is all of them.
        layers: Vec<u16>,
    },
    /// A head that was asked for by its number and that a block does not have.
    #[error("layer {layer} has no head {head}{}", heads_of(*n))]
    AbsentHead {
        /// The head.
        head: u16,
        /// The layer.
        layer: u16,
        /// How many heads of it can be read.
        n: u16,
    },
    /// Heads were asked for, and no block to read has any.
    #[error(
        "this {family} model has no heads in the layers to read: their mixers have none, or what they add is not a \
         summand of the residual stream"
    )]
    NoHeads {
        /// The model's family.
        family: String,
    },
    /// A lens was made for a model of another shape.
    #[error("the lens {lens} does not fit this model: {problem}")]
    OtherModel {
        /// The lens's name.
        lens: String,
        /// What does not fit.
        problem: String,
    },
    /// A lens has a map for none of the points to read.
    #[error("the lens {lens} has no map for any of the points to read: it has maps for {has}")]
    NothingToTranslate {
        /// The lens's name.
        lens: String,
        /// The points that it has maps for.
        has: String,
    },
    /// The results would take more memory than the plan's budget allows.
    #[error(
        "{readouts} readouts with {kept} tokens each take up to {}, and results may take {}: read fewer positions, \
         layers or components, keep fewer tokens of each, or write fewer",
        ByteSize(*bytes as u64), ByteSize(*allowed as u64)
    )]
    TooMuch {
        /// Number of readouts, final ones included.
        readouts: usize,
        /// Number of tokens that each keeps.
        kept: usize,
        /// Bytes that they would take; [`usize::MAX`] stands for anything beyond it too.
        bytes: usize,
        /// Bytes that they may take.
        allowed: usize,
    },
    /// The threshold of important layers is not a number.
    #[error("a layer is important above a probability, and {threshold} is not a finite number")]
    Threshold {
        /// What was given.
        threshold: f32,
    },
    /// The sampling has a number that describes no distribution.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl LensError {
    /// That the model does not have this point, which was asked for by name.
    pub(super) fn absent(point: Point, info: &ModelInfo) -> Self {
        if let (Some(head), Some(layer)) = (point.component().head(), point.layer()) {
            return Self::AbsentHead { head, layer, n: info.heads_of(layer).n };
        }
        let layers = match point.component() {
            Component::Embed => Vec::new(),
            Component::Site(site) => info.layers_without(site).collect(),
        };
        let layers = if layers.len() == usize::from(info.n_layers) { Vec::new() } else { layers };
        Self::AbsentComponent { component: point.component(), family: info.family.clone(), layers }
    }
}

/// Which heads there are, as a clause.
fn heads_of(n: u16) -> String {
    match n {
        0 => " that could be read: it has none".to_owned(),
        n => format!(": it has heads 0 to {}", n - 1),
    }
}

/// Which layers, as a clause; nothing where it is all of them.
fn in_layers(layers: &[u16]) -> String {
    let numbers = layers.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    match layers {
        [] => String::new(),
        [_] => format!(" in layer {numbers}"),
        _ => format!(" in layers {numbers}"),
    }
}
