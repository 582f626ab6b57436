//! The result of a run of the lens, in token ids.

use crate::{norm::NormMode, point::Point, readout::Readout, translate::LensSet};

/// The result of a run of the lens, in token ids.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reading {
    /// The points read, in order of execution: one entry for each readout of a position. A point that several lenses
    /// read appears once for each of them.
    pub points: Vec<Point>,
    /// For each of `points`, the lens that reads it, as an index into `lenses`.
    pub lens_of: Vec<usize>,
    /// The lenses.
    pub lenses: LensSet,
    /// What the lenses could not read, as sentences for a person.
    pub notes: Vec<String>,
    /// The positions read, ascending.
    pub positions: Vec<usize>,
    /// The readouts, `[positions, points]` row-major.
    pub readouts: Vec<Readout>,
    /// The model's own answer at each position, `[positions]`.
    pub finals: Vec<FinalReading>,
    /// The norm before the unembedding.
    pub norm: NormMode,
    /// Whether the readout path agrees with the backend's plain matrix product: the worst of the run's comparisons;
    /// `None` until something was compared.
    pub self_check: Option<SelfCheck>,
}

impl Reading {
    /// The first lens's readouts of the `index`-th position read, with their points.
    pub fn at(&self, index: usize) -> impl Iterator<Item = (Point, &Readout)> {
        self.all_at(index).filter(|(lens, ..)| *lens == 0).map(|(_, point, readout)| (point, readout))
    }

    /// Every lens's readouts of the `index`-th position read, each as the index of its lens, its point and the readout.
    pub fn all_at(&self, index: usize) -> impl Iterator<Item = (usize, Point, &Readout)> {
        let width = self.points.len();
        let readouts = self.readouts.iter().skip(index * width).take(width);
        self.lens_of
            .iter()
            .zip(&self.points)
            .zip(readouts)
            .map(|((lens, point), readout)| (*lens, *point, readout))
    }
}

/// The model's own answer at a position.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FinalReading {
    /// The position.
    pub position: usize,
    /// The final readout.
    pub readout: Readout,
    /// First layer from which the top-1 of `resid_post` equals the final top-1 and stays so.
    pub decided_at: Option<usize>,
}

/// The comparison of a final readout with the backend's plain matrix product. A run compares the last final readout of
/// each step of the prompt, and those of the first and the last token that it writes, and keeps the worst.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct SelfCheck {
    /// The position whose final readout was compared.
    pub position: usize,
    /// Largest absolute difference of a logit, among the top tokens and the targets.
    pub max_abs_logit_error: f32,
    /// Absolute difference of the log-sum-exp over the whole vocabulary, nats.
    pub log_sum_exp_error: f32,
    /// Whether rounding explains both differences. A reading that failed must not be believed.
    pub passed: bool,
}

impl Reading {
    /// Keeps `check` if it is the first, or worse than the one before.
    pub(super) fn keep_worse(&mut self, check: SelfCheck) {
        let is_worse = self.self_check.is_none_or(|old| match (old.passed, check.passed) {
            (true, false) => true,
            (false, true) => false,
            _ => check.max_abs_logit_error > old.max_abs_logit_error,
        });
        if is_worse {
            self.self_check = Some(check);
        }
    }
}
