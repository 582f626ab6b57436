//! Statistics of a corpus, layer by layer, that can be made in parts: whoever reads which documents, the parts put
//! together say the same.
//!
//! For every point and lens: the distributions of entropy, divergences, cross-entropy and ranks, agreement with the final
//! readout and with the token that comes next, calibration, the scripts and languages of the most probable tokens; and
//! where the model decided. Counts add up exactly. Means and variances are put together by Chan's formula, quantiles by
//! counts in buckets, and intervals by a bootstrap whose draws belong to the documents, so that none of them depends on
//! how the corpus was cut but for the rounding of sums. Memory does not grow with the corpus.
//!
//! ```
//! use lens_core::{Lens, Plan, TokenId, corpus::{CorpusOptions, CorpusStatistics, Spelling}, toy::ToyBackend};
//!
//! struct Latin;
//! impl Spelling for Latin {
//!     fn script(&self, _: TokenId) -> &str { "Latin" }
//!     fn language(&self, _: &[TokenId]) -> Option<&str> { None }
//!     fn bytes(&self, _: TokenId) -> Option<usize> { Some(3) }
//! }
//!
//! let mut model = ToyBackend::new(3, 16, 50, 7);
//! let options = CorpusOptions::default();
//! let plan = options.ask(Plan::default().with_components("resid_post".parse()?));
//! let mut parts = Vec::new();
//! for document in 0..4u64 {
//!     let tokens = [document as u32, 14, 15, 9].map(TokenId);
//!     let reading = Lens::new(&mut model).read(&tokens, &plan)?;
//!     let mut part = CorpusStatistics::new(options);
//!     part.add(document, &tokens, &reading, &Latin)?;
//!     part.end_documents();
//!     parts.push(part);
//! }
//! let mut whole = CorpusStatistics::new(options);
//! for part in &parts {
//!     whole.merge(part)?;
//! }
//! let report = whole.report(0.95);
//! assert_eq!((report.documents, report.rows.len()), (4, 3));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cells;
mod error;
mod moments;
mod report;
mod resampled;
mod script;
mod sketch;
mod sums;

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

pub use cells::Cell;
pub use error::CorpusError;
pub use report::{
    CalibrationBin, CorpusReport, CorpusRow, DecidedAt, Distribution, ModelRow, Ranks, Share, Spread,
};
pub use script::{NO_SCRIPT, NO_TEXT, script_of};

use crate::{
    lens::{Plan, Reading},
    point::Point,
    readout::{Question, Readout},
    selection::Selection,
    statistic::Statistic,
    token::TokenId,
};
use resampled::Resampled;
use sums::{OWN, Position, Sums};

/// What is summed up, and how intervals are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CorpusOptions {
    /// How many of the most probable tokens are compared with the final ones and with the next token.
    pub top_k: NonZeroUsize,
    /// How often the documents are resampled.
    pub resamplings: usize,
    /// What the draws depend on.
    pub seed: u64,
}

impl Default for CorpusOptions {
    /// The five most probable tokens, 200 resamplings.
    fn default() -> Self {
        Self { top_k: const { NonZeroUsize::new(5).expect("five is not zero") }, resamplings: 200, seed: 0 }
    }
}

impl CorpusOptions {
    crate::setters! {
        /// How many of the most probable tokens are compared with the final ones and with the next token.
        with_top_k => top_k: NonZeroUsize,
        /// How often the documents are resampled.
        with_resamplings => resamplings: usize,
        /// What the draws depend on.
        with_seed => seed: u64,
    }

    /// A plan with the question that the statistics need answered, at every position.
    #[must_use]
    pub fn ask(&self, plan: Plan) -> Plan {
        let question = Question::default()
            .with_top_k(self.top_k)
            .with_statistics(sums::statistics())
            .with_norm(plan.question.norm)
            .with_tracked(0);
        plan.with_question(question).with_positions(Selection::all())
    }
}

/// What a corpus needs to know of tokens.
pub trait Spelling {
    /// The script of a token, such as [`script_of`] its text.
    fn script(&self, token: TokenId) -> &str;

