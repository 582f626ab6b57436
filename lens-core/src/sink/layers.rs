//! What a sink hears of positions that are not whole yet.

use std::sync::Arc;

use crate::{point::Component, trace::PositionTrace};

/// Layers of some positions of which others are still to come.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LayersTrace {
    /// The positions, ascending: each with its final readout, and of the others those that are new. What follows from all
    /// layers of a position (`decided_at`, the important layers) is not known yet.
    pub positions: Vec<PositionTrace>,
    /// What each of these positions still lacks, in order of execution.
    pub awaited: Vec<Awaited>,
}

impl LayersTrace {
    /// Positions with the readouts that are new, and what they still lack.
    pub fn new(positions: Vec<PositionTrace>, awaited: Vec<Awaited>) -> Self {
        Self { positions, awaited }
    }
}

/// A readout that is still to come, as its [`ReadoutTrace`](crate::ReadoutTrace) will name it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Awaited {
    /// The lens, where the run has not the plain one alone.
    pub lens: Option<Arc<str>>,
    /// The layer; `None` for the embedding.
    pub layer: Option<u16>,
    /// The component.
    pub component: Component,
    /// Whether no part of the model reads this sum.
    pub is_virtual: bool,
}
