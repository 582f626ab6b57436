//! From the places that are asked for to cells of a model.

use super::{
    cell::{Cell, Pair},
    error::{PatchError, listed},
    request::{Per, Places, Prompt},
    site::PatchSite,
};
use crate::{
    backend::{Backend, ModelInfo},
    point::{Point, PointSet, Site},
    selection::Selection,
};

/// Places that one sweep may have.
const MOST_CELLS: usize = 1 << 20;

/// Cells, and where each run begins.
#[derive(Debug)]
pub(super) struct Resolved {
    /// The positions of cells that name none.
    pub(super) pairs: Vec<Pair>,
    pub(super) cells: Vec<Cell>,
    pub(super) notes: Vec<String>,
}

/// Where the run of a cell begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// The point where its activation is exchanged.
    pub(super) changed: Point,
    /// The first block that is run.
    pub(super) layer: u16,
    /// The first position that is changed.
    pub(super) first: usize,
}

impl Resolved {
    /// The cells of `places` in a run that is changed; `other` is the prompt that activations are taken from.
    pub(super) fn new<B: Backend>(
        backend: &B,
        places: &Places,
        changed: Prompt<'_>,
        other: Option<Prompt<'_>>,
    ) -> Result<Self, PatchError> {
        let pairs = places.pairs_or_all(changed);
        check_pairs(&pairs, changed, other)?;
        let info = backend.info();
        let layers = places.layers.resolve(info.n_layers.into(), "layer")?;
        let layers: Vec<u16> = layers.into_iter().map(|layer| layer as u16).collect();
        let mut resolved = Self { pairs, cells: Vec::new(), notes: Vec::new() };
        for site in places.sites.as_slice() {
            let is_all = places.layers == Selection::all();
            let points = resolved.points(backend, *site, &layers, is_all)?;
            let per = match (places.per, site) {
                (Some(per), _) => per,
                (None, PatchSite::Heads) => Per::Layer,
                (None, PatchSite::One(_)) => Per::Position,
            };
            let each = if per == Per::Position { resolved.pairs.len() } else { 1 };
            let cells = resolved.cells.len().saturating_add(points.len().saturating_mul(each));
            if cells > MOST_CELLS {
                return Err(PatchError::TooMany { cells, most: MOST_CELLS });
            }
            for point in points {
                match per {
                    Per::Layer => resolved.cells.push(Cell::new(point, None)),
                    Per::Position => {
                        let of = resolved.pairs.iter().map(|pair| Cell::new(point, Some(*pair)));
                        resolved.cells.extend(of);
                    }
                }
            }
        }
        if resolved.cells.is_empty() {
            return Err(PatchError::Nothing);
        }
        let reads_mid = |cell: &Cell| matches!(cell.point, Point::Block { site: Site::ResidMid, .. });
        if info.parallel_blocks && resolved.cells.iter().any(reads_mid) {
            resolved.notes.push(
                "attention and MLP run side by side: no part of a block reads resid_mid, and what is changed there reaches \
                 its output alone"
                    .to_owned(),
            );
        }
        Ok(resolved)
    }

    /// Cells that are known, in the run of `changed`, with activations of `other`.
    pub(super) fn of_cells<B: Backend>(
        backend: &B,
        cells: Vec<Cell>,
        pairs: Vec<Pair>,
        changed: Prompt<'_>,
        other: Prompt<'_>,
    ) -> Result<Self, PatchError> {
        for pair in &pairs {
            check_pairs(std::slice::from_ref(pair), changed, Some(other))?;
        }
        let info = backend.info();
        for cell in &cells {
            if let (Point::Block { layer, site }, false) = (cell.point, info.has(cell.point)) {
                return Err(PatchError::NoSite { site, family: info.family.clone(), layers: vec![layer] });
            }
        }
        match cells.len() {
            0 => Err(PatchError::Nothing),
            cells if cells > MOST_CELLS => Err(PatchError::TooMany { cells, most: MOST_CELLS }),
            _ => Ok(Self { pairs, cells, notes: Vec::new() }),
        }
    }

