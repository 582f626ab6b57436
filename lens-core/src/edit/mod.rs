//! Changes of activations with their vectors at hand: what a backend applies while it runs.

mod vectors;

use std::{collections::HashMap, ops::Range};

use crate::point::Point;

pub(crate) use vectors::Vectors;

/// Changes of the activations of one model, for one prompt. The default has no change, and leaves the model as it is.
///
/// [`crate::steer`] makes them of interventions; a backend that can be steered takes them in
/// [`crate::Backend::set_edits`] and calls [`Edits::apply`] at every point before it goes on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Edits {
    by_point: HashMap<Point, Vec<Edit>>,
}

/// One change at one point.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Edit {
    /// `None` is the whole activation.
    pub(crate) heads: Option<Heads>,
    /// Absolute positions, ascending; `None` is all of them.
    pub(crate) positions: Option<Vec<usize>>,
    pub(crate) change: Change,
}

/// Some heads of `z`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heads {
    pub(crate) chosen: Vec<usize>,
    /// Values of each head.
    pub(crate) d_head: usize,
}

/// What is done to an activation, or to each of the chosen heads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    Zero,
    Scale(f64),
    Add(Vectors),
    Replace(Vectors),
    /// The part along the vectors is taken away: of the whole activation, or of each head by itself.
    Project(Vectors),
}

impl Edits {
    pub(crate) fn push(&mut self, point: Point, edit: Edit) {
        self.by_point.entry(point).or_default().push(edit);
    }

    /// Puts these vectors in the place of the whole activation, one for each position from 0 on.
    pub(crate) fn replace(&mut self, point: Point, vectors: Vec<Vec<f32>>) {
        let mut by_position = Vectors::default();
        by_position.add_by_position(vectors);
        self.push(point, Edit { heads: None, positions: None, change: Change::Replace(by_position) });
    }

    /// Whether anything is changed at this point.
    pub fn change(&self, point: Point) -> bool {
        self.by_point.contains_key(&point)
    }

    /// Whether nothing is changed at all.
    pub fn is_empty(&self) -> bool {
        self.by_point.is_empty()
    }

    /// Changes the values of one step at a point, in place. `values` are the step's rows, `[pos, width]` row-major; the
    /// first row is at the absolute position `past`. Sums are made in float32, projections in float64.
    ///
    /// # Panics
    /// When `width` is not that of the model that the edits were made for, or does not divide `values`.
    pub fn apply(&self, point: Point, past: usize, width: usize, values: &mut [f32]) {
        self.apply_at(point, past.., width, values);
    }

    /// As [`Edits::apply`], for rows at these positions.
    ///
    /// # Panics
    /// As [`Edits::apply`].
    pub fn apply_at(
        &self,
        point: Point,
        positions: impl IntoIterator<Item = usize>,
        width: usize,
        values: &mut [f32],
    ) {
        let Some(edits) = self.by_point.get(&point).filter(|_| width > 0) else { return };
        assert!(values.len().is_multiple_of(width), "the rows of {point} are {width} wide");
        for (position, values) in positions.into_iter().zip(values.chunks_exact_mut(width)) {
            edits.iter().for_each(|edit| edit.apply(position, values));
        }
    }

    /// The positions among these that anything is done at: [`Edits::apply`] leaves all others as they are.
    pub fn changed(&self, point: Point, positions: Range<usize>) -> Vec<usize> {
        let edits = self.by_point.get(&point).map_or(&[][..], Vec::as_slice);
        positions.filter(|position| edits.iter().any(|edit| edit.changes(*position))).collect()
    }
}

impl Edit {
    /// Whether anything is done at a position.
    fn changes(&self, position: usize) -> bool {
        let is_chosen = |positions: &Vec<usize>| positions.binary_search(&position).is_ok();
        self.positions.as_ref().is_none_or(is_chosen)
            && match &self.change {
                Change::Zero | Change::Scale(_) => true,
                Change::Add(vectors) | Change::Replace(vectors) | Change::Project(vectors) => {
                    vectors.know(position)
                }
            }
    }

    fn apply(&self, position: usize, row: &mut [f32]) {
        if !self.changes(position) {
            return;
        }
        let vector = match &self.change {
            Change::Zero | Change::Scale(_) => None,
            // What is known of the prompt's positions says nothing about those of a continuation.
            Change::Add(vectors) | Change::Replace(vectors) | Change::Project(vectors) => {
                match vectors.at(position) {
                    Some(vector) => Some(vector),
                    None => return,
                }
            }
        };
        let vector = vector.as_deref();
        match &self.heads {
            None => self.change.apply(row, vector),
            Some(Heads { chosen, d_head }) => {
                for (i, head) in chosen.iter().enumerate() {
                    let part = vector.map(|vector| &vector[i * d_head..][..*d_head]);
                    self.change.apply(&mut row[head * d_head..][..*d_head], part);
                }
            }
        }
    }
}

impl Change {
    /// Changes `x`, which is as long as the vector.
    fn apply(&self, x: &mut [f32], vector: Option<&[f32]>) {
        match (self, vector) {
            (Self::Scale(factor), _) => x.iter_mut().for_each(|x| *x *= *factor as f32),
            (Self::Add(_), Some(vector)) => x.iter_mut().zip(vector).for_each(|(x, v)| *x += v),
            (Self::Replace(_), Some(vector)) => x.copy_from_slice(vector),
            (Self::Project(_), Some(vector)) => project_out(x, vector),
            (Self::Zero, _) => x.fill(0.0),
            (_, None) => {}
        }
    }
}

/// `x` without its part along `v`: `x - v (v·x) / |v|²` in float64.
fn project_out(x: &mut [f32], v: &[f32]) {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let part = dot(v, x) / dot(v, v);
    x.iter_mut().zip(v).for_each(|(x, v)| *x = (f64::from(*x) - f64::from(*v) * part) as f32);
}
