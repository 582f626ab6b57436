//! How well lenses predict: per point and lens, the distance to the model's own answer and to the token that comes.
//!
//! ```
//! use lens_core::{Lens, Plan, TokenId, evaluate::{Evaluation, EvaluationOptions}, toy::ToyBackend};
//!
//! let mut model = ToyBackend::new(3, 16, 50, 7);
//! let mut evaluation = Evaluation::new(EvaluationOptions::default());
//! let plan = Evaluation::ask(Plan::default().with_components("resid_post".parse()?));
//! for first in 0..5 {
//!     let tokens = [first, 14, 15, 9].map(TokenId);
//!     let reading = Lens::new(&mut model).read(&tokens, &plan)?;
//!     evaluation.add(&reading, &tokens, &|_| None)?;
//! }
//! let report = evaluation.report().expect("five sequences were read");
//! let first = &report.rows[0];
//! println!("{} at {}: {:.2} nats from the answer", first.lens, first.point, first.kl_to_final.value);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod bootstrap;
mod report;

use std::sync::Arc;

use crate::{
    lens::{Plan, Reading},
    point::Point,
    readout::{Question, Readout},
    selection::Selection,
    statistic::{Statistic, StatisticSet},
    token::TokenId,
};

use bootstrap::Bootstrap;
pub use bootstrap::Estimate;
pub(crate) use bootstrap::poisson;
pub use report::{EvaluationReport, EvaluationRow};

/// How intervals are found.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct EvaluationOptions {
    /// How often the sequences are resampled.
    pub resamplings: usize,
    /// The share of the resamplings that an interval holds, from 0 to 1.
    pub confidence: f64,
    /// What the draws depend on.
    pub seed: u64,
}

impl Default for EvaluationOptions {
    /// 1000 resamplings, 95 %.
    fn default() -> Self {
        Self { resamplings: 1000, confidence: 0.95, seed: 0 }
    }
}

impl EvaluationOptions {
    crate::setters! {
        /// How often the sequences are resampled.
        with_resamplings => resamplings: usize,
        /// The share of the resamplings that an interval holds.
        with_confidence => confidence: f64,
        /// What the draws depend on.
        with_seed => seed: u64,
    }
}

/// Sums of one sequence that all rows share: positions, next tokens, their bytes, the model's own cross-entropy.
const SHARED: usize = 4;
const POSITIONS: usize = 0;
const NEXT: usize = 1;
const BYTES: usize = 2;
const MODEL: usize = 3;

/// Sums of one sequence for each row: divergence, cross-entropy, agreements.
const OWN: usize = 3;

/// What lenses say of sequences, added up: memory does not grow with their number.
#[derive(Debug, Clone)]
pub struct Evaluation {
    options: EvaluationOptions,
    columns: Vec<(Arc<str>, Point)>,
    bootstrap: Option<Bootstrap>,
    sequences: u64,
    /// Whether every token that came next says how many bytes it has.
    has_bytes: bool,
}

impl Evaluation {
    /// Nothing was read yet.
    pub fn new(options: EvaluationOptions) -> Self {
        Self { options, columns: Vec::new(), bootstrap: None, sequences: 0, has_bytes: true }
    }

    /// A plan with the question that an evaluation needs answered, at every position.
    #[must_use]
    pub fn ask(plan: Plan) -> Plan {
        let statistics =
            [Statistic::KlToFinal, Statistic::CrossEntropy].into_iter().collect::<StatisticSet>();
        let question = Question::default()
            .with_top_k(std::num::NonZeroUsize::MIN)
            .with_statistics(statistics)
            .with_norm(plan.question.norm)
            .with_tracked(0);
        plan.with_question(question).with_positions(Selection::all())
    }

    /// Adds a sequence that was read as [`Evaluation::ask`] says. `bytes` says how many bytes of the text a token
    /// stands for: 0 for one that is not of the text (the beginning of a document), `None` where nobody knows.
    ///
    /// # Errors
    /// When the reading is not to be believed, was asked something else, or is of other points than those before.
    pub fn add(
        &mut self,
        reading: &Reading,
        tokens: &[TokenId],
        bytes: &dyn Fn(TokenId) -> Option<usize>,
    ) -> Result<(), EvaluationError> {
        if reading.self_check.is_some_and(|check| !check.passed) {
            return Err(EvaluationError::SelfCheck);
        }
        let columns: Vec<(Arc<str>, Point)> = reading
            .lens_of
            .iter()
            .zip(&reading.points)
            .map(|(lens, point)| (Arc::from(reading.lenses.name(*lens)), *point))
            .collect();
        if self.bootstrap.is_none() {
            self.columns = columns;
        } else if self.columns != columns {
            return Err(EvaluationError::OtherPoints);
        }
        let values = self.sums(reading, tokens, bytes)?;
        let EvaluationOptions { resamplings, seed, .. } = self.options;
        self.bootstrap.get_or_insert_with(|| Bootstrap::new(values.len(), resamplings, seed)).add(&values);
        self.sequences += 1;
        Ok(())
    }

