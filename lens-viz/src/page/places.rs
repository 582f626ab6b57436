//! Which points and positions a trace has.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use lens_core::{Component, LensTrace, ReadoutTrace, Statistic, sink::Awaited};

use super::{faithfulness, number::Rounded};

/// Layer, component, whether it is virtual, median KL to the final readout and its grade.
pub(super) type PointRow = (Option<u16>, &'static str, u8, Option<Rounded>, Option<usize>);

/// Which points and positions a trace has, and where a readout stands among them.
pub(super) struct Places {
    pub(super) points: Vec<((Option<u16>, Component), bool)>,
    pub(super) positions: Vec<usize>,
    point_at: HashMap<(Option<u16>, Component), usize>,
    position_at: HashMap<usize, usize>,
}

impl Places {
    /// Those that a trace has, and those that it still awaits.
    pub(super) fn new(trace: &LensTrace, awaited: &[Awaited]) -> Self {
        let read =
            trace.readouts.iter().map(|readout| (readout.layer, readout.component, readout.is_virtual));
        let awaited = awaited.iter().map(|one| (one.layer, one.component, one.is_virtual));
        // `embed` has no layer and comes first, as it should.
        let mut points = BTreeMap::new();
        for (layer, component, is_virtual) in read.chain(awaited) {
            *points.entry((layer, component)).or_insert(false) |= is_virtual;
        }
        let positions: BTreeSet<usize> = trace.readouts.iter().map(|readout| readout.position).collect();
        let points: Vec<_> = points.into_iter().collect();
        let positions: Vec<_> = positions.into_iter().collect();
        Self {
            point_at: points.iter().enumerate().map(|(i, (point, _))| (*point, i)).collect(),
            position_at: positions.iter().enumerate().map(|(i, position)| (*position, i)).collect(),
            points,
            positions,
        }
    }

    /// The points as the page's data has them.
    pub(super) fn described(&self, trace: &LensTrace) -> Vec<PointRow> {
        let mut distances = vec![Vec::new(); self.points.len()];
        for readout in &trace.readouts {
            if let Some(point) = self.point_at.get(&(readout.layer, readout.component)) {
                distances[*point].extend(readout.get(Statistic::KlToFinal).map(|nats| nats as f32));
            }
        }
        let medians = distances.into_iter().map(faithfulness::middle);
        let points = self.points.iter().zip(medians);
        points
            .map(|(((layer, component), is_virtual), median)| {
                let grade = median.map(faithfulness::grade);
                (*layer, component.name(), u8::from(*is_virtual), median.map(Rounded), grade)
            })
            .collect()
    }

    /// Whether two traces have a point in common, and a position, the second's being `shift` further on.
    pub(super) fn overlap(&self, other: &Self, shift: isize) -> bool {
        let partner = |position: &usize| position.checked_add_signed(shift);
        self.points.iter().any(|(point, _)| other.point_at.contains_key(point))
            && self.positions.iter().filter_map(partner).any(|at| other.position_at.contains_key(&at))
    }

    pub(super) fn len(&self) -> usize {
        self.points.len().saturating_mul(self.positions.len())
    }

    pub(super) fn place(&self, readout: &ReadoutTrace) -> Option<usize> {
        let point = self.point_at.get(&(readout.layer, readout.component))?;
        Some(self.position_at.get(&readout.position)? * self.points.len() + point)
    }
}
