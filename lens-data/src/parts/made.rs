//! The parts of one run in a store: which are there, and how another is added.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{
    error::PartsError,
    manifest::{End, FileOf, Manifest, RUN, Run, hex, of_json, to_json},
};
use crate::store::Store;

/// A manifest beyond this is not one: a failure of every document of a large part takes a few mebibytes.
const LARGEST_JSON: u64 = 256 << 20;

/// The most parts of a corpus. Each has statistics of some hundred kilobytes, so that a number beyond this is a mistake; what
/// a store claims is looked at part by part.
pub(super) const MOST_PARTS: u64 = 1 << 22;

/// The parts of one run.
pub struct Parts<'s> {
    store: &'s Store,
    run: Run,
    digest: String,
    /// Files of the store by name, with their sizes, as they were at the beginning.
    files: BTreeMap<String, u64>,
}

/// What a store has of a part.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored {
    /// Nothing, or files without a manifest.
    Nothing,
    /// A manifest whose files are not all there, or have other sizes: the name of the first.
    Incomplete(String),
    /// All of it.
    Whole(Box<Manifest>),
}

impl<'s> Parts<'s> {
    /// The parts of `run`; the store says from now on that it holds them.
    ///
    /// # Errors
    /// When the store holds parts of another run, or cannot be read or written.
    pub fn begin(store: &'s Store, run: &Run) -> Result<Self, PartsError> {
        let known = match read_run(store)? {
            Some(known) => known,
            None => {
                store.put(RUN, to_json(run))?;
                // Another process may have begun another run meanwhile.
                read_run(store)?.unwrap_or_else(|| run.clone())
            }
        };
        if known.own() != run.own() {
            let differences = known.differences(run);
            return Err(PartsError::OtherRun { store: store.to_string(), differences });
        }
        Self::of(store, known)
    }

    /// The parts of the run that the store holds.
    ///
    /// # Errors
    /// When it holds none, or cannot be read.
    pub fn open(store: &'s Store) -> Result<Self, PartsError> {
        match read_run(store)? {
            Some(run) => Self::of(store, run),
            None => Err(PartsError::NoRun { store: store.to_string() }),
        }
    }

    fn of(store: &'s Store, run: Run) -> Result<Self, PartsError> {
        let files = store.list()?.into_iter().map(|entry| (entry.name, entry.size)).collect();
        let digest = run.digest();
        Ok(Self { store, run, digest, files })
    }

    /// What all parts have in common.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Where they are, in words.
    pub fn place(&self) -> String {
        self.store.to_string()
    }

    /// The digest of the run.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub(super) fn store(&self) -> &'s Store {
        self.store
    }

    /// The numbers of the parts that had a manifest at the beginning.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        let number = |name: &String| name.strip_prefix("part-")?.strip_suffix(".json")?.parse().ok();
        // Another spelling of a number is no part's name.
        self.files.keys().filter_map(move |name| number(name).filter(|part| Manifest::name(*part) == *name))
    }

    /// What the store had of a part at the beginning.
    ///
    /// # Errors
    /// When its manifest cannot be read, or is that of another run.
    pub fn stored(&self, part: u64) -> Result<Stored, PartsError> {
        let name = Manifest::name(part);
        if !self.files.contains_key(&name) {
            return Ok(Stored::Nothing);
        }
        let Some(bytes) = self.store.get(&name, LARGEST_JSON)? else { return Ok(Stored::Nothing) };
        let manifest: Manifest = of_json(&name, &bytes)?;
        let reason = match &manifest {
            other if other.format != Manifest::FORMAT => format!("its format is {:?}", other.format),
            other if other.run != self.digest => "it is of another run".to_owned(),
            other if other.part != part => format!("it is of part {}", other.part),
            other if Some(other.first_document) != part.checked_mul(self.run.part_documents.get()) => {
                format!("it begins with document {}", other.first_document)
            }
            _ => {
                let there = |file: &&FileOf| self.files.get(&file.name) != Some(&file.bytes);
                let lost = manifest.files.iter().find(there).map(|file| file.name.clone());
                return Ok(match lost {
                    Some(name) => Stored::Incomplete(name),
                    None => Stored::Whole(Box::new(manifest)),
                });
            }
        };
        Err(PartsError::Broken { name, reason })
    }

    /// Writes a part: its files first, and the manifest once they are there.
    ///
    /// # Errors
    /// When the store cannot be written. Then the part is not there.
    pub fn write(&self, mut manifest: Manifest, files: Vec<(String, Vec<u8>)>) -> Result<(), PartsError> {
        for (name, contents) in files {
            manifest.files.push(FileOf::new(name.clone(), &contents));
            self.store.put(&name, contents)?;
        }
        self.store.put(&Manifest::name(manifest.part), to_json(&manifest))?;
        Ok(())
    }

    /// Where the corpus ends, if some process has come there.
    ///
    /// # Errors
    /// When it cannot be read, or is that of another run.
    pub fn end(&self) -> Result<Option<End>, PartsError> {
        let Some(bytes) = self.store.get(End::NAME, LARGEST_JSON)? else { return Ok(None) };
        let end: End = of_json(End::NAME, &bytes)?;
        if end.format != End::FORMAT || end.run != self.digest {
            let reason = "it is of another run".to_owned();
            return Err(PartsError::Broken { name: End::NAME.to_owned(), reason });
        }
        if end.parts > MOST_PARTS || end.parts != end.documents.div_ceil(self.run.part_documents.get()) {
            let reason =
                format!("{} documents in {} parts of {}", end.documents, end.parts, self.run.part_documents);
            return Err(PartsError::Broken { name: End::NAME.to_owned(), reason });
        }
        Ok(Some(end))
    }

    /// Says where the corpus ends, as this process has read it: `texts` are the parts' `texts_sha256`, in their order.
    ///
    /// # Errors
    /// When another process found another end, or the store cannot be written.
    pub fn write_end(&self, documents: u64, texts: &[String]) -> Result<(), PartsError> {
        let end = End {
            format: End::FORMAT.to_owned(),
            run: self.digest.clone(),
            documents,
            parts: texts.len() as u64,
            texts_sha256: of_texts(texts.iter().map(String::as_str)),
        };
        match self.end()? {
            Some(known) if known == end => Ok(()),
            Some(known) => Err(PartsError::OtherEnd { here: documents, there: known.documents }),
            None => Ok(self.store.put(End::NAME, to_json(&end))?),
        }
    }
}

fn read_run(store: &Store) -> Result<Option<Run>, PartsError> {
    let Some(bytes) = store.get(RUN, LARGEST_JSON)? else { return Ok(None) };
    let run: Run = of_json(RUN, &bytes)?;
    if run.format != Run::FORMAT {
        let reason = format!("its format is {:?}, not {:?}", run.format, Run::FORMAT);
        return Err(PartsError::Broken { name: RUN.to_owned(), reason });
    }
    Ok(Some(run))
}

/// The SHA-256 of the texts' hashes, one after the other.
pub(super) fn of_texts<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let mut hash = Sha256::new();
    texts.for_each(|text| hash.update(text));
    hex(&hash.finalize())
}
