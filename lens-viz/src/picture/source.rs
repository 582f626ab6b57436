//! A trace, indexed for drawing.

use std::collections::{BTreeSet, HashMap};

use lens_core::{Component, FinalTrace, LensTrace, ReadoutTrace, Site, TokenTrace};

use super::{PictureError, PictureOptions};

/// A row of a heatmap: a component of a layer, `None` for `embed`.
pub(crate) type Place = (Option<u16>, Component);

/// A trace whose readouts can be found.
pub(crate) struct Source<'a> {
    pub(crate) trace: &'a LensTrace,
    readouts: HashMap<(usize, Place), &'a ReadoutTrace>,
    finals: HashMap<usize, &'a FinalTrace>,
    positions: BTreeSet<usize>,
    layers: BTreeSet<u16>,
    components: BTreeSet<Component>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(trace: &'a LensTrace) -> Result<Self, PictureError> {
        if trace.readouts.is_empty() {
            return Err(PictureError::Empty { what: "readout".to_owned() });
        }
        let mut readouts = HashMap::with_capacity(trace.readouts.len());
        for readout in &trace.readouts {
            readouts.entry((readout.position, place(readout))).or_insert(readout);
        }
        Ok(Self {
            trace,
            readouts,
            finals: trace.finals.iter().rev().map(|last| (last.position, last)).collect(),
            positions: trace.readouts.iter().map(|readout| readout.position).collect(),
            layers: trace.readouts.iter().filter_map(|readout| place(readout).0).collect(),
            components: trace.readouts.iter().map(|readout| readout.component).collect(),
        })
    }

    pub(crate) fn at(&self, position: usize, place: Place) -> Option<&'a ReadoutTrace> {
        self.readouts.get(&(position, place)).copied()
    }

    /// The layers, components and positions that were read, in words.
    pub(crate) fn extent(&self) -> String {
        let numbers = |numbers: &mut dyn Iterator<Item = usize>| -> String {
            let all: Vec<usize> = numbers.collect();
            match all.as_slice() {
                [] => "none".to_owned(),
                [one] => one.to_string(),
                [first, .., last] if last - first + 1 == all.len() => format!("{first} to {last}"),
                [first, .., last] => format!("{} from {first} to {last}", all.len()),
            }
        };
        let layers = numbers(&mut self.layers.iter().map(|layer| usize::from(*layer)));
        let positions = numbers(&mut self.positions.iter().copied());
        let components: Vec<&str> = self.components.iter().map(|component| component.name()).collect();
        format!("layers {layers}, positions {positions}, {}", components.join(", "))
    }

    /// The model's own answer.
    pub(crate) fn last(&self, position: usize) -> Option<&'a FinalTrace> {
        self.finals.get(&position).copied()
    }

    /// The token that actually comes after the position.
    pub(crate) fn next_token(&self, position: usize) -> Option<&'a TokenTrace> {
        self.trace.tokens.get(position.checked_add(1)?)
    }

    /// The position of a picture that shows one.
    pub(crate) fn position(&self, asked: Option<usize>) -> Result<usize, PictureError> {
        let position = asked.or(self.positions.last().copied());
        let read = position.filter(|position| self.positions.contains(position));
        read.ok_or_else(|| self.not_read(position.unwrap_or(0)))
    }

    /// The positions of a picture that shows several, ascending.
    pub(crate) fn positions(&self, asked: &[usize]) -> Result<Vec<usize>, PictureError> {
        if let Some(position) = asked.iter().find(|position| !self.positions.contains(position)) {
            return Err(self.not_read(*position));
        }
        let asked: BTreeSet<usize> = asked.iter().copied().collect();
        Ok(if asked.is_empty() {
            self.positions.iter().copied().collect()
        } else {
            asked.into_iter().collect()
        })
    }

    fn not_read(&self, position: usize) -> PictureError {
        PictureError::PositionNotRead { position, available: self.positions.iter().copied().collect() }
    }

    /// What there is to show of each layer, in order of execution: `embed` first, if it is among the components.
    pub(crate) fn places(
        &self,
        components: &[Component],
        options: &PictureOptions,
    ) -> Result<Vec<Place>, PictureError> {
        let layers = self.layers(options)?;
        let asked = options.layers.is_empty() || options.components.contains(&Component::Embed);
        let embed = (asked && components.contains(&Component::Embed)).then_some((None, Component::Embed));
        let blocks = layers.iter().flat_map(|layer| {
            components.iter().filter(|c| **c != Component::Embed).map(|component| (Some(*layer), *component))
        });
        let read: BTreeSet<Place> = self.readouts.keys().map(|(_, place)| *place).collect();
        Ok(embed.into_iter().chain(blocks).filter(|place| read.contains(place)).collect())
    }

    /// The components asked for, in order of execution; all that were read if none was.
    pub(crate) fn components(&self, asked: &[Component]) -> Result<Vec<Component>, PictureError> {
        if let Some(component) = asked.iter().find(|component| !self.components.contains(component)) {
            let available = self.components.iter().copied().collect();
            return Err(PictureError::ComponentNotRead { component: *component, available });
        }
        let wanted = |component: &Component| asked.is_empty() || asked.contains(component);
        Ok(Component::READABLE.into_iter().filter(|c| self.components.contains(c) && wanted(c)).collect())
    }

    /// The components asked for, or the stream as each layer leaves it with `embed` in front; whatever was read
    /// of the rest if neither was.
    pub(crate) fn stream(&self, asked: &[Component]) -> Result<Vec<Component>, PictureError> {
        if !asked.is_empty() {
            return self.components(asked);
        }
        let states = [Site::ResidPost, Site::ResidMid, Site::ResidPre, Site::MlpOut, Site::AttnOut];
        let state = states.into_iter().map(Component::Site).find(|state| self.components.contains(state));
        let embed = self.components.contains(&Component::Embed).then_some(Component::Embed);
        Ok(embed.into_iter().chain(state).collect())
    }

    fn layers(&self, options: &PictureOptions) -> Result<Vec<u16>, PictureError> {
        if let Some(layer) = options.layers.iter().find(|layer| !self.layers.contains(layer)) {
            let available = self.layers.iter().copied().collect();
            return Err(PictureError::LayerNotRead { layer: *layer, available });
        }
        let wanted = |layer: &u16| options.layers.is_empty() || options.layers.contains(layer);
        let layers: Vec<u16> = self.layers.iter().copied().filter(wanted).collect();
        let (stride, n) = (usize::from(options.stride.get()), layers.len());
        let kept = layers.into_iter().enumerate().filter(|(i, _)| i % stride == 0 || i + 1 == n);
        Ok(kept.map(|(_, layer)| layer).collect())
    }
}

/// `embed` has no layer, whatever a trace says, and only `embed` has none.
pub(crate) fn place(readout: &ReadoutTrace) -> Place {
    match readout.component {
        Component::Embed => (None, Component::Embed),
        component => (Some(readout.layer.unwrap_or(0)), component),
    }
}

/// The component that all places are of; the embedding before the layers is no other one.
pub(crate) fn only_component(places: &[Place]) -> Option<Component> {
    let mut components = places.iter().map(|(_, component)| *component).filter(|c| *c != Component::Embed);
    let first = components.next().or(places.first().map(|(_, component)| *component))?;
    components.all(|component| component == first).then_some(first)
}

/// What is said of a sum that no part of a parallel block reads.
pub(super) const VIRTUAL: &str =
    "† virtual: attention and MLP run side by side, and no part of the model reads this sum";
