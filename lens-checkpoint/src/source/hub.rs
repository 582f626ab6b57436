//! A model of the hub: from the cache where it is there, over the network where it is not.

use std::collections::BTreeSet;

use hf_hub::api::RepoInfo;
use ureq::http::Method;

use super::beside::Base;
use super::cache::ModelCache;
use super::client::{Client, Follow, Subject};
use super::download::Download;
use super::gguf::is_gguf;
use super::headers::{fetch_gguf_header, fetch_header, read_local_header};
use super::layout::{self, Weights};
use super::local::Folder;
use super::meta::FileMeta;
use super::name::{HubId, Revision, is_commit};
use super::progress::{Event, Progress};
use super::retry::Retry;
use super::{CheckpointFiles, CheckpointHeaders, SourceError, SourceOptions, index, local::SomeFiles};

/// A model at a revision.
pub(super) struct Hub<'a> {
    id: HubId,
    revision: Revision,
    options: &'a SourceOptions,
    cache: ModelCache,
    /// The GGUF file that is asked for.
    gguf: Option<String>,
}

impl<'a> Hub<'a> {
    pub(super) fn new(id: HubId, options: &'a SourceOptions) -> Result<Self, SourceError> {
        let revision = options.revision.as_deref().unwrap_or("main").parse()?;
        let cache = ModelCache::new(options.cache()?, &id);
        Ok(Self { id, revision, options, cache, gguf: None })
    }

    /// The same with one GGUF file in place of what the repository would be read by.
    pub(super) fn of_gguf(self, file: String) -> Self {
        Self { gguf: Some(file), ..self }
    }

    /// All files, fetched where they are not cached.
    pub(super) fn files(&self, progress: &mut dyn Progress) -> Result<CheckpointFiles, SourceError> {
        let all = |commit: &str| self.nothing_to_ask(commit);
        let (files, notes) =
            self.get(progress, all, Folder::files, |online, progress| online.files(progress))?;
        Ok(CheckpointFiles { notes: [notes, files.notes].concat(), ..files })
    }

    /// The config and the headers of the weights, without the weights.
    pub(super) fn headers(&self, progress: &mut dyn Progress) -> Result<CheckpointHeaders, SourceError> {
        let all = |commit: &str| self.nothing_to_ask(commit);
        let (headers, notes) =
            self.get(progress, all, Folder::headers, |online, progress| online.headers(progress))?;
        Ok(CheckpointHeaders { notes: [notes, headers.notes].concat(), ..headers })
    }

    /// The files that `choose` picks among the names of all, fetched where they are not cached: their paths, and the
    /// commit. `None` where it picks none.
    pub(super) fn some_files(
        &self,
        choose: &dyn Fn(&BTreeSet<String>) -> Vec<String>,
        progress: &mut dyn Progress,
    ) -> Result<(SomeFiles, Vec<String>), SourceError> {
        let cached = |folder: &Folder| {
            let files = choose(&folder.all_names()?);
            if files.is_empty() {
                return Err(self.not_cached(None));
            }
            folder.some(&files)
        };
        // What was picked from a part of the names need not be what would be picked from all.
        self.get(
            progress,
            |_| true,
            cached,
            |online, progress| {
                let files = choose(&online.names);
                for file in &files {
                    online.fetch(file, progress)?;
                }
                let found = self.folder(&online.commit).some(&files)?;
                if !files.is_empty()
                    && let Err(error) = self.cache.write_ref(&self.revision, &online.commit)
                {
                    progress.event(Event::Note(&format!(
                        "{error}: offline, this copy will be found by its commit only"
                    )));
                }
                Ok(found)
            },
        )
    }

