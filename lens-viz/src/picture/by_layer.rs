//! Lines from layer to layer, one for each lens and component, of rows that say something at a point.

use lens_core::{
    Component, Point, Site,
    corpus::CorpusRow,
    evaluate::{Estimate, EvaluationRow},
};

use super::{PictureError, axis::round_up, chart::MOST_LINES, chart::Panel};

/// What one lens says at one point.
pub(super) trait Row {
    fn lens(&self) -> &str;
    fn point(&self) -> Point;
}

impl Row for EvaluationRow {
    fn lens(&self) -> &str {
        &self.lens
    }

    fn point(&self) -> Point {
        self.point
    }
}

impl Row for CorpusRow {
    fn lens(&self) -> &str {
        &self.lens
    }

    fn point(&self) -> Point {
        self.point
    }
}

/// A lens and the component that it reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'r> {
    pub(super) lens: &'r str,
    pub(super) component: Component,
}

const RESID_POST: Component = Component::Site(Site::ResidPost);

impl Line<'_> {
    fn name(self, alone: bool) -> String {
        if alone { self.lens.to_owned() } else { format!("{} {}", self.lens, self.component) }
    }

    /// Whether a row is of this line. The embedding is where the stream begins: it belongs to the stream's line.
    pub(super) fn has(self, row: &impl Row) -> bool {
        let component = row.point().component();
        let begins = component == Component::Embed && self.component == RESID_POST;
        row.lens() == self.lens && (component == self.component || begins)
    }
}

/// Rows as lines over places.
pub(super) struct Lines<'r, R> {
    rows: &'r [R],
    pub(super) lines: Vec<Line<'r>>,
    /// Ascending; `None` is the embedding.
    pub(super) places: Vec<Option<u16>>,
}

impl<'r, R: Row> Lines<'r, R> {
    /// The lines of rows; `what` they are of.
    pub(super) fn of(rows: &'r [R], what: &str) -> Result<Self, PictureError> {
        let mut lines: Vec<Line<'r>> = Vec::new();
        for row in rows {
            let line = Line { lens: row.lens(), component: row.point().component() };
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        let streams: Vec<&str> =
            lines.iter().filter(|line| line.component == RESID_POST).map(|line| line.lens).collect();
        lines.retain(|line| line.component != Component::Embed || !streams.contains(&line.lens));
        if lines.is_empty() {
            return Err(PictureError::Empty { what: what.to_owned() });
        }
        if lines.len() > MOST_LINES {
            let what = "lenses or components";
            return Err(PictureError::TooManyLines { given: lines.len(), most: MOST_LINES, what });
        }
        let mut places: Vec<Option<u16>> = rows.iter().map(|row| row.point().layer()).collect();
        places.sort_unstable();
        places.dedup();
        Ok(Self { rows, lines, places })
    }

    /// The component that all lines read, if there is only one.
    pub(super) fn only(&self) -> Option<Component> {
        let first = self.lines[0].component;
        self.lines.iter().all(|line| line.component == first).then_some(first)
    }

    /// What each line is called.
    pub(super) fn names(&self) -> Vec<String> {
        let alone = self.only().is_some();
        self.lines.iter().map(|line| line.name(alone)).collect()
    }

    /// The lenses in words.
    pub(super) fn lenses(&self) -> String {
        match self.lines.iter().find(|line| line.lens != self.lines[0].lens) {
            Some(_) => "each lens".to_owned(),
            None => format!("the {} lens", self.lines[0].lens),
        }
    }

    /// The row of a line at a place.
    pub(super) fn at(&self, line: Line<'_>, place: Option<u16>) -> Option<&'r R> {
        self.rows.iter().find(|row| row.point().layer() == place && line.has(*row))
    }

    /// What every line says at every place.
    pub(super) fn estimates(&self, what: impl Fn(&R) -> Option<Estimate>) -> Vec<Vec<Option<Estimate>>> {
        let of = |line: Line<'_>| -> Vec<Option<Estimate>> {
            self.places.iter().map(|place| self.at(line, *place).and_then(&what)).collect()
        };
        self.lines.iter().map(|line| of(*line)).collect()
    }
}

/// A panel of values from 0 with their intervals as bands, and `level`, which all lines are compared with.
pub(super) fn panel(name: &str, estimates: &[Vec<Option<Estimate>>], level: Option<Estimate>) -> Panel {
    let all = estimates.iter().flatten().flatten().chain(&level);
    let highest = all.map(|estimate| estimate.high).filter(|high| high.is_finite()).fold(0.1, f64::max);
    let each = |estimates: &[Option<Estimate>]| estimates.iter().map(|e| e.map(|e| e.value)).collect();
    let band =
        |estimates: &[Option<Estimate>]| estimates.iter().map(|e| e.map(|e| (e.low, e.high))).collect();
    Panel {
        name: name.to_owned(),
        range: (0.0, round_up(highest)),
        logarithmic: false,
        downwards: false,
        values: estimates.iter().map(|line| each(line)).collect(),
        bands: estimates.iter().map(|line| band(line)).collect(),
        level: level.map(|level| level.value),
    }
}