    /// The sums of one sequence.
    fn sums(
        &mut self,
        reading: &Reading,
        tokens: &[TokenId],
        bytes: &dyn Fn(TokenId) -> Option<usize>,
    ) -> Result<Vec<f64>, EvaluationError> {
        let mut sums = vec![0.0; SHARED + OWN * self.columns.len()];
        for (index, last) in reading.finals.iter().enumerate() {
            sums[POSITIONS] += 1.0;
            let next = tokens.get(last.position + 1);
            if let Some(next) = next {
                sums[NEXT] += 1.0;
                match bytes(*next) {
                    Some(n) => sums[BYTES] += n as f64,
                    None => self.has_bytes = false,
                }
                sums[MODEL] += wanted(&last.readout, Statistic::CrossEntropy)?;
            }
            let answer = last.readout.top.first().map(|top| top.id);
            for (column, (_, _, readout)) in reading.all_at(index).enumerate() {
                let own = &mut sums[SHARED + OWN * column..][..OWN];
                own[0] += wanted(readout, Statistic::KlToFinal)?;
                if next.is_some() {
                    own[1] += wanted(readout, Statistic::CrossEntropy)?;
                }
                own[2] += f64::from(u8::from(readout.top.first().map(|top| top.id) == answer));
            }
        }
        Ok(sums)
    }

    /// What was found; `None` before any sequence was added.
    pub fn report(&self) -> Option<EvaluationReport> {
        let bootstrap = self.bootstrap.as_ref()?;
        let EvaluationOptions { resamplings, confidence, seed } = self.options;
        let ratio = |above, below| bootstrap.ratio(above, below, confidence);
        let per_byte = |above| {
            let nats = ratio(above, BYTES).filter(|_| self.has_bytes)?;
            let bits = |nats: f64| nats / std::f64::consts::LN_2;
            Some(Estimate { value: bits(nats.value), low: bits(nats.low), high: bits(nats.high) })
        };
        let rows = self.columns.iter().enumerate().filter_map(|(i, (lens, point))| {
            let own = SHARED + OWN * i;
            Some(EvaluationRow {
                lens: lens.to_string(),
                point: *point,
                kl_to_final: ratio(own, POSITIONS)?,
                cross_entropy: ratio(own + 1, NEXT),
                bits_per_byte: per_byte(own + 1),
                agreement: ratio(own + 2, POSITIONS)?,
            })
        });
        Some(EvaluationReport {
            sequences: self.sequences,
            positions: bootstrap.sum(POSITIONS) as u64,
            next_tokens: bootstrap.sum(NEXT) as u64,
            bytes: self.has_bytes.then(|| bootstrap.sum(BYTES) as u64),
            confidence,
            resamplings,
            seed,
            cross_entropy: ratio(MODEL, NEXT),
            bits_per_byte: per_byte(MODEL),
            rows: rows.collect(),
        })
    }
}

fn wanted(readout: &Readout, statistic: Statistic) -> Result<f64, EvaluationError> {
    readout.get(statistic).ok_or(EvaluationError::NotAsked { statistic: statistic.name() })
}

