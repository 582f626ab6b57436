//! Statistics as flat rows and back, so that a part can lie in a table that any program reads.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    BYTES, CorpusError, CorpusOptions, CorpusStatistics, NEXT, POSITIONS, SHARED, Totals,
    moments::Moments,
    resampled::Resampled,
    sketch::Sketch,
    sums::{BINS, Bin, Count, MEASURED, OWN, Sums},
};
use crate::{
    point::{Component, Point},
    statistic::Statistic,
};

/// One row: a measure of one column, with as many numbers as it has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    /// The lens; empty for what is the model's own.
    pub lens: String,
    /// The block; `None` for the embedding and for what is the model's own.
    pub layer: Option<u16>,
    /// The component; [`Cell::FINAL`] for the final readout, [`Cell::CORPUS`] for the corpus as a whole.
    pub component: String,
    /// What is measured: a statistic (`counts` is their number; `values` are mean, sum of squared deviations, least,
    /// largest and, of ranks, the sum of logarithms), one with `.sketch` (`keys` are buckets) or `.resampled` (`values` are sums), a count, or a histogram.
    pub measure: String,
    /// Numbers of buckets, bins or layers.
    pub keys: Vec<i64>,
    /// Names of scripts or languages.
    pub labels: Vec<String>,
    /// How many.
    pub counts: Vec<u64>,
    /// Means and sums.
    pub values: Vec<f64>,
}

impl Cell {
    /// The component of the model's own answer.
    pub const FINAL: &'static str = "final";
    /// The component of what is counted of the corpus as a whole.
    pub const CORPUS: &'static str = "corpus";
}

const TOTALS: [&str; 6] = ["documents", "windows", "positions", "next_tokens", "bytes", "unmeasured_tokens"];
const SHARED_SUMS: [&str; SHARED] = ["positions", "next_tokens", "bytes"];
const DECIDED_AT: &str = "decided_at";
const CALIBRATION: &str = "calibration";
const CALIBRATION_RIGHT: &str = "calibration.right";
const SCRIPTS: &str = "scripts";
const LANGUAGES: &str = "languages";
const SKETCH: &str = ".sketch";
const RESAMPLED: &str = ".resampled";

/// A column's name in cells.
#[derive(Clone, Copy)]
struct Place<'a> {
    lens: &'a str,
    layer: Option<u16>,
    component: &'a str,
}

impl Place<'_> {
    const CORPUS: Place<'static> = Place { lens: "", layer: None, component: Cell::CORPUS };
    const FINAL: Place<'static> = Place { lens: "", layer: None, component: Cell::FINAL };

    fn cell(self, measure: impl Into<String>) -> Cell {
        Cell {
            lens: self.lens.to_owned(),
            layer: self.layer,
            component: self.component.to_owned(),
            measure: measure.into(),
            ..Cell::default()
        }
    }
}

/// The names of a column's own sums over documents.
fn own_sums() -> impl Iterator<Item = &'static str> {
    MEASURED.into_iter().map(Statistic::name).chain(Count::ALL.map(Count::name))
}

impl CorpusStatistics {
    /// The statistics as rows, in the order of the columns; those of documents that were not ended are not among them.
    pub fn cells(&self) -> Vec<Cell> {
        let Totals { documents, windows, positions, next_tokens, bytes, unmeasured } = self.totals;
        let totals = [documents, windows, positions, next_tokens, bytes, unmeasured];
        let of_totals = TOTALS.into_iter().zip(totals);
        let mut cells: Vec<Cell> =
            of_totals.map(|(name, n)| Cell { counts: vec![n], ..Place::CORPUS.cell(name) }).collect();
        let (layers, counts) =
            self.decided_at.iter().map(|(layer, n)| (layer.map_or(-1, i64::from), *n)).unzip();
        cells.push(Cell { keys: layers, counts, ..Place::CORPUS.cell(DECIDED_AT) });
        let Some(columns) = &self.columns else { return cells };
        for (index, name) in SHARED_SUMS.into_iter().enumerate() {
            cells.push(self.resampled_cell(Place::CORPUS, name, index));
        }
        self.column(Place::FINAL, &self.last, 0, &mut cells);
        for (index, ((lens, point), sums)) in columns.iter().zip(&self.inner).enumerate() {
            let component = point.component();
            let place = Place { lens, layer: point.layer(), component: component.name() };
            self.column(place, sums, index + 1, &mut cells);
        }
        cells
    }

