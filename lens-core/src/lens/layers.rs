//! The readouts of a step layer by layer, for whoever watches.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use super::{
    After, FinalReading, Lens, LensError, Plan, Reading, Readouts, Role, Rows, columns::Place, plan::Scope,
};
use crate::{
    backend::{Backend, Next, ReadRequest, Readings},
    point::Point,
};

/// Readouts of a band, at least: every band passes by the whole vocabulary, and fewer would hardly be faster.
const LEAST: usize = 256;

/// Layers of a step that were read, while others of the same positions are still to come.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct LayersRead<'a> {
    /// These layers alone, at the positions of the step. `decided_at` is not known yet.
    pub reading: &'a Reading,
    /// What is still to come of each of these positions, as the index of the lens and the point.
    pub awaited: &'a [(usize, Point)],
}

/// Called with layers that were read; `Break` ends the run there.
type EachBand<'a> = dyn FnMut(&LayersRead<'_>) -> ControlFlow<()> + 'a;

/// Who watches the layers, and how often at most.
pub(super) struct Watched<'a> {
    pace: Duration,
    each: Box<EachBand<'a>>,
}

impl<'a, B: Backend> Lens<'a, B> {
    /// Calls `each` while a step of the prompt is read, in order of execution, about every `pace`, with the layers that
    /// are new, which lack the tokens that their positions track: which these are follows from all layers. A step that is
    /// read faster is read at once. What is read is the same in either case.
    ///
    /// When `each` returns `Break`, the run ends there without an error, and of this step's positions nothing is kept.
    #[must_use]
    pub fn with_layers(
        mut self,
        pace: Duration,
        each: impl FnMut(&LayersRead<'_>) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.layers = Some(Watched { pace, each: Box::new(each) });
        self
    }

    /// The readouts of a step's rows; `None` where nobody wants the rest of them.
    pub(super) fn by_layers(
        &mut self,
        rows: &Rows<'_, B::Hidden>,
        next: &[Next],
        scope: &Scope,
        plan: &Plan,
    ) -> Result<Option<Readouts>, LensError> {
        let Some(mut watched) = self.layers.take() else {
            return self.readouts(rows, After::Known(next), &scope.decoded, scope, plan).map(Some);
        };
        let read = self.in_bands(&mut watched, rows, next, scope, plan);
        self.layers = Some(watched);
        read
    }

    /// Reads bands of layers, each about as long as the pace.
    fn in_bands(
        &self,
        watched: &mut Watched<'_>,
        rows: &Rows<'_, B::Hidden>,
        next: &[Next],
        scope: &Scope,
        plan: &Plan,
    ) -> Result<Option<Readouts>, LensError> {
        let (began, places) = (Instant::now(), &scope.decoded);
        let untracked = plan.clone().with_question(plan.question.clone().with_tracked(0));
        let mut bands: Vec<Readouts> = Vec::new();
        let least = (LEAST / rows.positions.len()).max(1);
        let (mut done, mut at_once) = (0, least);
        loop {
            let band = &places[done..places.len().min(done + at_once)];
            // The first band reads the final readouts, and the others know them.
            let known = bands.first().map(|band| band.finals.as_slice());
            let read = self.readouts(&Rows { known, ..*rows }, After::Known(next), band, scope, &untracked);
            let read = match read {
                // What is not finite travels on to the final readouts: all layers say where it began.
                Err(_) if known.is_none() => {
                    return self.readouts(rows, After::Known(next), places, scope, plan).map(Some);
                }
                read => read?,
            };
            bands.push(read);
            done += band.len();
            let left = &places[done..];
            if left.is_empty() {
                let (roles, readings) = join(bands, rows.positions.len());
                return self
                    .tracked(rows, next, readings, scope, plan)
                    .map(|all| Some(Readouts::new(roles, all)));
            }
            let in_time = watched.pace.as_secs_f64() * done as f64 / began.elapsed().as_secs_f64();
            at_once = (in_time as usize).max(least);
            // What comes that soon is not worth a look at what is there now.
            if left.len() > at_once {
                let newest = &bands[bands.len() - 1];
                if watched.tell(newest, band, left, rows.positions, scope, plan).is_break() {
                    return Ok(None);
                }
            }
        }
    }
}

impl<B: Backend> Lens<'_, B> {
    /// Readings of all layers with the tokens that their positions track.
    fn tracked(
        &self,
        rows: &Rows<'_, B::Hidden>,
        next: &[Next],
        mut readings: Readings,
        scope: &Scope,
        plan: &Plan,
    ) -> Result<Readings, LensError> {
        let (Some(last), 1..) = (rows.captured.last(), plan.question.tracked) else { return Ok(readings) };
        let began = Instant::now();
        self.with_columns(rows.captured, &scope.decoded, scope, plan, |columns| {
            let request = ReadRequest::new(columns, last, rows.positions, next, &plan.question);
            self.backend.track(&request, &mut readings)
        })?;
        self.spent(|timing| timing.readout += began.elapsed());
        Ok(readings)
    }
}

impl Watched<'_> {
    /// Hands over a band of layers, unless it has none that is shown.
    fn tell(
        &mut self,
        newest: &Readouts,
        band: &[Place],
        left: &[Place],
        positions: &[usize],
        scope: &Scope,
        plan: &Plan,
    ) -> ControlFlow<()> {
        let is_wanted = |place: &&Place| scope.wanted.binary_search(place).is_ok();
        let shown: Vec<&Place> = band.iter().filter(is_wanted).collect();
        if shown.is_empty() {
            return ControlFlow::Continue(());
        }
        let mut reading = scope.empty_reading(plan);
        reading.notes.clear();
        reading.points = shown.iter().map(|place| place.point).collect();
        reading.lens_of = shown.iter().map(|place| place.lens).collect();
        reading.positions = positions.to_vec();
        for (position, last) in positions.iter().zip(newest.finals.as_slice()) {
            reading.finals.push(FinalReading {
                position: *position,
                readout: last.clone(),
                decided_at: None,
            });
        }
        for row in newest.points.as_slice().chunks_exact(band.len()) {
            let of_row = newest.columns.iter().zip(row).filter(|(role, _)| role.is_shown);
            reading.readouts.extend(of_row.map(|(_, readout)| readout.clone()));
        }
        let awaited: Vec<(usize, Point)> =
            left.iter().filter(is_wanted).map(|place| (place.lens, place.point)).collect();
        (self.each)(&LayersRead { reading: &reading, awaited: &awaited })
    }
}

/// Bands of layers as if they had been read at once.
fn join(mut bands: Vec<Readouts>, rows: usize) -> (Vec<Role>, Readings) {
    let roles = bands.iter().flat_map(|band| band.columns.iter().copied()).collect();
    let mut points = Vec::with_capacity(bands.iter().map(|band| band.points.len()).sum());
    for _ in 0..rows {
        for band in &mut bands {
            points.extend(band.points.by_ref().take(band.columns.len()));
        }
    }
    let finals = bands.into_iter().next().unwrap_or_default().finals.collect();
    (roles, Readings::new(finals, points))
}
