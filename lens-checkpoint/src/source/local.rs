//! Reads a folder as a checkpoint: a user's own, or a snapshot in the hub cache.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::beside::{AdapterFiles, Base, Beside};
use super::bounds::Bounds;
use super::headers::{ShardHeader, read_local_header};
use super::layout::{self, Weights};
use super::{CheckpointFiles, CheckpointHeaders, SourceError, files, index, name};
use crate::limits;

/// Some files of a repository, all on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SomeFiles {
    pub(super) root: PathBuf,
    pub(super) paths: Vec<PathBuf>,
    pub(super) commit: Option<String>,
}

/// A folder with a checkpoint in it.
pub(super) struct Folder {
    pub(super) root: PathBuf,
    pub(super) id: String,
    pub(super) revision: Option<String>,
    /// How messages call it.
    pub(super) place: String,
    /// The GGUF file that is asked for.
    pub(super) gguf: Option<String>,
    /// Where its links may lead; `None` trusts them, as a user's own.
    pub(super) bounds: Option<Bounds>,
}

impl Folder {
    /// A folder that the user named. A snapshot of the hub cache is recognised and keeps its id and commit.
    pub(super) fn open(root: &Path) -> Self {
        let place = root.display().to_string();
        let own = Self {
            root: root.to_owned(),
            id: place.clone(),
            revision: None,
            place,
            gguf: None,
            bounds: None,
        };
        let Ok(path) = std::path::absolute(root) else { return own };
        let Some((commit, snapshots)) = path.file_name().zip(path.parent()) else { return own };
        let Some(repo) = snapshots.parent().filter(|_| snapshots.ends_with("snapshots")) else { return own };
        let text = |name: &std::ffi::OsStr| name.to_str().map(str::to_owned);
        let Some((commit, repo_name)) = text(commit).zip(repo.file_name().and_then(text)) else { return own };
        let Some(id) = repo_name.strip_prefix("models--") else { return own };
        Self {
            id: id.replacen("--", "/", 1),
            revision: name::is_commit(&commit).then_some(commit),
            bounds: Bounds::of_repo(repo),
            ..own
        }
    }

    /// A GGUF file that the user named, in the folder that it lies in.
    pub(super) fn of_gguf(path: &Path) -> Self {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let folder = Self::open(parent);
        match folder.bounds {
            Some(_) => Self { gguf: file, ..folder },
            None => Self { gguf: file, id: path.display().to_string(), ..folder },
        }
    }

    /// The checkpoint's files, all of them there, none a git-lfs pointer, none outside the bounds.
    pub(super) fn files(&self) -> Result<CheckpointFiles, SourceError> {
        // A file in a folder within is meant only where it is named.
        let names = match &self.gguf {
            Some(file) if file.contains('/') => self.all_names()?,
            _ => self.names()?,
        };
        let chosen = layout::choose(&names, self.gguf.as_deref(), &self.place)?;
        let index = match &chosen {
            Weights::Single(_) => None,
            Weights::Sharded(index) => Some(self.required(index)?),
            Weights::Gguf(files) => return self.gguf_files(files),
        };
        let weights = match (chosen, &index) {
            (Weights::Single(file), _) => vec![self.required(file)?],
            (Weights::Sharded(_) | Weights::Gguf(_), None) => Vec::new(),
            (_, Some(index)) => {
                let shard = |shard: String| {
                    let missing =
                        SourceError::MissingShard { place: self.place.clone(), shard: shard.clone() };
                    self.optional(&shard)?.ok_or(missing)
                };
                index::shard_names(index)?.into_iter().map(shard).collect::<Result<_, _>>()?
            }
        };
        Ok(CheckpointFiles {
            config: self.required(layout::CONFIG)?,
            weights,
            index,
            tokenizer: self.optional(layout::TOKENIZER)?,
            tokenizer_config: self.optional(layout::TOKENIZER_CONFIG)?,
            special_tokens_map: self.optional(layout::SPECIAL_TOKENS_MAP)?,
            added_tokens: self.optional(layout::ADDED_TOKENS)?,
            vocab: self.optional(layout::VOCAB)?,
            merges: self.optional(layout::MERGES)?,
            tokenizer_model: self.optional(layout::TOKENIZER_MODEL)?,
            tekken: self.optional(layout::TEKKEN)?,
            generation_config: self.optional(layout::GENERATION_CONFIG)?,
            chat_template: self.optional(layout::CHAT_TEMPLATE)?,
            chat_template_json: self.optional(layout::CHAT_TEMPLATE_JSON)?,
            root: self.root.clone(),
            id: self.id.clone(),
            revision: self.revision.clone(),
            adapters: Vec::new(),
            notes: Vec::new(),
        }
        .with_beside(self.beside()?))
    }

