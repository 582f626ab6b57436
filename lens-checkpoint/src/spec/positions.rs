//! Positions that are added to the embedding of tokens.

use super::param::Param;

/// A vector for each position, added to the token embedding.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PositionTable {
    /// The vectors, one a row.
    pub rows: PositionRows,
    /// Row of position 0.
    pub offset: usize,
    /// How many positions there are.
    pub n: usize,
}

/// Where the vectors of positions come from.
#[derive(Debug, Clone, PartialEq)]
pub enum PositionRows {
    /// They were learned: `[positions + offset, d_model]`.
    Learned(Param),
    /// They are computed.
    Sines(Sines),
}

/// Sines in the first half of a vector and cosines in the second (Vaswani et al. 2017): of row `p` the angles are
/// `p 10000^(-j / spread)`, j from 0.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Sines {
    /// Width of a vector, an even number.
    pub width: usize,
    /// How far the frequencies are spread: at `j = spread` it would be 1 / 10000.
    pub spread: usize,
    /// A row that is zero all over.
    pub blank: Option<usize>,
}

/// The largest wavelength is about this times that of the shortest.
const BASE: f64 = 10_000.0;

impl Sines {
    /// Vectors of `width` values; `None` if half the width is no whole number, or there is nothing to spread the
    /// frequencies over.
    pub fn new(width: usize, spread: usize) -> Option<Self> {
        (width.is_multiple_of(2) && spread > 0).then_some(Self { width, spread, blank: None })
    }

    /// The vector of a row, `[width]`.
    pub fn row(&self, row: usize) -> Vec<f32> {
        if self.blank == Some(row) {
            return vec![0.0; self.width];
        }
        let half = self.width / 2;
        let angle = |j: usize| row as f64 * BASE.powf(-(j as f64) / self.spread as f64);
        let sines = (0..half).map(|j| angle(j).sin() as f32);
        sines.chain((0..half).map(|j| angle(j).cos() as f32)).collect()
    }
}

impl PositionTable {
    /// What is stored of it.
    pub(crate) fn param(&self) -> Option<&Param> {
        match &self.rows {
            PositionRows::Learned(param) => Some(param),
            PositionRows::Sines(_) => None,
        }
    }
}