    /// The cache alone when offline, or when it is known to have `all` there is at that commit; else the hub;
    /// and the cache again if the hub cannot be reached or does not show the model. With it, what was assumed.
    fn get<T>(
        &self,
        progress: &mut dyn Progress,
        all: impl Fn(&str) -> bool,
        cached: impl Fn(&Folder) -> Result<T, SourceError>,
        fetched: impl Fn(&Online<'_>, &mut dyn Progress) -> Result<T, SourceError>,
    ) -> Result<(T, Vec<String>), SourceError> {
        let known = self.cache.commit_of(&self.revision);
        let only = known.is_none().then(|| self.only_snapshot()).flatten();
        let assumed = only.as_ref().map(|commit| {
            format!(
                "the cache of {} does not say which commit {} is: its only snapshot, {commit}, is used",
                self.id,
                self.revision.as_str()
            )
        });
        let commit = known.or(only);
        let in_cache = commit.as_ref().map(|commit| cached(&self.folder(commit)));
        if self.options.offline {
            let found = in_cache.unwrap_or_else(|| Err(self.not_cached(None)));
            return found.map(|found| (found, Vec::from_iter(assumed))).map_err(|error| self.offline(error));
        }
        // An adapter alone is one in the cache as well, if the hub cannot be asked.
        let mut only_adapter = None;
        let in_cache = match (in_cache, commit) {
            (Some(Ok(found)), Some(commit)) => {
                if self.revision.is_commit() && all(&commit) {
                    return Ok((found, Vec::new()));
                }
                Some((found, commit))
            }
            // A link out of the cache is not mended by a download.
            (Some(Err(error @ SourceError::EscapingLink { .. })), _) => return Err(error),
            (Some(Err(error @ SourceError::OnlyAdapter { .. })), _) => {
                only_adapter = Some(error);
                None
            }
            _ => None,
        };
        let client = Client::new(self.options)?;
        let online = Online::resolve(self, &client, in_cache.is_some(), progress);
        match online.and_then(|online| fetched(&online, progress)) {
            Err(error) if error.lets_cache_stand_in() => match in_cache {
                Some((found, commit)) => {
                    let note = format!("{error}; using the cached copy of {} at commit {commit}", self.id);
                    Ok((found, [note].into_iter().chain(assumed).collect()))
                }
                None => Err(only_adapter.unwrap_or(error)),
            },
            result => Ok((result?, Vec::new())),
        }
    }

    /// The one snapshot of a cache that knows no branch or tag, where the user asks for none by name.
    fn only_snapshot(&self) -> Option<String> {
        if self.options.revision.is_some() || !self.cache.has_no_refs() {
            return None;
        }
        let mut commits = self.cache.commits();
        if commits.len() == 1 { commits.pop() } else { None }
    }

    /// Whether each optional file is either cached or known not to exist.
    fn nothing_to_ask(&self, commit: &str) -> bool {
        let known = |file| self.cached(commit, file) || self.cache.is_marked_absent(commit, file);
        layout::OPTIONAL.iter().all(|file| known(file))
    }

    fn cached(&self, commit: &str, file: &str) -> bool {
        self.cache.snapshot(commit).join(file).is_file()
    }

    fn folder(&self, commit: &str) -> Folder {
        Folder {
            root: self.cache.snapshot(commit),
            id: self.id.to_string(),
            revision: Some(commit.to_owned()),
            place: format!("{} at commit {commit}", self.id),
            gguf: self.gguf.clone(),
            bounds: self.cache.bounds(),
        }
    }

    fn not_cached(&self, file: Option<String>) -> SourceError {
        let cache = self.cache.root().to_owned();
        SourceError::NotCached {
            id: self.id.to_string(),
            revision: self.revision.as_str().to_owned(),
            file,
            cache,
            snapshots: self.cache.commits(),
        }
    }

    /// What is missing in a cache was not fetched yet, as far as one can know offline.
    fn offline(&self, error: SourceError) -> SourceError {
        match error {
            SourceError::NoConfig { .. } => self.not_cached(Some(layout::CONFIG.into())),
            SourceError::NoWeights { .. } => self.not_cached(Some(layout::SINGLE.into())),
            SourceError::MissingShard { shard, .. } => self.not_cached(Some(shard)),
            error => error,
        }
    }
}

/// A model whose commit and list of files the hub has told.
struct Online<'a> {
    hub: &'a Hub<'a>,
    client: &'a Client,
    commit: String,
    names: BTreeSet<String>,
}

