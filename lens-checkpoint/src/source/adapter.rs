//! Where an adapter of PEFT comes from: a folder, or the hub; and which model it is for.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{
    CheckpointFiles, CheckpointHeaders, HubId, Progress, Source, SourceError, SourceOptions,
    beside::{AdapterFiles, Base},
    hub::Hub,
    layout,
    lens::is_plain,
    local::{Folder, SomeFiles},
};

/// Finds an adapter, and downloads what is missing of it: a folder if there is one of that name, else a name on the hub,
/// `owner/name` or `owner/name/folder`; `@` and a revision may follow.
///
/// # Errors
/// The name means nothing, the adapter cannot be had, or there is none.
pub fn locate_adapter(
    name: &str,
    options: &SourceOptions,
    progress: &mut dyn Progress,
) -> Result<AdapterFiles, SourceError> {
    let path = match (name.strip_prefix("~/"), &options.home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(name),
    };
    if path.is_dir() {
        return of_folder(&path);
    }
    if path.is_file() {
        let reason =
            "it is a file; give the folder that holds adapter_config.json and the tensors".to_owned();
        return Err(SourceError::NoAdapter { place: path.display().to_string(), reason });
    }
    if name.starts_with(['.', '/', '~']) || path.is_absolute() {
        return Err(SourceError::UnknownFolder { path });
    }
    let (id, revision) = match name.split_once('@') {
        Some((id, revision)) => (id, Some(revision.to_owned())),
        None => (name, None),
    };
    let (id, folder) = match id.match_indices('/').nth(1) {
        Some((at, _)) => (&id[..at], format!("{}/", &id[at + 1..])),
        None => (id, String::new()),
    };
    // A revision that was asked for is the model's.
    let options = options.clone().with_revision(revision);
    of_hub(&id.parse()?, &folder, &options, progress, &[]).map(|(files, _)| files)
}

/// The names of an adapter's files in a folder among the names of all: none where it has none.
fn choose(names: &BTreeSet<String>, folder: &str, others: &[&str]) -> Vec<String> {
    let there =
        |file: &str| Some(format!("{folder}{file}")).filter(|name| names.contains(name) && is_plain(name));
    let weights = layout::ADAPTER_WEIGHTS.into_iter().find_map(there);
    let Some((config, weights)) = there(layout::ADAPTER_CONFIG).zip(weights) else { return Vec::new() };
    [config, weights].into_iter().chain(others.iter().filter_map(|file| there(file))).collect()
}

fn of_folder(path: &Path) -> Result<AdapterFiles, SourceError> {
    let folder = Folder::open(path);
    let files = choose(&folder.names()?, "", &[]);
    if files.is_empty() {
        return Err(none(folder.place));
    }
    let (id, found) = (folder.id.clone(), folder.some(&files)?);
    found_files(id, &found, Vec::new()).ok_or_else(|| none(path.display().to_string()))
}

/// An adapter of the hub, with those of the files `others` that lie beside it.
fn of_hub(
    id: &HubId,
    folder: &str,
    options: &SourceOptions,
    progress: &mut dyn Progress,
    others: &[&str],
) -> Result<(AdapterFiles, SomeFiles), SourceError> {
    let hub = Hub::new(id.clone(), options)?;
    let (found, notes) = hub.some_files(&|names| choose(names, folder, others), progress)?;
    let name = format!("{id}/{folder}").trim_end_matches('/').to_owned();
    let files = found_files(name.clone(), &found, notes).ok_or_else(|| none(name))?;
    Ok((files, found))
}

fn none(place: String) -> SourceError {
    let reason =
        "there is no adapter_config.json with adapter_model.safetensors or adapter_model.bin".to_owned();
    SourceError::NoAdapter { place, reason }
}

fn found_files(id: String, found: &SomeFiles, notes: Vec<String>) -> Option<AdapterFiles> {
    let [config, weights, ..] = found.paths.as_slice() else { return None };
    Some(AdapterFiles {
        root: config.parent()?.to_owned(),
        id,
        revision: found.commit.clone(),
        config: config.clone(),
        weights: weights.clone(),
        notes,
        is_beside: false,
    })
}

