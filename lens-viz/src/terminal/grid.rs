//! The rows and columns of one position of a trace.

use std::collections::{BTreeMap, BTreeSet};

use lens_core::{Component, FaithfulnessTrace, FinalTrace, LensTrace, ReadoutTrace, Site, StatisticSet};

/// The readouts of one position, sorted into layers and components.
pub(super) struct Grid<'a> {
    /// The columns, in order of execution.
    pub(super) components: Vec<Component>,
    /// `embed` first, then the layers, ascending.
    pub(super) rows: Vec<Row<'a>>,
    /// The component that numbers beside the tokens are of: a state of the stream, or else the last one that
    /// was read.
    pub(super) numbered: Component,
    /// Whether `resid_mid` is a sum that no part of the model reads.
    pub(super) has_virtual: bool,
    /// The statistics that that component has, anywhere.
    pub(super) has: StatisticSet,
    /// How far rows can be trusted; empty where the trace does not say.
    pub(super) trust: &'a [FaithfulnessTrace],
}

/// One layer.
pub(super) struct Row<'a> {
    /// `None` for `embed`.
    pub(super) layer: Option<u16>,
    pub(super) cells: BTreeMap<Component, &'a ReadoutTrace>,
    /// Whether the top-1 of `resid_post` is the final one.
    pub(super) agrees: bool,
    /// Whether the prediction is made here.
    pub(super) decided: bool,
}

const RESID_POST: Component = Component::Site(Site::ResidPost);

impl<'a> Grid<'a> {
    pub(super) fn new(trace: &'a LensTrace, last: &FinalTrace) -> Self {
        let mut by_layer: BTreeMap<Option<u16>, BTreeMap<Component, &ReadoutTrace>> = BTreeMap::new();
        for readout in trace.readouts.iter().filter(|readout| readout.position == last.position) {
            by_layer.entry(readout.layer).or_default().entry(readout.component).or_insert(readout);
        }
        let read: BTreeSet<Component> = by_layer.values().flat_map(BTreeMap::keys).copied().collect();
        let mut components: Vec<Component> = read.into_iter().collect();
        // The embedding is a state of the stream: it stands at the top of the stream's column, not in a
        // column of its own that would be empty from there on.
        let stream = [Site::ResidPost, Site::ResidMid, Site::ResidPre].map(Component::Site);
        let stream = stream.into_iter().find(|component| components.contains(component));
        if let Some(column) = stream {
            components.retain(|component| *component != Component::Embed);
            if let Some(cells) = by_layer.get_mut(&None)
                && let Some(embed) = cells.remove(&Component::Embed)
            {
                cells.insert(column, embed);
            }
        }
        let final_top1 = last.top.first().map(|token| token.id);
        let rows: Vec<Row<'_>> = by_layer
            .into_iter()
            .map(|(layer, cells)| Row {
                layer,
                agrees: layer.is_some()
                    && cells.get(&RESID_POST).is_some_and(|readout| {
                        final_top1.is_some() && readout.top.first().map(|token| token.id) == final_top1
                    }),
                decided: layer.is_some() && layer.map(usize::from) == last.decided_at,
                cells,
            })
            .collect();
        let numbered = stream.or(components.last().copied()).unwrap_or(RESID_POST);
        let present = rows.iter().filter_map(|row| row.numbered(numbered)).map(|r| r.statistics.present());
        let has = present.flat_map(StatisticSet::iter).collect();
        Self {
            numbered,
            has_virtual: rows.iter().flat_map(|row| row.cells.values()).any(|readout| readout.is_virtual),
            has,
            trust: &trace.faithfulness,
            components,
            rows,
        }
    }

    /// How far the readout can be trusted that the numbers of a row are of.
    pub(super) fn trust_of(&self, row: &Row<'_>) -> Option<&'a FaithfulnessTrace> {
        let readout = row.numbered(self.numbered)?;
        self.trust.iter().find(|row| (row.layer, row.component) == (readout.layer, readout.component))
    }

    pub(super) fn readouts(&self) -> impl Iterator<Item = &'a ReadoutTrace> {
        self.rows.iter().flat_map(|row| row.cells.values().copied())
    }
}

impl<'a> Row<'a> {
    /// The readout that the numbers beside the tokens are of; the embedding has but one.
    pub(super) fn numbered(&self, numbered: Component) -> Option<&'a ReadoutTrace> {
        let component = if self.layer.is_some() { Some(&numbered) } else { self.cells.keys().next() };
        component.and_then(|component| self.cells.get(component)).copied()
    }
}