    fn resampled_cell(&self, place: Place<'_>, name: &str, index: usize) -> Cell {
        Cell { values: self.resampled.of(index).collect(), ..place.cell(format!("{name}{RESAMPLED}")) }
    }

    /// The rows of one column; `index` counts the final readout.
    fn column(&self, place: Place<'_>, sums: &Sums, index: usize, cells: &mut Vec<Cell>) {
        for (statistic, values) in MEASURED.into_iter().zip(&sums.values) {
            let Moments { n, mean, squares, min, max } = values.moments;
            if n == 0 {
                continue;
            }
            let numbers = vec![mean, squares, min, max, values.logarithms];
            cells.push(Cell { counts: vec![n], values: numbers, ..place.cell(statistic.name()) });
            let (keys, counts) = values.sketch.buckets().unzip();
            cells.push(Cell { keys, counts, ..place.cell(format!("{}{SKETCH}", statistic.name())) });
        }
        for (count, n) in Count::ALL.into_iter().zip(sums.counts) {
            cells.push(Cell { counts: vec![n], ..place.cell(count.name()) });
        }
        let bins = || sums.calibration.iter();
        let keys: Vec<i64> = (0..BINS as i64).collect();
        cells.push(Cell {
            keys: keys.clone(),
            counts: bins().map(|bin| bin.n).collect(),
            values: bins().map(|bin| bin.confidence).collect(),
            ..place.cell(CALIBRATION)
        });
        let right = bins().map(|bin| bin.right).collect();
        cells.push(Cell { keys, counts: right, ..place.cell(CALIBRATION_RIGHT) });
        for (name, shares) in [(SCRIPTS, &sums.scripts), (LANGUAGES, &sums.languages)] {
            if !shares.is_empty() {
                let (labels, counts) = shares.iter().map(|(label, n)| (label.clone(), *n)).unzip();
                cells.push(Cell { labels, counts, ..place.cell(name) });
            }
        }
        for (own, name) in own_sums().enumerate() {
            cells.push(self.resampled_cell(place, name, SHARED + OWN * index + own));
        }
    }

    /// The statistics that rows hold, as [`CorpusStatistics::cells`] makes them.
    ///
    /// # Errors
    /// When the rows are others.
    pub fn from_cells(options: CorpusOptions, cells: &[Cell]) -> Result<Self, CorpusError> {
        let mut statistics = Self::new(options);
        let columns = columns(cells)?;
        if !columns.is_empty() || cells.iter().any(|cell| cell.component == Cell::FINAL) {
            statistics.of_columns(columns)?;
        }
        let mut index = BTreeMap::new();
        for (i, (lens, point)) in statistics.columns.iter().flatten().enumerate() {
            index.insert((lens.to_string(), *point), i);
        }
        for cell in cells {
            let read = match cell.component.as_str() {
                Cell::CORPUS => statistics.read_corpus(cell),
                Cell::FINAL => read_column(cell, &mut statistics.last, &mut statistics.resampled, 0),
                _ => match index.get(&(cell.lens.clone(), point_of(cell)?)) {
                    Some(&i) => read_column(cell, &mut statistics.inner[i], &mut statistics.resampled, i + 1),
                    None => None,
                },
            };
            read.ok_or_else(|| broken(cell))?;
        }
        Ok(statistics)
    }

    fn read_corpus(&mut self, cell: &Cell) -> Option<()> {
        let measure = cell.measure.as_str();
        if measure == DECIDED_AT {
            for (layer, n) in pairs(cell)? {
                let layer = if layer < 0 { None } else { Some(u16::try_from(layer).ok()?) };
                self.decided_at.insert(layer, n);
            }
            return Some(());
        }
        if let Some(name) = measure.strip_suffix(RESAMPLED) {
            let index = SHARED_SUMS.iter().position(|known| *known == name)?;
            return read_resampled(cell, &mut self.resampled, index);
        }
        let totals = &mut self.totals;
        let fields = [
            &mut totals.documents,
            &mut totals.windows,
            &mut totals.positions,
            &mut totals.next_tokens,
            &mut totals.bytes,
            &mut totals.unmeasured,
        ];
        let index = TOTALS.iter().position(|known| *known == measure)?;
        *fields.into_iter().nth(index)? = one(cell)?;
        Some(())
    }
}

