//! Where a lens comes from: a path, or the hub, whose published collections have a layout of their own.
//!
//! | kind | collection | a lens there |
//! |---|---|---|
//! | tuned | the space `AlignmentResearch/tuned-lens` | `lens/<model id>/config.json` and `params.pt` |
//! | Jacobian | `neuronpedia/jacobian-lens` | `<id>/jlens/<corpus>/<model>_jacobian_lens.pt` |
//!
//! A name on the hub may be that of a model (or of a lens of the collection), of the collection itself, which then means
//! the lens of the model that is read, of any repository with a lens at its top, or `owner/name/path`; `@` and a
//! revision may follow. `spaces/` before `owner/name/path` means a space.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use lens_core::LensKind;

use super::{HubId, Progress, SourceError, SourceOptions, hub::Hub, local::SomeFiles};

/// Where a lens lies on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LensSource {
    /// A file, or a folder with the files of a lens.
    pub path: PathBuf,
    /// How people call it: the path as it was given, or its address on the hub with the commit.
    pub address: String,
    /// What was assumed to find it, as sentences for a person.
    pub notes: Vec<String>,
}

/// Finds a lens of a kind, and downloads what is missing of it: a path if there is one of that name, else a name on the
/// hub. `model` is the id of the model that is read.
///
/// # Errors
/// The name means nothing, the lens cannot be had, or the hub has none by that name.
pub fn locate_lens(
    kind: LensKind,
    name: &str,
    model: &str,
    options: &SourceOptions,
    progress: &mut dyn Progress,
) -> Result<LensSource, SourceError> {
    let path = match (name.strip_prefix("~/"), &options.home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(name),
    };
    if path.exists() {
        let address = path.display().to_string();
        return Ok(LensSource { path, address, notes: Vec::new() });
    }
    if name.starts_with(['.', '/', '~']) || path.is_absolute() {
        return Err(SourceError::UnknownPath { path });
    }
    let (id, revision) = match name.split_once('@') {
        Some((id, revision)) => (id, Some(revision.to_owned())),
        None => (name, None),
    };
    // A revision that was asked for is the model's.
    let options = options.clone().with_revision(revision);
    let mut tried = Vec::new();
    for place in places(kind, id, model)? {
        let hub = Hub::new(place.repository.clone(), &options)?;
        match hub.some_files(&|names| place.choose(names), progress) {
            Ok((files, notes)) if !files.paths.is_empty() => return Ok(place.found(&files, notes)),
            Ok(_) => tried.push(format!("{} has none", place.repository)),
            Err(error) if place.is_last => return Err(error),
            Err(error) if is_absence(&error) => tried.push(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    Err(SourceError::NoLens { kind: kind.name(), name: name.to_owned(), tried: tried.join("; ") })
}

/// Whether an error says that something is not there, rather than that it cannot be had.
fn is_absence(error: &SourceError) -> bool {
    matches!(
        error,
        SourceError::NotCached { .. } | SourceError::UnknownModel { .. } | SourceError::Unauthorized { .. }
    )
}

/// A repository that may have the lens, and which files of it that would be.
struct Place {
    repository: HubId,
    wanted: Wanted,
    /// Whether its errors are those of the name.
    is_last: bool,
}

/// Which files of a repository are the lens.
enum Wanted {
    /// This file, or the files of this folder.
    At(String),
    /// A lens at the top.
    Top,
    /// The folder `lens/<id>`.
    Tuned(String),
    /// A file of the folder `id`, or one named after the model `id`.
    Jacobian(String),
}

const TUNED: &str = "AlignmentResearch/tuned-lens";
const JACOBIAN: &str = "neuronpedia/jacobian-lens";
/// How the collection's Jacobian lenses end.
const JACOBIAN_FILE: &str = "_jacobian_lens.pt";

/// The repositories to look into, in order.
fn places(kind: LensKind, id: &str, model: &str) -> Result<Vec<Place>, SourceError> {
    let parts: Vec<&str> = id.split('/').collect();
    let place = |repository: HubId, wanted, is_last| Place { repository, wanted, is_last };
    match parts.as_slice() {
        ["spaces", owner, name, path @ ..] if !path.is_empty() => {
            let repository = format!("{owner}/{name}").parse::<HubId>()?.space();
            return Ok(vec![place(repository, Wanted::At(path.join("/")), true)]);
        }
        [owner, name, path @ ..] if !path.is_empty() => {
            let repository = format!("{owner}/{name}").parse()?;
            return Ok(vec![place(repository, Wanted::At(path.join("/")), true)]);
        }
        _ => {}
    }
    let (collection, wanted): (HubId, fn(String) -> Wanted) = match kind {
        LensKind::Tuned => (TUNED.parse::<HubId>()?.space(), Wanted::Tuned),
        _ => (JACOBIAN.parse()?, Wanted::Jacobian),
    };
    if id == collection.as_str() {
        return Ok(vec![place(collection, wanted(model.to_owned()), false)]);
    }
    let own: HubId = id.parse()?;
    Ok(vec![place(collection, wanted(id.to_owned()), false), place(own, Wanted::Top, false)])
}

impl Place {
    /// The files of the lens among the names of all; none where it has none.
    fn choose(&self, names: &BTreeSet<String>) -> Vec<String> {
        let found = match &self.wanted {
            Wanted::At(path) if names.contains(path) => vec![path.clone()],
            Wanted::At(path) => of_folder(names, &format!("{path}/")),
            Wanted::Top => of_folder(names, ""),
            Wanted::Tuned(id) => of_folder(names, &format!("lens/{id}/")),
            Wanted::Jacobian(id) => of_collection(names, id),
        };
        if found.iter().all(|name| is_plain(name)) { found } else { Vec::new() }
    }

    fn found(&self, files: &SomeFiles, notes: Vec<String>) -> LensSource {
        // Of several files, the folder that they are in.
        let path = match files.paths.as_slice() {
            [only] => only.clone(),
            several => several.first().and_then(|path| path.parent()).unwrap_or(&files.root).to_owned(),
        };
        let within = path.strip_prefix(&files.root).unwrap_or(Path::new("")).display().to_string();
        let within = if within.is_empty() { within } else { format!("/{within}") };
        let commit = files.commit.as_ref().map(|commit| format!("@{commit}")).unwrap_or_default();
        LensSource { path, address: format!("{}{within}{commit}", self.repository), notes }
    }
}

/// The files of a lens in a folder: those of the tuned-lens package, a `lens.safetensors`, or the only `.pt`.
fn of_folder(names: &BTreeSet<String>, folder: &str) -> Vec<String> {
    let has = |file: &str| names.contains(&format!("{folder}{file}"));
    let of = |files: &[&str]| files.iter().map(|file| format!("{folder}{file}")).collect::<Vec<_>>();
    if has("params.pt") && has("config.json") {
        return of(&["config.json", "params.pt"]);
    }
    if has("lens.safetensors") {
        let sidecar = has("lens.sidecar.json").then_some("lens.sidecar.json");
        return of(&["lens.safetensors"].into_iter().chain(sidecar).collect::<Vec<_>>());
    }
    let is_file = |name: &&String| {
        name.strip_prefix(folder).is_some_and(|rest| !rest.contains('/') && rest.ends_with(".pt"))
    };
    let mut found = names.iter().filter(is_file);
    match (found.next(), found.next()) {
        (Some(only), None) => vec![only.clone()],
        _ => Vec::new(),
    }
}

/// The Jacobian lens of a collection: the file in the folder `id`, or else the one that is named after the model, whose
/// owner is not part of that name.
fn of_collection(names: &BTreeSet<String>, id: &str) -> Vec<String> {
    let model = id.rsplit('/').next().unwrap_or(id);
    let file = |name: &&String| name.ends_with(JACOBIAN_FILE);
    let in_folder = |name: &&String| name.split('/').next() == Some(id);
    let named = |name: &&String| {
        let last = name.rsplit('/').next().and_then(|last| last.strip_suffix(JACOBIAN_FILE));
        last.is_some_and(|last| last.eq_ignore_ascii_case(model))
    };
    let found: Vec<&String> = names.iter().filter(file).filter(in_folder).collect();
    let found = if found.is_empty() { names.iter().filter(file).filter(named).collect() } else { found };
    match found.as_slice() {
        [only] => vec![(*only).clone()],
        _ => Vec::new(),
    }
}

/// Whether a name is a path inside a repository that can be an address and a path as it is: folders and a file of
/// plain names.
pub(super) fn is_plain(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    name.split('/').all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_jacobian_lens_is_found_by_folder_and_by_model() {
        let all = names(&[
            "README.md",
            "gpt2-small/jlens/Salesforce-wikitext/gpt2_jacobian_lens.pt",
            "qwen3-1.7b/jlens/Salesforce-wikitext/Qwen3-1.7B_jacobian_lens.pt",
            "qwen3-1.7b/jlens/Salesforce-wikitext/config.yaml",
        ]);
        let qwen = "qwen3-1.7b/jlens/Salesforce-wikitext/Qwen3-1.7B_jacobian_lens.pt";
        for id in ["qwen3-1.7b", "Qwen/Qwen3-1.7B", "Qwen3-1.7B"] {
            assert_eq!(of_collection(&all, id), [qwen], "{id}");
        }
        let gpt2 = "gpt2-small/jlens/Salesforce-wikitext/gpt2_jacobian_lens.pt";
        assert_eq!(of_collection(&all, "openai-community/gpt2"), [gpt2]);
        assert_eq!(of_collection(&all, "gpt2-small"), [gpt2]);
        assert!(of_collection(&all, "owner/gpt2-large").is_empty());
    }

    #[test]
    fn a_folder_is_a_lens_by_its_files() {
        let all =
            names(&["lens/a/b/params.pt", "lens/a/b/config.json", "lens/c/params.pt", "one.pt", "x/y.pt"]);
        assert_eq!(of_folder(&all, "lens/a/b/"), ["lens/a/b/config.json", "lens/a/b/params.pt"]);
        assert_eq!(of_folder(&all, "lens/c/"), ["lens/c/params.pt"]);
        assert_eq!(of_folder(&all, ""), ["one.pt"]);
        assert!(of_folder(&all, "lens/").is_empty());
        assert_eq!(of_folder(&names(&["lens.safetensors", "other.pt"]), ""), ["lens.safetensors"]);
    }

    #[test]
    fn only_plain_names_are_fetched() {
        assert!(is_plain("a-b/c_d/e.pt") && is_plain("x"));
        for bad in ["", "a//b", "../x", "a/../b", "a/.hidden", "/x", "a b", "a\\b", "a%2f"] {
            assert!(!is_plain(bad), "{bad}");
        }
        let place = Place {
            repository: "a/b".parse().unwrap(),
            wanted: Wanted::At("../x.pt".to_owned()),
            is_last: true,
        };
        assert!(place.choose(&names(&["../x.pt"])).is_empty());
    }
}
