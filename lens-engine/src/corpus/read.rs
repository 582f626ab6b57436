//! The statistics of a block of documents.

use std::{collections::BTreeMap, ops::ControlFlow};

use anyhow::{Context, Result};
use lens_cli::style::Console;
use lens_core::{
    LONGEST_STEP, Lens, Plan, TokenId,
    corpus::{CorpusOptions, CorpusStatistics},
};
use lens_data::{
    Format, TableWriter,
    parts::{CorpusTokens, Failure, Manifest, TokenAt, to_parquet},
};
use lens_models::{Decoder, fit};
use rayon::prelude::*;

use super::{
    blocks::{Block, Content, InBlock},
    spelling::Spelled,
};
use crate::failure::said;

/// How a block is read.
pub(super) struct Reading<'a> {
    pub(super) plan: Plan,
    pub(super) options: CorpusOptions,
    /// Tokens of a window.
    pub(super) context: usize,
    pub(super) encoder: &'a fit::Documents<'a>,
    pub(super) spelling: Spelled<'a>,
    /// Whether every readout gets a row.
    pub(super) rows: bool,
    /// What has to be said of the numbers, as sentences.
    pub(super) notes: Vec<String>,
}

/// What was read of a block.
pub(super) struct Read {
    pub(super) statistics: CorpusStatistics,
    pub(super) failures: Vec<Failure>,
    /// The table of tokens, whole, if it was asked for.
    rows: Option<Vec<u8>>,
}

/// Some tokens of a document that are read together.
struct Window<'t> {
    document: u64,
    number: u32,
    tokens: &'t [TokenId],
}

type Rows = TableWriter<CorpusTokens, Vec<u8>>;

impl Reading<'_> {
    /// Reads a block; `each` is told how many tokens were read more, and may stop: then there is nothing.
    ///
    /// A document that cannot be read leaves no trace in the statistics: the others are read again without it, as they
    /// would be if it had never been there.
    pub(super) fn read(
        &mut self,
        block: &Block,
        model: &mut Decoder,
        console: &Console,
        each: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Read>> {
        let encoder = self.encoder;
        let mut failed: BTreeMap<u64, String> = BTreeMap::new();
        let mut encoded: Vec<(&InBlock, Vec<TokenId>)> = Vec::new();
        let all: Vec<(&InBlock, Result<Vec<TokenId>>)> =
            block.documents.par_iter().map(|document| (document, tokens_of(encoder, document))).collect();
        for (document, tokens) in all {
            match tokens {
                Ok(tokens) => encoded.push((document, tokens)),
                Err(error) => drop(failed.insert(document.index, said(&error))),
            }
        }
        loop {
            let whole = encoded.iter().filter(|(document, _)| !failed.contains_key(&document.index));
            let windows = windows(whole.map(|(document, tokens)| (document.index, &**tokens)), self.context);
            match self.windows(&windows, model, console, each)? {
                Attempt::Stopped => return Ok(None),
                Attempt::Failed(document, reason) => drop(failed.insert(document, reason)),
                Attempt::Whole(statistics, rows) => {
                    let id = |index: &u64| {
                        block.documents.iter().find(|d| d.index == *index).and_then(|d| d.id.clone())
                    };
                    let failures = failed
                        .iter()
                        .map(|(document, error)| Failure {
                            document: *document,
                            id: id(document),
                            error: error.clone(),
                        })
                        .collect();
                    return Ok(Some(Read { statistics: *statistics, failures, rows }));
                }
            }
        }
    }

    /// The files of a part.
    pub(super) fn files(&self, part: u64, read: &Read) -> Result<Vec<(String, Vec<u8>)>> {
        let mut files = vec![(Manifest::statistics(part), to_parquet(&read.statistics.cells())?)];
        files.extend(read.rows.clone().map(|rows| (Manifest::tokens(part), rows)));
        Ok(files)
    }

    /// Reads windows, as many together as share a pass.
    fn windows(
        &mut self,
        windows: &[Window<'_>],
        model: &mut Decoder,
        console: &Console,
        each: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Attempt> {
        let mut statistics = CorpusStatistics::new(self.options);
        let mut rows = self.rows.then(|| Rows::new(Vec::new(), Format::Parquet)).transpose()?;
        let mut lens = Lens::new(model);
        for group in groups(windows) {
            let prompts: Vec<&[TokenId]> = group.iter().map(|window| window.tokens).collect();
            let read = lens.read_many(&prompts, &self.plan);
            for (window, reading) in group.iter().zip(read) {
                let added = reading.map_err(anyhow::Error::from).and_then(|reading| {
                    statistics.add(window.document, window.tokens, &reading, &self.spelling)?;
                    Ok(reading)
                });
                let reading = match added {
                    Ok(reading) => reading,
                    Err(error) => return Ok(Attempt::Failed(window.document, said(&error))),
                };
                for note in &reading.notes {
                    if !self.notes.contains(note) {
                        console.note(note);
                        self.notes.push(note.clone());
                    }
                }
                if let Some(rows) = &mut rows {
                    add_rows(rows, window, &reading).context("cannot make the table of tokens")?;
                }
            }
            if each(prompts.iter().map(|tokens| tokens.len()).sum()).is_break() {
                return Ok(Attempt::Stopped);
            }
        }
        statistics.end_documents();
        Ok(Attempt::Whole(Box::new(statistics), rows.map(Rows::finish).transpose()?))
    }
}

/// The tokens of a document.
fn tokens_of(encoder: &fit::Documents<'_>, document: &InBlock) -> Result<Vec<TokenId>> {
    let tokens = match &document.content {
        Content::Text(text) => encoder.encode(text)?,
        Content::Tokens(tokens) => tokens.clone(),
        Content::Broken(reason) => anyhow::bail!("{reason}"),
    };
    anyhow::ensure!(!tokens.is_empty(), "it has no token");
    Ok(tokens)
}

/// What became of an attempt to read a block.
enum Attempt {
    Whole(Box<CorpusStatistics>, Option<Vec<u8>>),
    /// A document cannot be read, and why.
    Failed(u64, String),
    Stopped,
}

/// All documents in windows, the longest first and otherwise in their order: windows of similar length share a pass.
fn windows<'t>(documents: impl Iterator<Item = (u64, &'t [TokenId])>, context: usize) -> Vec<Window<'t>> {
    let of = |(document, tokens): (u64, &'t [TokenId])| {
        (0..).zip(tokens.chunks(context.max(1))).map(move |(number, tokens)| Window {
            document,
            number,
            tokens,
        })
    };
    let mut windows: Vec<Window<'t>> = documents.flat_map(of).collect();
    windows.sort_by_key(|window| std::cmp::Reverse(window.tokens.len()));
    windows
}

