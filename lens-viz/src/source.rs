//! A trace, indexed.

use std::collections::{BTreeSet, HashMap};

use lens_core::{
    Component, FaithfulnessTrace, FinalTrace, LensTrace, ReadoutTrace, TRUSTED_UP_TO, TokenTrace,
};

/// A row of a heatmap: a component of a layer, `None` for `embed`.
pub(crate) type Place = (Option<u16>, Component);

/// A trace whose readouts can be found.
pub(crate) struct Source<'a> {
    pub(crate) trace: &'a LensTrace,
    pub(crate) readouts: HashMap<(usize, Place), &'a ReadoutTrace>,
    finals: HashMap<usize, &'a FinalTrace>,
    pub(crate) positions: BTreeSet<usize>,
    pub(crate) layers: BTreeSet<u16>,
    pub(crate) components: BTreeSet<Component>,
}

impl<'a> Source<'a> {
    /// Nothing if the trace has no readout.
    pub(crate) fn of(trace: &'a LensTrace) -> Option<Self> {
        if trace.readouts.is_empty() {
            return None;
        }
        let mut readouts = HashMap::with_capacity(trace.readouts.len());
        for readout in &trace.readouts {
            readouts.entry((readout.position, place(readout))).or_insert(readout);
        }
        Some(Self {
            trace,
            readouts,
            finals: trace.finals.iter().rev().map(|last| (last.position, last)).collect(),
            positions: trace.readouts.iter().map(|readout| readout.position).collect(),
            layers: trace.readouts.iter().filter_map(|readout| place(readout).0).collect(),
            components: trace.readouts.iter().map(|readout| readout.component).collect(),
        })
    }

    /// A trace without readouts, of which every layer of the model can be shown.
    pub(crate) fn of_head(trace: &'a LensTrace) -> Self {
        Self {
            trace,
            readouts: HashMap::new(),
            finals: HashMap::new(),
            positions: BTreeSet::new(),
            layers: (0..trace.model.n_layers).collect(),
            components: BTreeSet::new(),
        }
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

    /// How far a row can be trusted, where the trace says so: those of several lenses do.
    pub(crate) fn trust(&self, place: Place) -> Option<&'a FaithfulnessTrace> {
        self.trace.faithfulness.iter().find(|row| (row.layer, row.component) == place)
    }

    /// Whether nothing says that a row cannot be trusted.
    pub(crate) fn is_trusted(&self, place: Place) -> bool {
        self.trust(place).is_none_or(|row| row.trusted)
    }

    /// What grey rows mean, where there are any among `places`.
    pub(crate) fn note_on_trust(&self, places: &[Place]) -> Option<String> {
        places.iter().any(|place| !self.is_trusted(*place)).then(|| {
            format!(
                "grey rows: not to be trusted (median KL to the final above {TRUSTED_UP_TO} nats, and the final token first \
                 at fewer than half of the positions)"
            )
        })
    }

    /// The model's own answer.
    pub(crate) fn last(&self, position: usize) -> Option<&'a FinalTrace> {
        self.finals.get(&position).copied()
    }

    /// The token that actually comes after the position.
    pub(crate) fn next_token(&self, position: usize) -> Option<&'a TokenTrace> {
        self.trace.tokens.get(position.checked_add(1)?)
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
pub(crate) const VIRTUAL: &str =
    "† virtual: attention and MLP run side by side, and no part of the model reads this sum";