    /// The points of a site; those that blocks lack are left out where every block was meant.
    fn points<B: Backend>(
        &mut self,
        backend: &B,
        site: PatchSite,
        layers: &[u16],
        is_all: bool,
    ) -> Result<Vec<Point>, PatchError> {
        let info = backend.info();
        let needed = match site {
            PatchSite::Heads | PatchSite::One(Site::Head(_)) => Site::Z,
            PatchSite::One(site) => site,
        };
        let is_head = site != PatchSite::One(needed);
        let has = |layer: &u16| {
            info.has(Point::block(*layer, needed)) && (!is_head || backend.heads(*layer).is_some())
        };
        let (with, without): (Vec<u16>, Vec<u16>) = layers.iter().copied().partition(has);
        if !without.is_empty() {
            if !is_all || with.is_empty() {
                return Err(lacking(info, needed, is_head, without));
            }
            self.notes.push(format!("{site} leaves out {}, which have none", listed(&without)));
        }
        let mut points = Vec::new();
        for layer in with {
            let n = backend.heads(layer).map_or(0, |(n, _)| n);
            match site {
                PatchSite::One(Site::Head(head)) if usize::from(head) >= n => {
                    return Err(PatchError::NoHead { layer, head, n });
                }
                PatchSite::One(site) => points.push(Point::block(layer, site)),
                PatchSite::Heads => {
                    points.extend((0..n).map(|head| Point::block(layer, Site::Head(head as u16))));
                }
            }
        }
        Ok(points)
    }

    /// Where the run of a cell begins. A changed output of a block is the changed input of the next one, so that the block
    /// itself need not run.
    pub(super) fn start(&self, cell: &Cell, info: &ModelInfo) -> Start {
        let first = match cell.at {
            Some(pair) => pair.to,
            None => self.pairs.iter().map(|pair| pair.to).min().unwrap_or(0),
        };
        let (changed, _) = cell.whole();
        let layer = changed.layer().unwrap_or(0);
        let next = Point::block(layer.saturating_add(1), Site::ResidPre);
        if changed == Point::block(layer, Site::ResidPost) && info.has(next) {
            return Start { changed: next, layer: layer + 1, first };
        }
        Start { changed, layer, first }
    }

    /// The inputs of the blocks that runs begin with.
    pub(super) fn inputs(&self, info: &ModelInfo) -> PointSet {
        let input = |cell: &Cell| Point::block(self.start(cell, info).layer, Site::ResidPre);
        self.cells.iter().map(input).collect()
    }

    /// The points that activations are taken from.
    pub(super) fn taken(&self) -> PointSet {
        self.cells.iter().map(|cell| cell.taken().0).collect()
    }

    /// The positions that activations are taken from.
    pub(super) fn from(&self) -> Vec<usize> {
        self.cells
            .iter()
            .filter_map(|cell| cell.at)
            .chain(self.pairs.iter().copied())
            .map(|p| p.from)
            .collect()
    }
}

/// Refuses positions that are not there, come too late, or are named twice.
fn check_pairs(pairs: &[Pair], changed: Prompt<'_>, other: Option<Prompt<'_>>) -> Result<(), PatchError> {
    let length = changed.tokens.len();
    if length == 0 || other.is_some_and(|other| other.tokens.is_empty()) {
        return Err(PatchError::NoTokens);
    }
    if changed.read >= length {
        return Err(PatchError::NoPosition { position: changed.read, length });
    }
    let mut seen = vec![false; length];
    for Pair { to, from } in pairs {
        if *to > changed.read {
            return match *to < length {
                true => Err(PatchError::AfterRead { position: *to, read: changed.read }),
                false => Err(PatchError::NoPosition { position: *to, length }),
            };
        }
        if std::mem::replace(&mut seen[*to], true) {
            return Err(PatchError::Twice { position: *to });
        }
        if let Some(length) = other.map(|other| other.tokens.len()).filter(|length| from >= length) {
            return Err(PatchError::NoPosition { position: *from, length });
        }
    }
    Ok(())
}

fn lacking(info: &ModelInfo, site: Site, is_head: bool, layers: Vec<u16>) -> PatchError {
    let family = info.family.clone();
    match is_head {
        true => PatchError::NoHeads { family, layers },
        false => PatchError::NoSite { site, family, layers },
    }
}