    /// The language of a text that tokens spell, where that is asked for and can be told.
    fn language(&self, tokens: &[TokenId]) -> Option<&str>;

    /// How many bytes of the text a token stands for: 0 for one that is not of the text (the beginning of a document),
    /// `None` where nobody knows.
    fn bytes(&self, token: TokenId) -> Option<usize>;
}

/// Sums over a document that all columns share: positions, next tokens, their bytes.
const SHARED: usize = 3;
const POSITIONS: usize = 0;
const NEXT: usize = 1;
const BYTES: usize = 2;

/// What is counted of a corpus as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Totals {
    documents: u64,
    windows: u64,
    positions: u64,
    next_tokens: u64,
    bytes: u64,
    /// Tokens that came next and of which nobody knows how many bytes they have.
    unmeasured: u64,
}

/// Statistics of a corpus, or of a part of one.
#[derive(Debug, Clone)]
pub struct CorpusStatistics {
    options: CorpusOptions,
    /// The lenses and points of the inner columns; `None` before anything was added.
    columns: Option<Vec<(Arc<str>, Point)>>,
    totals: Totals,
    /// The final readout's column.
    last: Sums,
    /// `[columns]`
    inner: Vec<Sums>,
    /// Positions by the layer from which on the first lens's most probable token is the final one.
    decided_at: BTreeMap<Option<u16>, u64>,
    resampled: Resampled,
    /// Sums of the documents that are being read.
    pending: BTreeMap<u64, Vec<f64>>,
}

impl CorpusStatistics {
    /// Nothing was read yet.
    pub fn new(options: CorpusOptions) -> Self {
        Self {
            options,
            columns: None,
            totals: Totals::default(),
            last: Sums::default(),
            inner: Vec::new(),
            decided_at: BTreeMap::new(),
            resampled: Resampled::new(options.resamplings, 0, options.seed),
            pending: BTreeMap::new(),
        }
    }

    /// What is summed up.
    pub fn options(&self) -> CorpusOptions {
        self.options
    }

    /// Documents that were read.
    pub fn documents(&self) -> u64 {
        self.totals.documents + self.pending.len() as u64
    }

    /// Positions that were read.
    pub fn positions(&self) -> u64 {
        self.totals.positions
    }

    /// Adds a window of a document, read as [`CorpusOptions::ask`] says. `document` is the document's number in the
    /// corpus, which its draws depend on.
    ///
    /// # Errors
    /// When the reading is not to be believed, was asked something else, or is of other points than those before.
    pub fn add(
        &mut self,
        document: u64,
        tokens: &[TokenId],
        reading: &Reading,
        spelling: &dyn Spelling,
    ) -> Result<(), CorpusError> {
        if reading.self_check.is_some_and(|check| !check.passed) {
            return Err(CorpusError::SelfCheck);
        }
        let columns = reading
            .lens_of
            .iter()
            .zip(&reading.points)
            .map(|(lens, point)| (Arc::from(reading.lenses.name(*lens)), *point));
        self.of_columns(columns.collect())?;
        if let Some(lacking) = lacking(reading) {
            return Err(CorpusError::NotAsked { statistic: lacking });
        }
        let width = SHARED + OWN * (1 + self.inner.len());
        let mut sums = self.pending.remove(&document).unwrap_or_else(|| vec![0.0; width]);
        for (index, last) in reading.finals.iter().enumerate() {
            let next = tokens.get(last.position + 1).copied();
            self.count_position(next, spelling, &mut sums);
            *self.decided_at.entry(last.decided_at.map(|layer| layer as u16)).or_default() += 1;
            let at = Position { token: tokens[last.position], next, last: &last.readout };
            let readouts = std::iter::once(&last.readout).chain(reading.all_at(index).map(|(.., own)| own));
            let columns = std::iter::once(&mut self.last).chain(&mut self.inner);
            let own = sums[SHARED..].chunks_exact_mut(OWN);
            for ((column, readout), own) in columns.zip(readouts).zip(own) {
                column.add(readout, &at, top_script(readout, spelling), own);
            }
        }
        self.count_languages(reading, spelling);
        self.totals.windows += 1;
        self.pending.insert(document, sums);
        Ok(())
    }