/// A reading that cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// The reading failed its self-check.
    #[error(
        "the readouts of a sequence differ from the model's plain matrix product by more than rounding explains"
    )]
    SelfCheck,
    /// The reading lacks a statistic.
    #[error("the reading does not have {statistic}")]
    NotAsked {
        /// Its name.
        statistic: &'static str,
    },
    /// The readings are not of the same points and lenses.
    #[error("a sequence was read at other points, or by other lenses, than those before it")]
    OtherPoints,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lens::Lens,
        toy::ToyBackend,
        translate::{LensChoice, LensMap, LensSet, Provenance, Translator},
    };

    fn tokens(i: u32) -> Vec<TokenId> {
        (0..4 + i % 3).map(|k| TokenId((7 * i + 3 * k) % 50)).collect()
    }

    #[test]
    fn means_are_those_of_the_readouts() {
        let mut model = ToyBackend::new(3, 16, 50, 7);
        let plan = Evaluation::ask(Plan::default().with_components("resid_pre".parse().unwrap()));
        let mut evaluation = Evaluation::new(EvaluationOptions::default());
        let (mut kl, mut surprise, mut agreed) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..12 {
            let tokens = tokens(i);
            let reading = Lens::new(&mut model).read(&tokens, &plan).unwrap();
            for (position, last) in reading.finals.iter().enumerate() {
                let (_, _, readout) = reading.all_at(position).nth(1).unwrap();
                kl.push(readout.get(Statistic::KlToFinal).unwrap());
                surprise.extend(readout.get(Statistic::CrossEntropy));
                agreed.push(f64::from(u8::from(readout.top[0].id == last.readout.top[0].id)));
            }
            evaluation.add(&reading, &tokens, &|token| Some(usize::from(token.0 != 3))).unwrap();
        }
        let report = evaluation.report().unwrap();
        let row = &report.rows[1];
        assert_eq!((&*row.lens, row.point.to_string().as_str()), ("logit", "L1.resid_pre"));
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let near = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-9, "{got}, not {expected}");
        near(row.kl_to_final.value, mean(&kl));
        near(row.cross_entropy.unwrap().value, mean(&surprise));
        near(row.agreement.value, mean(&agreed));
        let bytes = report.bytes.unwrap() as f64;
        assert!(bytes < report.next_tokens as f64);
        let bits = surprise.iter().sum::<f64>() / std::f64::consts::LN_2 / bytes;
        near(row.bits_per_byte.unwrap().value, bits);
        assert_eq!((report.sequences, report.positions), (12, kl.len() as u64));
        assert!(row.kl_to_final.low < row.kl_to_final.value && row.kl_to_final.value < row.kl_to_final.high);
    }

    #[test]
    fn a_lens_that_does_nothing_is_the_plain_one() {
        let mut model = ToyBackend::new(2, 16, 50, 7);
        let nothing = || LensMap::new(16, vec![0.0; 256], None, true).unwrap();
        let tuned = Translator::tuned(16, [(0, nothing()), (1, nothing())], Provenance::default()).unwrap();
        let lenses = LensSet::new([LensChoice::Logit, LensChoice::Translated(tuned.into())]).unwrap();
        let plan = Plan::default().with_components("resid_pre".parse().unwrap()).with_lenses(lenses);
        let plan = Evaluation::ask(plan);
        let mut evaluation = Evaluation::new(EvaluationOptions::default().with_resamplings(20));
        for i in 0..3 {
            let reading = Lens::new(&mut model).read(&tokens(i), &plan).unwrap();
            evaluation.add(&reading, &tokens(i), &|_| None).unwrap();
        }
        let report = evaluation.report().unwrap();
        assert_eq!(report.bytes, None);
        assert_eq!(report.rows.len(), 4);
        for row in report.rows.iter().filter(|row| row.lens == "tuned") {
            let plain = report.rows.iter().find(|other| other.lens == "logit" && other.point == row.point);
            assert_eq!(row.kl_to_final, plain.unwrap().kl_to_final);
            assert_eq!(row.bits_per_byte, None);
        }
    }

    #[test]
    fn what_was_not_asked_or_does_not_fit_is_refused() {
        let mut model = ToyBackend::new(2, 16, 50, 7);
        let mut evaluation = Evaluation::new(EvaluationOptions::default().with_resamplings(2));
        let mut read = |plan: &Plan| Lens::new(&mut model).read(&tokens(1), plan).unwrap();
        let pre = Evaluation::ask(Plan::default().with_components("resid_pre".parse().unwrap()));
        let post = Evaluation::ask(Plan::default().with_components("resid_post".parse().unwrap()));
        assert!(evaluation.report().is_none());
        evaluation.add(&read(&pre), &tokens(1), &|_| None).unwrap();
        let other = evaluation.add(&read(&post), &tokens(1), &|_| None);
        assert_eq!(other, Err(EvaluationError::OtherPoints));
        let bare = pre.clone().with_question(Question::default().with_statistics(StatisticSet::EMPTY));
        let lacking = evaluation.add(&read(&bare), &tokens(1), &|_| None);
        assert!(matches!(lacking, Err(EvaluationError::NotAsked { .. })), "{lacking:?}");
    }
}