impl<'a> Online<'a> {
    /// Asks which commit the revision is and what files it has. With a copy at hand, once is enough.
    fn resolve(
        hub: &'a Hub<'a>,
        client: &'a Client,
        has_copy: bool,
        progress: &mut dyn Progress,
    ) -> Result<Self, SourceError> {
        let url = client.revision_url(&hub.id, &hub.revision);
        let subject = Subject { id: &hub.id, revision: hub.revision.as_str(), file: None };
        let ask = || client.send(&Method::GET, &url, None, Follow::Anywhere, subject)?.read();
        let body = if has_copy { ask() } else { Retry::new(hub.options).run(progress, ask) }?;
        let bad = |reason: String| SourceError::BadReply { url: url.clone(), reason };
        let info: RepoInfo = serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))?;
        if !is_commit(&info.sha) {
            return Err(bad(format!("its commit is {:?}", info.sha)));
        }
        let names = info.siblings.into_iter().map(|sibling| sibling.rfilename).collect();
        Ok(Self { hub, client, commit: info.sha, names })
    }

    fn files(&self, progress: &mut dyn Progress) -> Result<CheckpointFiles, SourceError> {
        let weights = self.small_files(&layout::OPTIONAL, progress)?;
        for file in &weights {
            self.fetch(file, progress)?;
        }
        let files = self.hub.folder(&self.commit).files()?;
        // Last of all, and here only: a branch should not move away from a whole copy to a partial one.
        if let Err(error) = self.hub.cache.write_ref(&self.hub.revision, &self.commit) {
            progress
                .event(Event::Note(&format!("{error}: offline, this copy will be found by its commit only")));
        }
        Ok(files)
    }

    fn headers(&self, progress: &mut dyn Progress) -> Result<CheckpointHeaders, SourceError> {
        let weights = self.small_files(&[], progress)?;
        let folder = self.hub.folder(&self.commit);
        let mut shards = Vec::new();
        for file in &weights {
            // What a pickle holds is said at its end, and of the older form everywhere.
            if file.ends_with(layout::TORCH_END) {
                if folder.optional(file)?.is_none() {
                    progress.event(Event::Note(&format!(
                        "{file} is a pickle, which does not say at its beginning what it holds: all of it is fetched, and \
                         kept in the cache"
                    )));
                }
                self.fetch(file, progress)?;
            }
            shards.push(match folder.optional(file)? {
                Some(path) => read_local_header(&path)?,
                None => {
                    let url = self.client.file_url(&self.hub.id, &self.commit, file);
                    let fetch = || match is_gguf(file) {
                        true => fetch_gguf_header(self.client, &url, self.subject(file)),
                        false => fetch_header(self.client, &url, self.subject(file)),
                    };
                    Retry::new(self.hub.options).run(progress, fetch)?
                }
            });
        }
        let config = match weights.first() {
            Some(file) if is_gguf(file) => folder.root.join(file),
            _ => folder.required(layout::CONFIG)?,
        };
        let (adapters, notes) = folder.beside()?.into_parts();
        let (id, revision) = (folder.id, folder.revision);
        Ok(CheckpointHeaders { id, revision, config, shards, adapters, notes })
    }

    /// Fetches the config, the index and those of the `optional` files that exist; says which files hold the
    /// weights.
    fn small_files(
        &self,
        optional: &[&str],
        progress: &mut dyn Progress,
    ) -> Result<Vec<String>, SourceError> {
        let folder = self.hub.folder(&self.commit);
        let weights = layout::choose(&self.names, self.hub.gguf.as_deref(), &folder.place)?;
        if let Weights::Gguf(files) = &weights {
            return Ok(files.clone());
        }
        self.fetch(layout::CONFIG, progress)?;
        self.adapter_beside(progress)?;
        for file in optional {
            if self.names.contains(*file) {
                self.fetch(file, progress)?;
            } else {
                self.hub.cache.mark_absent(&self.commit, file);
            }
        }
        if !optional.is_empty() && !self.names.contains(layout::TOKENIZER) {
            for file in layout::INSTEAD_OF_TOKENIZER.iter().filter(|file| self.names.contains(**file)) {
                self.fetch(file, progress)?;
            }
        }
        let index = match weights {
            Weights::Gguf(files) => return Ok(files),
            Weights::Single(file) => return Ok(vec![file.to_owned()]),
            Weights::Sharded(index) => index,
        };
        self.fetch(index, progress)?;
        // The folder anew: its bounds exist since something was fetched into it.
        let shards = index::shard_names(&self.hub.folder(&self.commit).required(index)?)?;
        match shards.iter().find(|shard| !self.names.contains(*shard)) {
            Some(shard) => Err(SourceError::MissingShard { place: folder.place, shard: shard.clone() }),
            None => Ok(shards),
        }
    }

    /// Fetches the adapter that lies beside the model, if it is one for it.
    fn adapter_beside(&self, progress: &mut dyn Progress) -> Result<(), SourceError> {
        let weights = layout::ADAPTER_WEIGHTS.into_iter().find(|file| self.names.contains(*file));
        let Some(weights) = weights.filter(|_| self.names.contains(layout::ADAPTER_CONFIG)) else {
            return Ok(());
        };
        self.fetch(layout::ADAPTER_CONFIG, progress)?;
        // The folder anew: its bounds exist since something was fetched into it.
        let folder = self.hub.folder(&self.commit);
        let base = Base::read(&folder.required(layout::ADAPTER_CONFIG)?, &folder.place)?;
        if base.is_of(&folder.root, &folder.id) { self.fetch(weights, progress) } else { Ok(()) }
    }

    fn subject<'s>(&'s self, file: &'s str) -> Subject<'s> {
        Subject { id: &self.hub.id, revision: self.hub.revision.as_str(), file: Some(file) }
    }

    /// Makes sure that one file is in the snapshot.
    fn fetch(&self, file: &str, progress: &mut dyn Progress) -> Result<(), SourceError> {
        let (hub, cache) = (self.hub, &self.hub.cache);
        if hub.cached(&self.commit, file) {
            return Ok(());
        }
        let url = self.client.file_url(&hub.id, &self.commit, file);
        let subject = self.subject(file);
        let meta = Retry::new(hub.options).run(progress, || FileMeta::ask(self.client, &url, subject))?;
        let blob = cache.blob(&meta.etag);
        super::cache::create_parent(&blob)?;
        let _lock = cache.lock(&meta.etag, progress)?;
        if hub.cached(&self.commit, file) {
            return Ok(()); // by another process, meanwhile
        }
        let whole =
            std::fs::metadata(&blob).is_ok_and(|found| meta.size.is_none_or(|size| size == found.len()));
        if !whole {
            let download = Download { client: self.client, url: &url, subject, file, meta: &meta };
            download.run(&blob, &mut Retry::new(hub.options), progress)?;
        }
        cache.link(&meta.etag, &self.commit, file)
    }
}
