//! All parts of a corpus as one.

use std::{collections::BTreeSet, ops::ControlFlow};

use lens_core::corpus::CorpusStatistics;

use super::{
    error::PartsError,
    made::{MOST_PARTS, Parts, Stored, of_texts},
    manifest::{End, Failure, FileOf, Manifest, Run, sha256},
    table::of_parquet,
};

/// The statistics of a part are some hundred kilobytes; of thousands of columns, some hundred mebibytes.
const LARGEST_PART: u64 = 4 << 30;

/// A corpus, put together.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Merged {
    /// What all parts had in common.
    pub run: Run,
    /// The statistics of all that was read.
    pub statistics: CorpusStatistics,
    /// How many parts were put together.
    pub parts: u64,
    /// How many documents the corpus has: those that were read, that could not be, and that are missing. `None` where
    /// nobody has come to its end.
    pub documents: Option<u64>,
    /// The SHA-256 of the parts' texts, if none is missing.
    pub texts_sha256: Option<String>,
    /// The documents that could not be read, by their number.
    pub failures: Vec<Failure>,
    /// What has to be said of the numbers, each sentence once.
    pub notes: Vec<String>,
    /// What is missing.
    pub missing: Option<Missing>,
}

/// Parts that were not put together because they are not there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// Their numbers.
    pub parts: Vec<u64>,
    /// Whether nobody has read the corpus to its end, so that there may be more.
    pub end: bool,
}

/// Puts all parts together, one after the other in their order: memory does not grow with their number. `each` is told
/// how many are done and how many there are, and may stop.
///
/// # Errors
/// When a part cannot be read, is not the one that its manifest describes, or is of another run or other texts than the
/// others; and, unless `partial`, when one is missing.
pub fn merge(
    parts: &Parts<'_>,
    partial: bool,
    each: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Option<Merged>, PartsError> {
    let end = parts.end()?;
    let there: BTreeSet<u64> = parts.numbers().collect();
    if end.is_none() && !partial {
        return Err(PartsError::NoEnd { parts: there.len() });
    }
    if let Some(beyond) = there.range(MOST_PARTS..).next() {
        let reason = format!("no corpus has more than {MOST_PARTS} parts");
        return Err(PartsError::Broken { name: Manifest::name(*beyond), reason });
    }
    let n = end.as_ref().map_or_else(|| there.last().map_or(0, |last| last + 1), |end| end.parts);
    if let Some(beyond) = there.range(n..).next() {
        let reason = format!("the corpus ends with part {}", n.saturating_sub(1));
        return Err(PartsError::Broken { name: Manifest::name(*beyond), reason });
    }
    let mut merged = Merged {
        run: parts.run().clone(),
        statistics: CorpusStatistics::new(parts.run().options()),
        parts: 0,
        documents: end.as_ref().map(|end| end.documents),
        texts_sha256: None,
        failures: Vec::new(),
        notes: Vec::new(),
        missing: None,
    };
    let (mut texts, mut missing) = (Vec::new(), Vec::new());
    for part in 0..n {
        if each(part, n).is_break() {
            return Ok(None);
        }
        match parts.stored(part)? {
            Stored::Whole(manifest) => {
                add(parts, &manifest, &mut merged)?;
                texts.push(manifest.texts_sha256);
            }
            Stored::Nothing | Stored::Incomplete(_) => missing.push(part),
        }
    }
    if !missing.is_empty() || end.is_none() {
        if !partial {
            return Err(lost(&missing, n, end.as_ref(), parts.run()));
        }
        merged.missing = Some(Missing { parts: missing, end: end.is_none() });
    } else if let Some(end) = end {
        let texts = of_texts(texts.iter().map(String::as_str));
        if texts != end.texts_sha256 {
            let reason = "the parts are of other texts".to_owned();
            return Err(PartsError::Broken { name: End::NAME.to_owned(), reason });
        }
        merged.texts_sha256 = Some(texts);
    }
    Ok(Some(merged))
}

/// Adds one part.
fn add(parts: &Parts<'_>, manifest: &Manifest, merged: &mut Merged) -> Result<(), PartsError> {
    let name = Manifest::statistics(manifest.part);
    let other = |reason: String| PartsError::OtherFile {
        name: name.clone(),
        manifest: Manifest::name(manifest.part),
        reason,
    };
    let Some(file) = manifest.files.iter().find(|file| file.name == name) else {
        return Err(other("it names no such file".to_owned()));
    };
    let bytes = parts.store().get(&name, LARGEST_PART)?.ok_or_else(|| other("it is not there".to_owned()))?;
    if bytes.len() as u64 != file.bytes || sha256(&bytes) != file.sha256 {
        let FileOf { sha256: expected, bytes: size, .. } = file;
        return Err(other(format!(
            "{} bytes with sha256 {}, not {size} with {expected}",
            bytes.len(),
            sha256(&bytes)
        )));
    }
    let cells = of_parquet(bytes).map_err(|reason| PartsError::Broken { name: name.clone(), reason })?;
    let failed = |source| PartsError::Statistics { name: name.clone(), source };
    let part = CorpusStatistics::from_cells(parts.run().options(), &cells).map_err(failed)?;
    if part.positions() != manifest.positions
        || part.documents().checked_add(manifest.failures.len() as u64) != Some(manifest.documents)
    {
        return Err(other("it is of other documents".to_owned()));
    }
    merged.statistics.merge(&part).map_err(failed)?;
    merged.parts += 1;
    merged.failures.extend(manifest.failures.iter().cloned());
    for note in &manifest.notes {
        if !merged.notes.contains(note) {
            merged.notes.push(note.clone());
        }
    }
    Ok(())
}

/// Which parts are missing, in words.
fn lost(missing: &[u64], parts: u64, end: Option<&End>, run: &Run) -> PartsError {
    const NAMED: usize = 20;
    let of = run.part_documents.get();
    let last = end.map_or(u64::MAX, |end| end.documents);
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for part in missing {
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == *part => *end = *part,
            _ => ranges.push((*part, *part)),
        }
    }
    let mut which: Vec<String> = ranges
        .iter()
        .take(NAMED)
        .map(|(from, to)| {
            let last = (to + 1).saturating_mul(of).min(last).saturating_sub(1);
            let documents = format!("documents {} to {last}", from.saturating_mul(of));
            if from == to { format!("{from} ({documents})") } else { format!("{from} to {to} ({documents})") }
        })
        .collect();
    if ranges.len() > NAMED {
        which.push(format!("and {} more", ranges.len() - NAMED));
    }
    PartsError::Missing { missing: missing.len() as u64, parts, which: which.join(", ") }
}
