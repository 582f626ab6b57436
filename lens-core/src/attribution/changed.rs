//! Which points interventions change at the position whose logit is taken apart.

use std::sync::Arc;

use crate::{
    backend::{Backend, BackendError},
    edit::Edits,
    point::Point,
};

/// The edits of a backend, at one position.
pub(super) struct Changed {
    edits: Option<Arc<Edits>>,
    position: usize,
}

impl Changed {
    /// Those that the backend has now; they stay.
    pub(super) fn of<B: Backend>(backend: &mut B, position: usize) -> Result<Self, BackendError> {
        let edits = backend.set_edits(None)?;
        if edits.is_some() {
            backend.set_edits(edits.clone())?;
        }
        Ok(Self { edits, position })
    }

    /// Whether the activation at a point is not what the model computed.
    pub(super) fn has(&self, point: Point) -> bool {
        let position = self.position..self.position + 1;
        self.edits.as_ref().is_some_and(|edits| !edits.changed(point, position).is_empty())
    }
}