/// An adapter that was given in the place of a model.
pub(super) struct Alone {
    files: AdapterFiles,
    base: Base,
    /// Whether its config came from the hub: what it says becomes no path then.
    is_of_hub: bool,
    /// Files of a tokenizer beside it.
    others: Vec<PathBuf>,
}

/// The files of a tokenizer, which a trainer saves beside an adapter.
const TOKENIZER: [&str; 6] = [
    layout::TOKENIZER,
    layout::TOKENIZER_CONFIG,
    layout::SPECIAL_TOKENS_MAP,
    layout::ADDED_TOKENS,
    layout::CHAT_TEMPLATE,
    layout::CHAT_TEMPLATE_JSON,
];

impl Alone {
    pub(super) fn find(
        source: &Source,
        options: &SourceOptions,
        progress: &mut dyn Progress,
    ) -> Result<Self, SourceError> {
        let (files, others, is_of_hub) = match source {
            Source::Hub(id) | Source::HubGguf(id, _) => {
                let (files, found) = of_hub(id, "", options, progress, &TOKENIZER)?;
                (files, found.paths, true)
            }
            Source::Folder(path) | Source::Gguf(path) => {
                let files = of_folder(path)?;
                let folder = Folder::open(path);
                let others = TOKENIZER.iter().filter_map(|file| folder.optional(file).transpose());
                let others = others.collect::<Result<_, _>>()?;
                // A folder of the hub's cache holds what the hub said.
                (files, others, folder.bounds.is_some())
            }
        };
        let base = Base::read(&files.config, &files.id)?;
        Ok(Self { files, base, is_of_hub, others })
    }

    /// The model that it is for, and how to get it.
    pub(super) fn base(&self, options: &SourceOptions) -> Result<(Source, SourceOptions), SourceError> {
        let Some(name) = &self.base.name else {
            let reason = "names no model (base_model_name_or_path)".to_owned();
            return Err(SourceError::NoBase { place: self.files.id.clone(), reason });
        };
        let source = match self.is_of_hub {
            true => name.parse().map(Source::Hub),
            false => Source::parse(name, options.home.as_deref()),
        };
        let source = source.map_err(|error| self.failed(error))?;
        // A folder has no revisions.
        let revision = self.base.revision.clone().filter(|_| matches!(source, Source::Hub(_)));
        Ok((source, options.clone().with_revision(revision)))
    }

    /// Why the model cannot be had.
    pub(super) fn failed(&self, source: SourceError) -> SourceError {
        let base = self.base.name.clone().unwrap_or_default();
        SourceError::Base { place: self.files.id.clone(), base, source: Box::new(source) }
    }

    fn note(&self) -> String {
        format!(
            "{} is an adapter, and is merged into the model that its config names: {}",
            self.files.id,
            self.base.name.as_deref().unwrap_or_default()
        )
    }

    pub(super) fn merged_into(self, base: CheckpointFiles) -> CheckpointFiles {
        let note = self.note();
        let mut files = base.with_adapters(vec![self.files]);
        files.notes.insert(0, note);
        let other = |name: &str| self.others.iter().find(|path| path.ends_with(name)).cloned();
        if let Some(tokenizer) = other(layout::TOKENIZER) {
            files.tokenizer = Some(tokenizer);
            files.tokenizer_config = other(layout::TOKENIZER_CONFIG);
            files.special_tokens_map = other(layout::SPECIAL_TOKENS_MAP);
            files.added_tokens = other(layout::ADDED_TOKENS);
            files.chat_template = other(layout::CHAT_TEMPLATE);
            files.chat_template_json = other(layout::CHAT_TEMPLATE_JSON);
            files.notes.insert(1, "the tokenizer is the one that lies beside the adapter".to_owned());
        }
        files
    }

    pub(super) fn headers_merged_into(self, base: CheckpointHeaders) -> CheckpointHeaders {
        let note = self.note();
        let mut headers = base.with_adapters(vec![self.files]);
        headers.notes.insert(0, note);
        headers
    }
}
