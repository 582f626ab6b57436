//! Where a checkpoint comes from: a folder, or the Hugging Face hub and its cache.
//!
//! [`locate`] turns what the user called the model into the paths of its files; [`headers()`] stops at the
//! config and the headers of the weights, a few kilobytes even for the largest model.
//!
//! ```
//! use lens_checkpoint::source::{Silent, SourceError, SourceOptions, locate};
//!
//! let options = SourceOptions::from_lookup(|_| None);
//! let error = locate("./no/such/folder", &options, &mut Silent).unwrap_err();
//! assert!(matches!(error, SourceError::UnknownFolder { .. }));
//! ```
//!
//! # The hub
//!
//! The cache is the one that all of the hub's tools share: what Python has downloaded is found, and what is
//! downloaded here Python finds. A branch or tag is asked for anew each time; a whole commit hash with all
//! files present needs no request. If the hub cannot be reached, or does not show the model, a cached copy
//! stands in and a note says so.
//!
//! # What is trusted
//!
//! Nothing that a server, an index or a link says becomes a path unchecked: an etag and a shard's name must
//! be plain file names, a commit 40 hex digits, and the links of a snapshot stay inside the model's part of
//! the cache. A download gets its name after its size and, where the hub gives one, its sha256 have been
//! compared. The access token goes to the hub's own address and does not follow a redirect to another; it is
//! part of no message.

mod adapter;
mod address;
mod beside;
mod bounds;
mod cache;
mod client;
mod download;
mod draft;
mod error;
pub(crate) mod files;
mod gguf;
mod headers;
mod hub;
pub mod index;
mod layout;
mod lens;
mod local;
mod meta;
mod name;
mod options;
mod pace;
mod progress;
mod retry;
mod token;

use std::path::PathBuf;

use adapter::Alone;
use beside::{Beside, with_given};

pub use adapter::locate_adapter;
pub use beside::AdapterFiles;
pub use error::SourceError;
pub use headers::{CheckpointHeaders, ShardHeader};
pub use lens::{LensSource, locate_lens};
pub use name::{HubId, Source};
pub use options::SourceOptions;
pub use progress::{Event, Progress, Silent};
pub use token::Token;

/// The files of a checkpoint, all on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointFiles {
    /// The folder that they are in.
    pub root: PathBuf,
    /// The hub id, or the folder as it was given.
    pub id: String,
    /// The commit, where it is known.
    pub revision: Option<String>,
    /// config.json; of a GGUF model its first file, whose metadata is its config.
    pub config: PathBuf,
    /// The safetensors files, in the order of their names, or the GGUF files of one model.
    pub weights: Vec<PathBuf>,
    /// model.safetensors.index.json, if the weights are sharded.
    pub index: Option<PathBuf>,
    /// tokenizer.json.
    pub tokenizer: Option<PathBuf>,
    /// tokenizer_config.json.
    pub tokenizer_config: Option<PathBuf>,
    /// special_tokens_map.json.
    pub special_tokens_map: Option<PathBuf>,
    /// added_tokens.json.
    pub added_tokens: Option<PathBuf>,
    /// vocab.json, which is read with merges.txt where there is no tokenizer.json.
    pub vocab: Option<PathBuf>,
    /// merges.txt.
    pub merges: Option<PathBuf>,
    /// tokenizer.model, likewise.
    pub tokenizer_model: Option<PathBuf>,
    /// tekken.json, likewise.
    pub tekken: Option<PathBuf>,
    /// generation_config.json.
    pub generation_config: Option<PathBuf>,
    /// chat_template.jinja.
    pub chat_template: Option<PathBuf>,
    /// chat_template.json.
    pub chat_template_json: Option<PathBuf>,
    /// The adapters that are merged into the model, in the order in which they are added.
    pub adapters: Vec<AdapterFiles>,
    /// What was assumed to find them, as sentences for a person: a cached copy that stands in for a hub that cannot be
    /// reached, the only snapshot of a cache that names no commit. A note may quote a server.
    pub notes: Vec<String>,
}

impl CheckpointFiles {
    /// The same with these adapters, if there are any: one that lies beside the model is left out then, with a note.
    #[must_use]
    pub fn with_adapters(mut self, given: Vec<AdapterFiles>) -> Self {
        (self.adapters, self.notes) = with_given(self.adapters, self.notes, given);
        self
    }

    /// The same with what there is of an adapter beside the model.
    fn with_beside(mut self, beside: Beside) -> Self {
        let (adapters, notes) = beside.into_parts();
        self.adapters.extend(adapters);
        self.notes.extend(notes);
        self
    }
}

/// Finds a checkpoint's files, and downloads those that are missing. Of an adapter without a model these are the files
/// of the model that its config names, with the adapter among them.
///
/// # Errors
/// The name means nothing, the model cannot be had, or its files are not what they should be:
/// see [`SourceError`].
pub fn locate(
    model: &str,
    options: &SourceOptions,
    progress: &mut dyn Progress,
) -> Result<CheckpointFiles, SourceError> {
    let source = source(model, options)?;
    match files_of(&source, options, progress) {
        Err(SourceError::OnlyAdapter { .. }) => {
            let alone = Alone::find(&source, options, progress)?;
            let (base, options) = alone.base(options)?;
            let found = files_of(&base, &options, progress).map_err(|error| alone.failed(error))?;
            Ok(alone.merged_into(found))
        }
        found => found,
    }
}

fn files_of(
    source: &Source,
    options: &SourceOptions,
    progress: &mut dyn Progress,
) -> Result<CheckpointFiles, SourceError> {
    match source {
        Source::Folder(root) => local::Folder::open(root).files(),
        Source::Gguf(path) => local::Folder::of_gguf(path).files(),
        Source::Hub(id) => hub::Hub::new(id.clone(), options)?.files(progress),
        Source::HubGguf(id, file) => {
            hub::Hub::new(id.clone(), options)?.of_gguf(file.clone()).files(progress)
        }
    }
}

/// Finds a checkpoint's config and the headers of its weights, without downloading the weights.
///
/// # Errors
/// As for [`locate`].
pub fn headers(
    model: &str,
    options: &SourceOptions,
    progress: &mut dyn Progress,
) -> Result<CheckpointHeaders, SourceError> {
    let source = source(model, options)?;
    match headers_of(&source, options, progress) {
        Err(SourceError::OnlyAdapter { .. }) => {
            let alone = Alone::find(&source, options, progress)?;
            let (base, options) = alone.base(options)?;
            let found = headers_of(&base, &options, progress).map_err(|error| alone.failed(error))?;
            Ok(alone.headers_merged_into(found))
        }
        found => found,
    }
}

fn headers_of(
    source: &Source,
    options: &SourceOptions,
    progress: &mut dyn Progress,
) -> Result<CheckpointHeaders, SourceError> {
    match source {
        Source::Folder(root) => local::Folder::open(root).headers(),
        Source::Gguf(path) => local::Folder::of_gguf(path).headers(),
        Source::Hub(id) => hub::Hub::new(id.clone(), options)?.headers(progress),
        Source::HubGguf(id, file) => {
            hub::Hub::new(id.clone(), options)?.of_gguf(file.clone()).headers(progress)
        }
    }
}

fn source(model: &str, options: &SourceOptions) -> Result<Source, SourceError> {
    let source = Source::parse(model, options.home.as_deref())?;
    match (&source, &options.revision) {
        (Source::Folder(path) | Source::Gguf(path), Some(revision)) => {
            Err(SourceError::RevisionOfFolder { path: path.clone(), revision: revision.clone() })
        }
        _ => Ok(source),
    }
}