    /// The files of a model in the GGUF format, which needs no others.
    fn gguf_files(&self, names: &[String]) -> Result<CheckpointFiles, SourceError> {
        let weights: Vec<PathBuf> = names.iter().map(|name| self.required(name)).collect::<Result<_, _>>()?;
        Ok(CheckpointFiles {
            config: weights.first().cloned().unwrap_or_default(),
            weights,
            index: None,
            tokenizer: None,
            tokenizer_config: None,
            special_tokens_map: None,
            added_tokens: None,
            vocab: None,
            merges: None,
            tokenizer_model: None,
            tekken: None,
            generation_config: None,
            chat_template: None,
            chat_template_json: None,
            root: self.root.clone(),
            id: self.id.clone(),
            revision: self.revision.clone(),
            adapters: Vec::new(),
            notes: Vec::new(),
        }
        .with_beside(self.beside()?))
    }

    /// What there is of an adapter beside the model.
    pub(super) fn beside(&self) -> Result<Beside, SourceError> {
        let Some(config) = self.optional(layout::ADAPTER_CONFIG)? else { return Ok(Beside::None) };
        let base = Base::read(&config, &self.place)?;
        if !base.is_of(&self.root, &self.id) {
            return Ok(Beside::Other(base));
        }
        for file in layout::ADAPTER_WEIGHTS {
            if let Some(weights) = self.optional(file)? {
                let (id, revision) = (self.id.clone(), self.revision.clone());
                let (root, notes) = (self.root.clone(), Vec::new());
                return Ok(Beside::Own(AdapterFiles {
                    root,
                    id,
                    revision,
                    config,
                    weights,
                    notes,
                    is_beside: true,
                }));
            }
        }
        Ok(Beside::None)
    }

    /// The config and the headers of the weights.
    pub(super) fn headers(&self) -> Result<CheckpointHeaders, SourceError> {
        let files = self.files()?;
        let shards: Result<Vec<ShardHeader>, _> =
            files.weights.iter().map(|path| read_local_header(path)).collect();
        Ok(CheckpointHeaders {
            id: files.id,
            revision: files.revision,
            config: files.config,
            shards: shards?,
            adapters: files.adapters,
            notes: files.notes,
        })
    }

    /// One file, if it is there. A link to nothing counts as absent; a folder, a device or a pipe is refused.
    pub(super) fn optional(&self, file: &str) -> Result<Option<PathBuf>, SourceError> {
        let path = self.root.join(file);
        if !path.exists() {
            return Ok(None);
        }
        files::check_regular(&path).map_err(SourceError::io("read", &path))?;
        if let Some(bounds) = &self.bounds {
            bounds.check(&path)?;
        }
        refuse_lfs_pointer(&path)?;
        Ok(Some(path))
    }

    /// One file that [`names`](Self::names) has listed.
    pub(super) fn required(&self, file: &str) -> Result<PathBuf, SourceError> {
        let path = self.root.join(file);
        let gone = || SourceError::io("open", &path)(std::io::ErrorKind::NotFound.into());
        self.optional(file)?.ok_or_else(gone)
    }

    /// Some files by their names, all of them there.
    pub(super) fn some(&self, files: &[String]) -> Result<SomeFiles, SourceError> {
        let paths = files.iter().map(|file| self.required(file)).collect::<Result<_, _>>()?;
        Ok(SomeFiles { root: self.root.clone(), paths, commit: self.revision.clone() })
    }

    /// The names of the files, those of inner folders as `folder/file`.
    pub(super) fn all_names(&self) -> Result<BTreeSet<String>, SourceError> {
        let mut names = BTreeSet::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let path = self.root.join(&folder);
            let list = std::fs::read_dir(&path).map_err(SourceError::io("list", &path))?;
            for name in list.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
                let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                match self.root.join(&name).is_dir() {
                    // Deeper than any repository is: a link in a circle.
                    true if folder.matches('/').count() < limits::hub::DEEPEST_FOLDER => folders.push(name),
                    true => {}
                    false => drop(names.insert(name)),
                }
            }
        }
        Ok(names)
    }

    /// The names of the files in the folder itself.
    pub(super) fn names(&self) -> Result<BTreeSet<String>, SourceError> {
        let list = std::fs::read_dir(&self.root).map_err(SourceError::io("list", &self.root))?;
        Ok(list.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
    }
}

/// A checkout without git-lfs has small text files where the large files should be.
fn refuse_lfs_pointer(path: &Path) -> Result<(), SourceError> {
    const MAGIC: &[u8] = b"version https://git-lfs";
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut start));
    read.map_err(SourceError::io("read", path))?;
    if start == MAGIC { Err(SourceError::LfsPointer { path: path.to_owned() }) } else { Ok(()) }
}
