//! A run that may still be growing, indexed.

use std::collections::{BTreeSet, HashMap};

use lens_core::{
    Component, FinalTrace, LensTrace, PositionTrace, ReadoutTrace, Site, StepTrace, TokenTrace, TopTrace,
    sink::{Collected, End, LayersTrace, Sink},
};

use super::early::Early;
use crate::source::{Place, place};

/// A trace that grows as a sink is told of it, and whose readouts can be found.
#[derive(Debug, Default)]
pub(super) struct Run {
    collected: Collected,
    /// The names of its lenses, the first one first.
    lenses: Vec<String>,
    /// Of every lens, by position and place, the index of the readout.
    readouts: Vec<HashMap<(usize, Place), usize>>,
    /// By position, the index of the model's own answer.
    finals: HashMap<usize, usize>,
    /// The positions that were read, ascending.
    positions: Vec<usize>,
    /// The places that were read, or are still to be.
    places: BTreeSet<Place>,
    indexed: usize,
    early: Early,
    /// How many readouts were looked up.
    #[cfg(test)]
    pub(super) looked: std::cell::Cell<usize>,
}

impl Run {
    /// A run that is over.
    pub(super) fn of(trace: &LensTrace) -> Self {
        let mut run = Self::default();
        // Nothing that is told to this sink can fail.
        let _ = run.collected.whole(trace);
        run.name_lenses();
        run.index();
        run
    }

    /// A run that begins.
    pub(super) fn begin(head: &LensTrace) -> Self {
        let mut run = Self::default();
        let _ = run.collected.begin(head);
        run.name_lenses();
        run.index();
        run
    }

    /// Takes layers of positions that are not whole yet.
    pub(super) fn layers(&mut self, layers: LayersTrace) {
        let places = layers.positions.iter().flat_map(|known| &known.readouts).map(place);
        self.places.extend(places.chain(layers.awaited.iter().map(|one| (one.layer, one.component))));
        for position in &layers.positions {
            self.has_position(position.last.position);
        }
        let lenses = std::mem::take(&mut self.lenses);
        self.early.add(layers, |readout| lens_of(&lenses, readout));
        self.lenses = lenses;
    }

    pub(super) fn position(&mut self, position: PositionTrace) {
        let number = position.last.position;
        let _ = self.collected.position(position);
        self.index();
        self.early.whole(number);
    }

    pub(super) fn step(&mut self, step: StepTrace, token: TokenTrace) {
        let _ = self.collected.step(step, token);
    }

    pub(super) fn end(&mut self, end: End) {
        // Where a run is ended between layers, what was read of its newest positions is not part of it.
        let lost: BTreeSet<usize> = std::mem::take(&mut self.early).positions().collect();
        self.positions.retain(|position| !lost.contains(position) || self.finals.contains_key(position));
        let _ = self.collected.end(end);
    }

    /// Whether some layers of the newest positions are still to come.
    pub(super) fn is_filling(&self) -> bool {
        !self.early.is_empty()
    }

    fn name_lenses(&mut self) {
        let names = self.trace().map(|trace| trace.lens_names().into_iter().map(str::to_owned).collect());
        self.lenses = names.unwrap_or_default();
        self.readouts = vec![HashMap::new(); self.lenses.len().max(1)];
    }

    /// Takes up what is new.
    fn index(&mut self) {
        let Some(trace) = self.collected.trace() else { return };
        for (at, last) in trace.finals.iter().enumerate().skip(self.finals.len()) {
            self.finals.entry(last.position).or_insert(at);
        }
        let mut new = BTreeSet::new();
        for (at, readout) in trace.readouts.iter().enumerate().skip(self.indexed) {
            let place = place(readout);
            let lens = lens_of(&self.lenses, readout);
            self.readouts[lens].entry((readout.position, place)).or_insert(at);
            self.places.insert(place);
            new.insert(readout.position);
        }
        self.indexed = trace.readouts.len();
        for position in new {
            self.has_position(position);
        }
    }

