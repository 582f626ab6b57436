//! One step of a forward pass: which tokens it has, and what all blocks share while it runs.

use super::mixer::{Masks, RotaryTables};

/// One step of a forward pass.
pub(super) struct Step {
    /// Tokens before this step.
    pub(super) past: usize,
    /// Tokens in this step.
    pub(super) n: usize,
    /// Tokens that the sequence may come to have.
    pub(super) room: usize,
    /// The rotary tables of its positions.
    pub(super) tables: RotaryTables,
    /// What its queries see, made once for all layers that see alike.
    pub(super) masks: Masks,
}

impl Step {
    pub(super) fn new(past: usize, n: usize, room: usize, tables: RotaryTables) -> Self {
        Self { past, n, room, tables, masks: Masks::new(past, n) }
    }

    /// Whether what it computes is kept: the sequence may go on, or does so already.
    pub(super) fn is_kept(&self) -> bool {
        self.past > 0 || self.room > self.n
    }
}
