//! What of a trace a picture shows.

use std::collections::BTreeSet;

use lens_core::{Component, LensTrace, Site};

use super::{error::PictureError, options::PictureOptions};
use crate::source::{Place, Source};

impl<'a> Source<'a> {
    /// A trace to draw.
    pub(crate) fn new(trace: &'a LensTrace) -> Result<Self, PictureError> {
        Self::of(trace).ok_or_else(|| PictureError::Empty { what: "readout".to_owned() })
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
        let layers = self.chosen_layers(options)?;
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
        Ok(self.components.iter().copied().filter(wanted).collect())
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
        let stream: Vec<Component> = embed.into_iter().chain(state).collect();
        // Where only heads were read, they are what there is.
        if stream.is_empty() { self.components(&[]) } else { Ok(stream) }
    }

    /// The layers asked for, ascending; one in a stride of them.
    pub(crate) fn chosen_layers(&self, options: &PictureOptions) -> Result<Vec<u16>, PictureError> {
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
