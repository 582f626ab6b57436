//! What inputs name: files, and the files of folders, here and in object stores.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    error::DocumentError,
    found::{Found, Input, Where},
};
use crate::{
    packed::Packing,
    prompts::PromptFormat,
    shown::shown,
    store::{
        Place,
        remote::{Pin, Remote},
    },
};

/// The most names of files that were left out that a note has.
const NAMED: usize = 3;

/// The files of every input, in order.
pub(super) fn found(inputs: &[String]) -> Result<Found, DocumentError> {
    let mut found = Found::default();
    if inputs.is_empty() {
        return Err(DocumentError::NoInput);
    }
    if inputs.iter().filter(|input| *input == "-").count() > 1 {
        return Err(DocumentError::StdinTwice);
    }
    for input in inputs {
        if input == "-" {
            found.inputs.push(Input {
                at: Where::Stdin,
                name: "-".into(),
                format: PromptFormat::Lines,
                whole: false,
            });
            continue;
        }
        match input.parse::<Place>()? {
            Place::Local(path) => local(input, path, &mut found)?,
            Place::Remote(address) => remote(input, &Arc::new(Remote::open(&address)?), &mut found)?,
        }
    }
    Ok(found)
}

fn local(input: &str, path: PathBuf, found: &mut Found) -> Result<(), DocumentError> {
    let failed = |source| DocumentError::Input { input: input.to_owned(), source };
    let about = fs::metadata(&path).map_err(failed)?;
    if !about.is_dir() {
        let size = about.is_file().then_some(about.len());
        let format = PromptFormat::of(Packing::of(&path).1);
        found.inputs.push(Input { at: Where::File(path, size), name: input.into(), format, whole: false });
        return Ok(());
    }
    let mut folder = Folder::new(input);
    let mut walk = Walk::default();
    walk.files(&path).map_err(failed)?;
    walk.files.sort_unstable_by(|one, other| one.sorted.cmp(&other.sorted));
    for name in walk.links {
        folder.links.say(&name);
    }
    for file in walk.files {
        folder.file(&String::from_utf8_lossy(&file.sorted), Where::File(file.path, file.size), found);
    }
    folder.end(found)
}

/// The files below a folder.
#[derive(Default)]
struct Walk {
    files: Vec<LocalFile>,
    /// Links to folders, and to nothing.
    links: Vec<String>,
}

struct LocalFile {
    path: PathBuf,
    /// The path in the folder, with `/` between its parts: what object stores sort by.
    sorted: Vec<u8>,
    /// Of a plain file.
    size: Option<u64>,
}

impl Walk {
    /// Folders are left by a list of those to visit: how deep they are is for others to choose.
    fn files(&mut self, root: &Path) -> io::Result<()> {
        let mut folders = vec![(root.to_owned(), Vec::new())];
        while let Some((folder, prefix)) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let sorted = [&prefix[..], entry.file_name().as_encoded_bytes()].concat();
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    folders.push((entry.path(), [&sorted[..], b"/"].concat()));
                    continue;
                }
                let about = match fs::metadata(entry.path()) {
                    // What a link leads to may contain the link: only links to files are followed.
                    Ok(about) if about.is_dir() => None,
                    Err(_) if kind.is_symlink() => None,
                    about => Some(about?),
                };
                match about {
                    None => self.links.push(String::from_utf8_lossy(&sorted).into_owned()),
                    Some(about) => {
                        let size = about.is_file().then_some(about.len());
                        self.files.push(LocalFile { path: entry.path(), sorted, size });
                    }
                }
            }
        }
        self.links.sort_unstable();
        Ok(())
    }
}

fn remote(input: &str, remote: &Arc<Remote>, found: &mut Found) -> Result<(), DocumentError> {
    let address = input.split_once("://").map_or(input, |(_, rest)| rest);
    let is_folder = address.ends_with('/') || !address.contains('/');
    if !is_folder && let Some(object) = remote.object()? {
        let pin = Pin::of(&object);
        let at = Where::Object { remote: remote.clone(), at: object.location, pin };
        let format = PromptFormat::of(Packing::of(Path::new(input)).1);
        found.inputs.push(Input { at, name: input.into(), format, whole: false });
        return Ok(());
    }
    let objects = remote.objects()?;
    if objects.is_empty() && !is_folder {
        return Err(DocumentError::NoObject { input: input.to_owned() });
    }
    let mut folder = Folder::new(input);
    for object in objects {
        let pin = Pin::of(&object);
        let inner = remote.inner_name(&object.location);
        folder.file(&inner, Where::Object { remote: remote.clone(), at: object.location, pin }, found);
    }
    folder.end(found)
}

/// A folder whose files are looked through.
struct Folder<'a> {
    input: &'a str,
    read: u64,
    others: Others,
    links: Others,
}

impl<'a> Folder<'a> {
    fn new(input: &'a str) -> Self {
        Self { input, read: 0, others: Others::default(), links: Others::default() }
    }

    fn file(&mut self, inner: &str, at: Where, found: &mut Found) {
        let is_stream = matches!(at, Where::File(_, None));
        match form(inner).filter(|_| !is_stream) {
            None => self.others.say(inner),
            Some((format, whole)) => {
                let name = format!("{}/{inner}", self.input.trim_end_matches('/'));
                found.inputs.push(Input { at, name: name.into(), format, whole });
                self.read += 1;
            }
        }
    }

    fn end(self, found: &mut Found) -> Result<(), DocumentError> {
        let input = self.input.to_owned();
        if self.read == 0 {
            return Err(DocumentError::Nothing { input, others: self.others.n + self.links.n });
        }
        let input = shown(&input).into_owned();
        if let Some(names) = self.others.named() {
            found.notes.push(format!(
                "{input}: left out, because their endings are not those of documents: {names}"
            ));
        }
        if let Some(names) = self.links.named() {
            found.notes.push(format!(
                "{input}: left out, because links to folders and to nothing are not followed: {names}"
            ));
        }
        Ok(())
    }
}

/// How many there are, and the names of the first.
#[derive(Default)]
struct Others {
    n: u64,
    first: Vec<String>,
}

impl Others {
    fn say(&mut self, name: &str) {
        self.n += 1;
        if self.first.len() < NAMED {
            self.first.push(shown(name).into_owned());
        }
    }

    fn named(&self) -> Option<String> {
        let more = self.n - self.first.len() as u64;
        let names = self.first.join(", ");
        match (self.n, more) {
            (0, _) => None,
            (_, 0) => Some(names),
            _ => Some(format!("{names} and {more} more")),
        }
    }
}

/// What a file of a folder is, by its name, and whether the whole is one document. Names that begin with a dot are
/// those of other programs.
fn form(inner: &str) -> Option<(PromptFormat, bool)> {
    let path = Path::new(inner);
    if inner.split('/').any(|part| part.starts_with('.')) {
        return None;
    }
    let plain = Packing::of(path).1;
    let ending = plain.extension()?.to_str()?.to_ascii_lowercase();
    match ending.as_str() {
        "txt" => Some((PromptFormat::Lines, true)),
        "jsonl" | "ndjson" | "csv" | "parquet" => Some((PromptFormat::of(plain), false)),
        _ => None,
    }
}