/// The columns that rows are of, in their order.
fn columns(cells: &[Cell]) -> Result<Vec<(Arc<str>, Point)>, CorpusError> {
    let mut columns: Vec<(Arc<str>, Point)> = Vec::new();
    for cell in cells.iter().filter(|cell| ![Cell::CORPUS, Cell::FINAL].contains(&&*cell.component)) {
        let point = point_of(cell)?;
        // The rows of a column stand together.
        if !columns.last().is_some_and(|(lens, last)| **lens == *cell.lens && *last == point) {
            columns.push((cell.lens.as_str().into(), point));
        }
    }
    Ok(columns)
}

fn point_of(cell: &Cell) -> Result<Point, CorpusError> {
    match (cell.component.parse(), cell.layer) {
        (Ok(Component::Embed), None) => Ok(Point::Embed),
        (Ok(Component::Site(site)), Some(layer)) => Ok(Point::block(layer, site)),
        _ => Err(broken(cell)),
    }
}

fn broken(cell: &Cell) -> CorpusError {
    let Cell { lens, layer, component, measure, .. } = cell;
    CorpusError::Cells {
        reason: format!(
            "{measure:?} of lens {lens:?}, layer {layer:?}, component {component:?} cannot be read"
        ),
    }
}

fn read_column(cell: &Cell, sums: &mut Sums, resampled: &mut Resampled, index: usize) -> Option<()> {
    let measure = cell.measure.as_str();
    let statistic = |name: &str| MEASURED.into_iter().position(|statistic| statistic.name() == name);
    if let Some(name) = measure.strip_suffix(RESAMPLED) {
        let own = own_sums().position(|known| known == name)?;
        return read_resampled(cell, resampled, SHARED + OWN * index + own);
    }
    if let Some(name) = measure.strip_suffix(SKETCH) {
        sums.values[statistic(name)?].sketch = Sketch::of(pairs(cell)?);
        return Some(());
    }
    if let Some(i) = statistic(measure) {
        let [mean, squares, min, max, logarithms] = cell.values[..].try_into().ok()?;
        sums.values[i].moments = Moments { n: one(cell)?, mean, squares, min, max };
        sums.values[i].logarithms = logarithms;
        return Some(());
    }
    if let Some(i) = Count::ALL.iter().position(|count| count.name() == measure) {
        sums.counts[i] = one(cell)?;
        return Some(());
    }
    let labelled = || {
        let even = cell.labels.len() == cell.counts.len();
        even.then(|| cell.labels.iter().cloned().zip(cell.counts.iter().copied()).collect())
    };
    match measure {
        CALIBRATION => {
            let counts: [u64; BINS] = cell.counts[..].try_into().ok()?;
            let sums_of: [f64; BINS] = cell.values[..].try_into().ok()?;
            for ((bin, n), confidence) in sums.calibration.iter_mut().zip(counts).zip(sums_of) {
                *bin = Bin { n, confidence, ..*bin };
            }
        }
        CALIBRATION_RIGHT => {
            let counts: [u64; BINS] = cell.counts[..].try_into().ok()?;
            sums.calibration.iter_mut().zip(counts).for_each(|(bin, right)| bin.right = right);
        }
        SCRIPTS => sums.scripts = labelled()?,
        LANGUAGES => sums.languages = labelled()?,
        _ => return None,
    }
    Some(())
}

fn read_resampled(cell: &Cell, resampled: &mut Resampled, index: usize) -> Option<()> {
    (cell.values.len() == resampled.of(index).count()).then(|| resampled.set(index, &cell.values))
}

/// The only count of a row.
fn one(cell: &Cell) -> Option<u64> {
    match cell.counts[..] {
        [n] => Some(n),
        _ => None,
    }
}

/// Keys with their counts.
fn pairs(cell: &Cell) -> Option<impl Iterator<Item = (i64, u64)>> {
    (cell.keys.len() == cell.counts.len()).then(|| cell.keys.iter().copied().zip(cell.counts.iter().copied()))
}

// The three sums that all columns share are the first ones, in this order.
const _: () = assert!(POSITIONS == 0 && NEXT == 1 && BYTES == 2);