    fn has_position(&mut self, position: usize) {
        if let Err(before) = self.positions.binary_search(&position) {
            self.positions.insert(before, position);
        }
    }

    pub(super) fn trace(&self) -> Option<&LensTrace> {
        self.collected.trace()
    }

    pub(super) fn lenses(&self) -> &[String] {
        &self.lenses
    }

    pub(super) fn positions(&self) -> &[usize] {
        &self.positions
    }

    pub(super) fn tokens(&self) -> &[TokenTrace] {
        self.trace().map_or(&[], |trace| &trace.tokens)
    }

    /// The components that were read, but for the embedding where the stream after blocks was read too: it is the first
    /// row of that.
    pub(super) fn components(&self) -> Vec<Component> {
        let read: BTreeSet<Component> = self.places.iter().map(|(_, component)| *component).collect();
        let has_stream = read.iter().any(|component| is_stream(*component));
        read.into_iter().filter(|component| *component != Component::Embed || !has_stream).collect()
    }

    /// The rows of a component, the first layer first. The embedding stands before states of the stream.
    pub(super) fn rows(&self, component: Component) -> Vec<Place> {
        if self.places.is_empty() {
            let layers = 0..self.trace().map_or(0, |trace| trace.model.n_layers);
            return layers.map(|layer| (Some(layer), component)).collect();
        }
        let embed = (None, Component::Embed);
        let first = (is_stream(component) && self.places.contains(&embed)).then_some(embed);
        first.into_iter().chain(self.places.iter().filter(|place| place.1 == component).copied()).collect()
    }

    pub(super) fn at(&self, lens: usize, position: usize, place: Place) -> Option<&ReadoutTrace> {
        #[cfg(test)]
        self.looked.set(self.looked.get() + 1);
        match self.readouts.get(lens)?.get(&(position, place)) {
            Some(index) => self.trace()?.readouts.get(*index),
            None => self.early.at(lens, position, place),
        }
    }

    /// The model's own answer at a position.
    pub(super) fn last(&self, position: usize) -> Option<&FinalTrace> {
        match self.finals.get(&position) {
            Some(index) => self.trace()?.finals.get(*index),
            None => self.early.last(position),
        }
    }

    /// The token that comes after a position.
    pub(super) fn next(&self, position: usize) -> Option<&TokenTrace> {
        self.tokens().get(position.checked_add(1)?)
    }

    /// Whether the first token of a readout is the one that comes next.
    pub(super) fn is_right(&self, readout: &ReadoutTrace) -> bool {
        let next = self.next(readout.position).map(|token| token.id);
        next.is_some() && readout.top.first().map(|top| top.id) == next
    }

    /// Whether the first token of a readout is the one that stands at its position.
    pub(super) fn is_echo(&self, readout: &ReadoutTrace) -> bool {
        let own = self.tokens().get(readout.position).map(|token| token.id);
        own.is_some() && readout.top.first().map(|top| top.id) == own
    }

    /// A token that a readout names, by the beginning or a part of its text.
    pub(super) fn named(&self, text: &str) -> Option<&TopTrace> {
        let readouts = || self.trace().into_iter().flat_map(|trace| &trace.readouts);
        let all = || {
            readouts().flat_map(|r| r.top.iter().chain(r.targets.iter().map(|t| &t.token)).chain(&r.tracked))
        };
        let same = |top: &&TopTrace| *top.text == *text;
        all().find(same).or_else(|| all().find(|top| top.text.trim() == text.trim()))
    }
}

/// The number of the lens that has made a readout.
fn lens_of(lenses: &[String], readout: &ReadoutTrace) -> usize {
    let named = readout.lens.as_deref().and_then(|name| lenses.iter().position(|lens| lens == name));
    named.unwrap_or(0)
}

/// Whether the component is a state of the stream, before which the embedding is one.
pub(super) fn is_stream(component: Component) -> bool {
    [Site::ResidPre, Site::ResidMid, Site::ResidPost].map(Component::Site).contains(&component)
}
