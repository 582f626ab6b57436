//! One place whose activation is another one.

use std::fmt;

use crate::point::{Point, Site};

/// A position of the run that is changed, and the one of the other prompt that it corresponds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pair {
    /// The position that is changed.
    pub to: usize,
    /// The position that its activation is taken from; the same one where nothing is taken from another prompt.
    pub from: usize,
}

impl Pair {
    /// A position that corresponds to the one with the same number.
    pub fn same(position: usize) -> Self {
        Self { to: position, from: position }
    }
}

/// A place that is changed in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Cell {
    /// What is changed: a point of a block, or a head of its `z`.
    pub point: Point,
    /// The position; `None` is all chosen positions at once.
    pub at: Option<Pair>,
    /// The layer of the other prompt that its activation is taken from, in a patchscope; elsewhere it is its own.
    pub source_layer: Option<u16>,
}

impl Cell {
    pub(super) fn new(point: Point, at: Option<Pair>) -> Self {
        Self { point, at, source_layer: None }
    }

    /// The point whose activation is changed, and the head of it if that is not all.
    pub(super) fn whole(&self) -> (Point, Option<u16>) {
        whole(self.point)
    }

    /// The point that an activation is taken from, and the head of it if that is not all.
    pub(super) fn taken(&self) -> (Point, Option<u16>) {
        let (point, head) = self.whole();
        match (self.source_layer, point) {
            (Some(layer), Point::Block { site, .. }) => (Point::block(layer, site), head),
            _ => (point, head),
        }
    }
}

/// The point that a head is a part of, and its number.
pub(super) fn whole(point: Point) -> (Point, Option<u16>) {
    match point {
        Point::Block { layer, site: Site::Head(head) } => (Point::block(layer, Site::Z), Some(head)),
        point => (point, None),
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.point)?;
        match self.at {
            None => f.write_str(" at all chosen positions")?,
            Some(pair) => write!(f, " at position {}", pair.to)?,
        }
        match (self.source_layer, self.at) {
            (Some(layer), Some(pair)) => write!(f, " from layer {layer}, position {}", pair.from),
            _ => Ok(()),
        }
    }
}
