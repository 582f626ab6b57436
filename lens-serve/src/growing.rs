//! Positions whose layers are not all read yet.

use std::borrow::Cow;

use lens_core::{
    LensTrace, PositionTrace,
    sink::{Awaited, LayersTrace},
};

/// The newest positions of a run, as far as they are read.
#[derive(Default)]
pub(crate) struct Growing {
    positions: Vec<PositionTrace>,
    /// What each of them still lacks.
    awaited: Vec<Awaited>,
}

impl Growing {
    /// Takes more layers of the same positions.
    pub(crate) fn add(&mut self, layers: LayersTrace) {
        self.awaited = layers.awaited;
        if self.positions.is_empty() {
            self.positions = layers.positions;
            return;
        }
        for (known, new) in self.positions.iter_mut().zip(layers.positions) {
            known.readouts.extend(new.readouts);
        }
    }

    /// A trace with these positions after its own, and what they lack.
    pub(crate) fn beside<'t>(&'t self, trace: &'t LensTrace) -> (Cow<'t, LensTrace>, &'t [Awaited]) {
        if self.positions.is_empty() {
            return (Cow::Borrowed(trace), &[]);
        }
        let mut grown = trace.clone();
        for position in &self.positions {
            grown.finals.push(position.last.clone());
            grown.readouts.extend(position.readouts.iter().cloned());
        }
        (Cow::Owned(grown), &self.awaited)
    }

    /// How many whole positions would take as long.
    pub(crate) fn part(&self) -> f64 {
        let read = self.positions.first().map_or(0, |position| position.readouts.len()) as f64;
        self.positions.len() as f64 * read / (read + self.awaited.len() as f64).max(1.0)
    }
}