    /// The columns that all readings have.
    fn of_columns(&mut self, columns: Vec<(Arc<str>, Point)>) -> Result<(), CorpusError> {
        match &self.columns {
            Some(known) if *known == columns => Ok(()),
            Some(_) => Err(CorpusError::OtherPoints),
            None => {
                self.inner = vec![Sums::default(); columns.len()];
                let width = SHARED + OWN * (1 + columns.len());
                self.resampled = Resampled::new(self.options.resamplings, width, self.options.seed);
                self.columns = Some(columns);
                Ok(())
            }
        }
    }

    fn count_position(&mut self, next: Option<TokenId>, spelling: &dyn Spelling, sums: &mut [f64]) {
        self.totals.positions += 1;
        sums[POSITIONS] += 1.0;
        let Some(next) = next else { return };
        self.totals.next_tokens += 1;
        sums[NEXT] += 1.0;
        match spelling.bytes(next) {
            Some(bytes) => {
                self.totals.bytes += bytes as u64;
                sums[BYTES] += bytes as f64;
            }
            None => self.totals.unmeasured += 1,
        }
    }

    /// Adds the positions of a window to the language of what each column spells.
    fn count_languages(&mut self, reading: &Reading, spelling: &dyn Spelling) {
        let n = reading.finals.len() as u64;
        let tell = |column: &mut Sums, tokens: &mut dyn Iterator<Item = Option<TokenId>>| {
            let tokens: Vec<TokenId> = tokens.flatten().collect();
            if let Some(language) = spelling.language(&tokens) {
                sums::count(&mut column.languages, language, n);
            }
        };
        tell(&mut self.last, &mut reading.finals.iter().map(|last| last.readout.top1()));
        let width = self.inner.len();
        for (index, column) in self.inner.iter_mut().enumerate() {
            tell(column, &mut reading.readouts.iter().skip(index).step_by(width).map(Readout::top1));
        }
    }

    /// Ends the documents that were added: all their windows were.
    pub fn end_documents(&mut self) {
        for (document, sums) in std::mem::take(&mut self.pending) {
            self.resampled.add(document, &sums);
            self.totals.documents += 1;
        }
    }

    /// Adds the statistics of other documents, whose windows have all been added.
    ///
    /// # Errors
    /// When they are of other points, or were made with other options.
    pub fn merge(&mut self, other: &Self) -> Result<(), CorpusError> {
        if self.options != other.options {
            return Err(CorpusError::OtherOptions);
        }
        let Some(columns) = &other.columns else { return Ok(()) };
        self.of_columns(columns.clone())?;
        self.end_documents();
        let (own, theirs) = (&mut self.totals, &other.totals);
        own.documents += theirs.documents;
        own.windows += theirs.windows;
        own.positions += theirs.positions;
        own.next_tokens += theirs.next_tokens;
        own.bytes += theirs.bytes;
        own.unmeasured += theirs.unmeasured;
        self.last.merge(&other.last);
        self.inner.iter_mut().zip(&other.inner).for_each(|(own, other)| own.merge(other));
        for (layer, n) in &other.decided_at {
            *self.decided_at.entry(*layer).or_default() += n;
        }
        self.resampled.merge(&other.resampled);
        Ok(())
    }
}

fn top_script<'s>(readout: &Readout, spelling: &'s dyn Spelling) -> &'s str {
    readout.top1().map_or(NO_TEXT, |token| spelling.script(token))
}

/// The name of a statistic that a reading should have and does not.
fn lacking(reading: &Reading) -> Option<&'static str> {
    let last = &reading.finals.first()?.readout;
    let inner = reading.readouts.first();
    sums::MEASURED
        .into_iter()
        .find(|statistic| match statistic.name() {
            // Where a token comes next, and between two readouts.
            "cross_entropy" | "rank_of_next" => false,
            "entropy" => last.get(*statistic).is_none(),
            _ => inner.is_some_and(|inner| inner.get(*statistic).is_none()),
        })
        .map(Statistic::name)
}