/// Windows that share a pass.
fn groups<'w, 't>(mut windows: &'w [Window<'t>]) -> impl Iterator<Item = &'w [Window<'t>]> {
    std::iter::from_fn(move || {
        let mut tokens = 0;
        let fits = |window: &&Window<'_>| {
            tokens += window.tokens.len();
            tokens <= LONGEST_STEP
        };
        let n = windows.iter().take_while(fits).count().max(1);
        let (group, rest) = windows.split_at_checked(n)?;
        windows = rest;
        Some(group)
    })
}

/// Adds the rows of a window.
fn add_rows(rows: &mut Rows, window: &Window<'_>, reading: &lens_core::Reading) -> Result<()> {
    for (index, last) in reading.finals.iter().enumerate() {
        let at = TokenAt {
            document: window.document,
            window: window.number,
            position: last.position as u64,
            token: window.tokens[last.position],
            next: window.tokens.get(last.position + 1).copied(),
            lens: None,
            point: None,
        };
        rows.push(&(at, &last.readout))?;
        for (lens, point, readout) in reading.all_at(index) {
            let name = reading.lenses.name(lens);
            rows.push(&(TokenAt { lens: Some(name), point: Some(point), ..at }, readout))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_is_in_one_window_and_no_group_is_longer_than_a_pass() {
        let documents: Vec<Vec<TokenId>> =
            [700u32, 3, 100, 512, 1, 99].map(|n| (0..n).map(TokenId).collect()).into();
        let all = windows((0..).zip(&documents).map(|(i, tokens)| (i, &**tokens)), 100);
        assert!(all.windows(2).all(|pair| pair[0].tokens.len() >= pair[1].tokens.len()));
        for (document, tokens) in (0..).zip(&documents) {
            let mut own: Vec<&Window<'_>> = all.iter().filter(|w| w.document == document).collect();
            own.sort_by_key(|window| window.number);
            assert_eq!(own.iter().flat_map(|window| window.tokens).copied().collect::<Vec<_>>(), *tokens);
        }
        let groups: Vec<&[Window<'_>]> = groups(&all).collect();
        assert_eq!(groups.iter().map(|group| group.len()).sum::<usize>(), all.len());
        for group in groups {
            assert!(group.iter().map(|w| w.tokens.len()).sum::<usize>() <= LONGEST_STEP);
        }
    }
}
