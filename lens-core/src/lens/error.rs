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
        let layers = match point.component() {
            Component::Embed => Vec::new(),
            Component::Site(site) => info.layers_without(site).collect(),
        };
        let layers = if layers.len() == usize::from(info.n_layers) { Vec::new() } else { layers };
        Self::AbsentComponent { component: point.component(), family: info.family.clone(), layers }
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
