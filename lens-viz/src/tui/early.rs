//! Positions of which some layers are read and others are still to come.

use std::collections::HashMap;

use lens_core::{FinalTrace, PositionTrace, ReadoutTrace, sink::LayersTrace};

use crate::source::{Place, place};

/// The newest positions of a run, as far as they are read.
#[derive(Debug, Default)]
pub(super) struct Early {
    positions: Vec<PositionTrace>,
    /// By lens, position and place, which of `positions` has the readout, and where.
    at: HashMap<(usize, usize, Place), (usize, usize)>,
}

impl Early {
    /// Takes more layers of the same positions. `lens_of` numbers the lens of a readout.
    pub(super) fn add(&mut self, layers: LayersTrace, lens_of: impl Fn(&ReadoutTrace) -> usize) {
        let begins = self.positions.is_empty();
        for (index, mut new) in layers.positions.into_iter().enumerate() {
            let readouts = std::mem::take(&mut new.readouts);
            if begins {
                self.positions.push(new);
            }
            let Some(known) = self.positions.get_mut(index) else { continue };
            for readout in readouts {
                let key = (lens_of(&readout), readout.position, place(&readout));
                self.at.insert(key, (index, known.readouts.len()));
                known.readouts.push(readout);
            }
        }
    }

    /// Forgets all once the last of these positions is whole.
    pub(super) fn whole(&mut self, position: usize) {
        if self.positions.last().is_some_and(|last| last.last.position <= position) {
            *self = Self::default();
        }
    }

    pub(super) fn at(&self, lens: usize, position: usize, place: Place) -> Option<&ReadoutTrace> {
        let (index, readout) = self.at.get(&(lens, position, place))?;
        self.positions.get(*index)?.readouts.get(*readout)
    }

    /// The model's own answer at a position.
    pub(super) fn last(&self, position: usize) -> Option<&FinalTrace> {
        self.positions.iter().map(|known| &known.last).find(|last| last.position == position)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// The positions, ascending.
    pub(super) fn positions(&self) -> impl Iterator<Item = usize> + '_ {
        self.positions.iter().map(|known| known.last.position)
    }
}
