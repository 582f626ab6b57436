//! What is written beside the statistics: of what run a part is, what it holds, and where the corpus ends.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    num::{NonZeroU64, NonZeroUsize},
};

use lens_core::corpus::CorpusOptions;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::error::PartsError;

/// What all parts of a corpus have in common. Parts of different runs are never put together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// [`Run::FORMAT`].
    pub format: String,
    /// Documents of a part.
    pub part_documents: NonZeroU64,
    /// How many of the most probable tokens are compared.
    pub top_k: NonZeroUsize,
    /// How often documents are resampled.
    pub resamplings: usize,
    /// What the draws depend on.
    pub seed: u64,
    /// Whatever else the numbers depend on, by name: the model, the lenses, what is read of what.
    pub settings: BTreeMap<String, Value>,
    /// What is worth knowing besides, such as what the model is called. Parts that differ in it fit together.
    #[serde(default)]
    pub about: BTreeMap<String, Value>,
}

impl Run {
    /// The version of the layout.
    pub const FORMAT: &'static str = "lens-corpus-run/1";

    /// A run that sums up `options` over parts of `part_documents`.
    pub fn new(
        options: CorpusOptions,
        part_documents: NonZeroU64,
        settings: BTreeMap<String, Value>,
    ) -> Self {
        Self {
            format: Self::FORMAT.to_owned(),
            part_documents,
            top_k: options.top_k,
            resamplings: options.resamplings,
            seed: options.seed,
            settings,
            about: BTreeMap::new(),
        }
    }

    /// With what is worth knowing besides.
    #[must_use]
    pub fn with_about(mut self, about: BTreeMap<String, Value>) -> Self {
        self.about = about;
        self
    }

    /// What its parts depend on: all but what is worth knowing besides.
    pub(super) fn own(&self) -> Self {
        self.clone().with_about(BTreeMap::new())
    }

    /// What its statistics sum up.
    pub fn options(&self) -> CorpusOptions {
        CorpusOptions::default()
            .with_top_k(self.top_k)
            .with_resamplings(self.resamplings)
            .with_seed(self.seed)
    }

    /// The SHA-256 of it, in hexadecimal: which run a part belongs to.
    pub fn digest(&self) -> String {
        sha256(&to_json(&self.own()))
    }

    /// Everything in which another run differs, as sentences.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let (own, other) =
            [self, other].map(|run| serde_json::to_value(run.own()).unwrap_or_default()).into();
        let mut differences = Vec::new();
        let flat = |value: &Value| -> BTreeMap<String, Value> {
            let mut fields: BTreeMap<String, Value> = BTreeMap::new();
            for (name, value) in value.as_object().into_iter().flatten() {
                match value.as_object() {
                    Some(nested) => fields.extend(nested.iter().map(|(k, v)| (k.clone(), v.clone()))),
                    None => drop(fields.insert(name.clone(), value.clone())),
                }
            }
            fields
        };
        let (own, other): (BTreeMap<_, _>, BTreeMap<_, _>) = (flat(&own), flat(&other));
        let names: std::collections::BTreeSet<&String> = own.keys().chain(other.keys()).collect();
        for name in names {
            let said = |fields: &BTreeMap<String, Value>| {
                fields.get(name).map_or("nothing".to_owned(), Value::to_string)
            };
            if own.get(name) != other.get(name) {
                differences.push(format!("{name} ({} there, {} here)", said(&own), said(&other)));
            }
        }
        differences
    }
}

/// A document that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its number in the corpus.
    pub document: u64,
    /// The name that its file gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Why.
    pub error: String,
}

/// A file of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOf {
    /// Its name in the store.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl FileOf {
    /// Describes a file.
    pub fn new(name: String, contents: &[u8]) -> Self {
        Self { name, bytes: contents.len() as u64, sha256: sha256(contents) }
    }
}

/// By whom a part was made: nothing of it is in the statistics.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// Which process of how many, such as `2/8`, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// How long it took, seconds.
    pub time: f64,
}

/// What a part holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`Manifest::FORMAT`].
    pub format: String,
    /// The [digest](Run::digest) of the run.
    pub run: String,
    /// The part's number.
    pub part: u64,
    /// The number of its first document.
    pub first_document: u64,
    /// How many documents it is of, those that could not be read included.
    pub documents: u64,
    /// Positions that were read.
    pub positions: u64,
    /// The SHA-256 of its documents, as they were read.
    pub texts_sha256: String,
    /// Its files.
    pub files: Vec<FileOf>,
    /// The documents that could not be read.
    pub failures: Vec<Failure>,
    /// What has to be said of its numbers, as sentences.
    pub notes: Vec<String>,
    /// By whom it was made.
    pub made: Made,
}

impl Manifest {
    /// The version of the layout.
    pub const FORMAT: &'static str = "lens-corpus-part/1";

    /// The manifest of a part of a run, without its documents.
    pub fn new(run: &Run, part: u64, texts_sha256: String) -> Self {
        Self {
            format: Self::FORMAT.to_owned(),
            run: run.digest(),
            part,
            first_document: part * run.part_documents.get(),
            documents: 0,
            positions: 0,
            texts_sha256,
            files: Vec::new(),
            failures: Vec::new(),
            notes: Vec::new(),
            made: Made::default(),
        }
    }

    lens_core::setters! {
        /// How many documents it is of, those that could not be read included.
        with_documents => documents: u64,
        /// Positions that were read.
        with_positions => positions: u64,
        /// The documents that could not be read.
        with_failures => failures: Vec<Failure>,
        /// What has to be said of its numbers, as sentences.
        with_notes => notes: Vec<String>,
        /// By whom it was made.
        with_made => made: Made,
    }

    /// The name of a part's manifest.
    pub fn name(part: u64) -> String {
        format!("part-{part:08}.json")
    }

    /// The name of a part's statistics.
    pub fn statistics(part: u64) -> String {
        format!("part-{part:08}.parquet")
    }

    /// The name of the rows of a part's tokens.
    pub fn tokens(part: u64) -> String {
        format!("tokens-{part:08}.parquet")
    }
}

/// Where a corpus ends, which only who has read it to its end knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// [`End::FORMAT`].
    pub format: String,
    /// The [digest](Run::digest) of the run.
    pub run: String,
    /// How many documents there are.
    pub documents: u64,
    /// How many parts they are.
    pub parts: u64,
    /// The SHA-256 of the parts' `texts_sha256`, one after the other.
    pub texts_sha256: String,
}

impl End {
    /// The version of the layout.
    pub const FORMAT: &'static str = "lens-corpus-end/1";
    /// Its name in the store.
    pub const NAME: &'static str = "end.json";
}

/// The name of the run in the store.
pub(super) const RUN: &str = "corpus.json";

/// What has a place in the store, as JSON.
pub(super) fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(value).expect("numbers, texts and lists have a JSON form");
    json.push(b'\n');
    json
}

/// What a file of the store says.
pub(super) fn of_json<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, PartsError> {
    serde_json::from_slice(bytes)
        .map_err(|error| PartsError::Broken { name: name.to_owned(), reason: error.to_string() })
}

/// The SHA-256 of some bytes, in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
