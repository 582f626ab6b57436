//! The JSON of logitlenskit's viewer, version 2, from a trace and back.
//!
//! That form knows one point a layer, names tokens by their text, and holds for each position the probabilities,
//! over all layers, of the tokens that are among the most probable in any of them.
//!
//! ```
//! use lens_core::{Backend, Component, Lens, LensTrace, Plan, Site, TokenId, TraceContext, toy::ToyBackend};
//! use lens_viz::logitlenskit::{from_v2, to_v2};
//!
//! # let mut model = ToyBackend::new(3, 16, 50, 7);
//! # let tokens: Vec<TokenId> = [3, 14, 15, 9].map(TokenId).to_vec();
//! # let reading = Lens::new(&mut model).read(&tokens, &Plan::default())?;
//! # let context = TraceContext::new(("example", "1.0"), model.info(), &tokens, &());
//! # let trace = LensTrace::new(&reading, &context);
//! let v2 = to_v2(&trace, Component::Site(Site::ResidPost))?;
//! assert_eq!(v2.layers, [0, 1, 2]);
//! let back = from_v2(&v2)?;
//! assert_eq!(back.finals[0].top[0].id, trace.finals[0].top[0].id);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod export;
mod import;

use std::collections::BTreeMap;

use lens_core::{Component, TraceError};
use serde::{Deserialize, Serialize};

pub use export::to_v2;
pub use import::from_v2;

/// The version that is written and read.
pub const VERSION: u32 = 2;

/// The generator that an imported trace names.
const GENERATOR: &str = "logitlenskit";

/// A file of logitlenskit, version 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct V2 {
    /// Version, time and model.
    pub meta: Meta,
    /// The layers read, `[layers]`.
    pub layers: Vec<u16>,
    /// The tokens of the sequence, `[positions]`.
    pub input: Vec<String>,
    /// For each position, the probabilities of its tokens in every layer: `[positions]` maps from the token's text to
    /// `[layers]`.
    pub tracked: Vec<BTreeMap<String, Vec<f32>>>,
    /// The most probable tokens, best first, `[layers][positions][k]`.
    pub topk: Vec<Vec<Vec<String>>>,
    /// Entropies in nats, `[layers][positions]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entropy: Option<Vec<Vec<f32>>>,
    /// The ids of the tokens in `tracked` and `topk`. A field of this library; the viewer does not need it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ids: BTreeMap<String, u32>,
    /// The ids of `input`, `[positions]`. A field of this library too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input_ids: Vec<u32>,
}

/// Version, time and model of a file of logitlenskit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// [`VERSION`].
    pub version: u32,
    /// When it was made, ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A trace that cannot be written in this form, or a file that cannot be read as a trace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum V2Error {
    /// The trace has no such lens.
    #[error(transparent)]
    Lens(#[from] lens_core::UnknownLens),
    /// The trace has nothing of this component.
    #[error("the trace holds no readout of {component}: read that component, or export one that was read")]
    NotRead {
        /// The component asked for.
        component: Component,
    },
    /// Not every layer was read at every position, which the form demands.
    #[error("the trace holds no readout of {component} in layer {layer} at position {position}")]
    Gap {
        /// The component asked for.
        component: Component,
        /// The layer where it is missing.
        layer: u16,
        /// The position where it is missing.
        position: usize,
    },
    /// Another version.
    #[error("the file has version {version} of logitlenskit's JSON; only version {VERSION} can be read")]
    Version {
        /// The version that the file names.
        version: u32,
    },
    /// A list has another length than the lists that it belongs to.
    #[error("`{field}` has {found} entries where {expected} are expected")]
    Length {
        /// The list, as a path into the file.
        field: String,
        /// Its length.
        found: usize,
        /// The length that the rest of the file demands.
        expected: usize,
    },
    /// Two texts have one id.
    #[error("`{field}` is {id}, the id of {other:?} too")]
    Twice {
        /// The second text, as a path into the file.
        field: String,
        /// Their id.
        id: u32,
        /// The first text.
        other: String,
    },
    /// The file makes a trace with a value that cannot be true.
    #[error("the file makes no trace that can be true: {0}")]
    Trace(#[from] TraceError),
    /// Something is not what it has to be.
    #[error("`{field}` {problem}")]
    Value {
        /// The place, as a path into the file.
        field: String,
        /// The problem there.
        problem: &'static str,
    },
}
