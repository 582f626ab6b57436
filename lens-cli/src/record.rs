//! The list of the files that lens has written into a folder, so that a later run can take its own away again.
//!
//! `.lens-files.jsonl` has a line for each file. A line is added before its file gets its name: after a crash there may
//! be a line without a file, but no file without a line.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::values::PICTURES;

/// The name of the list.
const LIST: &str = ".lens-files.jsonl";

/// The flat tables of a run.
pub const TABLES: [&str; 2] = ["readouts.parquet", "tokens.parquet"];

/// A list beyond this was not written by lens.
const LONGEST: u64 = 64 << 20;

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// Relative to the folder, with `/` between.
    name: String,
    bytes: u64,
    /// Lower-case hex; empty where the list was not kept yet and the name is all that is known.
    sha256: String,
}

/// What lens has written into a folder: in earlier runs, and in this one.
#[derive(Debug)]
pub struct Record {
    root: PathBuf,
    /// Open from the first file on.
    list: Option<File>,
    earlier: Vec<Entry>,
    own: Vec<Entry>,
}

/// What became of the files of an earlier run that this one did not replace.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    /// How many are gone.
    pub removed: usize,
    /// Files that are not as lens left them any more: they are somebody's work.
    pub kept: Vec<String>,
}

impl Record {
    /// Reads what earlier runs have left in `root`.
    pub fn of(root: &Path) -> Self {
        let earlier = match read_list(&root.join(LIST)) {
            Some(entries) => entries,
            None => unlisted(root),
        };
        Self { root: root.to_owned(), list: None, earlier, own: Vec::new() }
    }

    /// Notes a file that is about to get its name.
    pub fn add(&mut self, name: &str, bytes: u64, sha256: String) -> io::Result<()> {
        let entry = Entry { name: name.to_owned(), bytes, sha256 };
        let line = line(&entry)?;
        match &mut self.list {
            Some(list) => list.write_all(&line)?,
            None => self.list.insert(append(&self.root.join(LIST))?).write_all(&line)?,
        }
        self.own.push(entry);
        Ok(())
    }

    /// Removes the files of earlier runs, once the first file of this one is in its place. Files that others have
    /// changed or put there stay.
    pub fn clear_earlier(&mut self) -> Cleared {
        let mut cleared = Cleared::default();
        for entry in std::mem::take(&mut self.earlier) {
            if self.own.iter().any(|own| own.name == entry.name) {
                continue;
            }
            match self.remove(&entry) {
                Some(true) => cleared.removed += 1,
                Some(false) => cleared.kept.push(entry.name),
                None => {}
            }
        }
        // The list of this run alone. Lines for files that are gone do no harm, should this fail.
        let lines: io::Result<Vec<Vec<u8>>> = self.own.iter().map(line).collect();
        if let (Some(list), Ok(lines)) = (&mut self.list, lines) {
            let _ = list.set_len(0).and_then(|()| list.write_all(&lines.concat()));
        }
        cleared
    }

    /// Removes a file and the folders that are empty then: whether it was removed, or `None` if it is not there.
    fn remove(&self, entry: &Entry) -> Option<bool> {
        let path = self.root.join(&entry.name);
        // A list may be anybody's: only what lens could have written, and through no link.
        if !is_own_name(&entry.name) || !fs::symlink_metadata(&path).ok()?.is_file() {
            return None;
        }
        let mut folders: Vec<&Path> =
            path.ancestors().skip(1).take_while(|folder| *folder != self.root).collect();
        if folders.iter().any(|folder| folder.is_symlink()) {
            return None;
        }
        let removed = is_as_written(&path, entry) && fs::remove_file(&path).is_ok();
        if removed {
            folders.retain(|folder| fs::remove_dir(folder).is_ok());
        }
        Some(removed)
    }
}

fn is_as_written(path: &Path, entry: &Entry) -> bool {
    if entry.sha256.is_empty() {
        return true;
    }
    let same = || {
        let mut file = File::open(path)?;
        if file.metadata()?.len() != entry.bytes {
            return Ok(false);
        }
        let mut hash = Hashing::new(io::sink());
        io::copy(&mut file, &mut hash)?;
        Ok::<_, io::Error>(hash.sha256() == entry.sha256)
    };
    same().unwrap_or(false)
}

fn line(entry: &Entry) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    Ok(line)
}

/// The list, created if need be, to be written at its end; never through a link.
fn append(path: &Path) -> io::Result<File> {
    if path.is_symlink() {
        fs::remove_file(path)?;
    }
    File::options().append(true).create(true).open(path)
}

/// The lines of a list that can be read; the last one may be half.
fn read_list(path: &Path) -> Option<Vec<Entry>> {
    let meta = fs::symlink_metadata(path).ok()?;
    let text = (meta.is_file() && meta.len() <= LONGEST).then(|| fs::read_to_string(path).ok()).flatten()?;
    let mut entries: Vec<Entry> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    // A file that was written twice is as the last line says.
    entries.reverse();
    let mut seen = std::collections::BTreeSet::new();
    entries.retain(|entry| !entry.sha256.is_empty() && seen.insert(entry.name.clone()));
    Some(entries)
}

/// The results of a version that kept no list: files with exactly the names that it gave them, beside a trace of it.
fn unlisted(root: &Path) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut places = vec![String::new()];
    while let Some(place) = places.pop() {
        let names = |below: &str| -> Vec<String> {
            let Ok(entries) = fs::read_dir(root.join(format!("{place}{below}"))) else { return Vec::new() };
            let name = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
            entries.filter_map(name).map(|name| format!("{place}{below}{name}")).collect()
        };
        if place.len() < 32 {
            let folders = names("").into_iter().map(|name| format!("{name}/"));
            places.extend(folders.filter(|name| is_run_folder(name) && root.join(name).is_dir()));
        }
        if is_trace(&root.join(format!("{place}trace.json"))) {
            let files = names("").into_iter().chain(names("heatmaps/")).filter(|name| is_own_name(name));
            found.extend(files.map(|name| Entry { name, bytes: 0, sha256: String::new() }));
        }
    }
    found
}

/// Whether a file begins as every trace does.
fn is_trace(path: &Path) -> bool {
    const START: &[u8] = br#"{"schema":"lens-trace/"#;
    let mut start = [0; START.len()];
    let read = File::open(path).and_then(|mut file| io::Read::read_exact(&mut file, &mut start));
    read.is_ok() && start == START
}

/// Whether a path ends in a folder of one of several runs: `trial_0/`, `before/`, `trial_0/after/`.
fn is_run_folder(path: &str) -> bool {
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    matches!(last, "before" | "after") || is_numbered(last, "trial_")
}

/// Whether this is a name that lens gives to results: see `results::write`.
fn is_own_name(name: &str) -> bool {
    let path = Path::new(name);
    if path.components().any(|part| !matches!(part, Component::Normal(_))) {
        return false;
    }
    let (mut folder, file) = name.rsplit_once('/').unwrap_or(("", name));
    let own = match folder.strip_suffix("heatmaps") {
        Some(above) => {
            folder = above;
            is_picture(file)
        }
        None => {
            let whole = [
                "trace.json",
                "all_layers.json",
                "important_layers.json",
                "lens.html",
                "evaluation.json",
                "evaluation.csv",
                "failures.jsonl",
                "traces.jsonl",
            ];
            let is_of_evaluation = |ending| PICTURES.contains(&ending);
            whole.into_iter().chain(TABLES).any(|name| name == file)
                || file.strip_prefix("evaluation.").is_some_and(is_of_evaluation)
        }
    };
    own && folder.split('/').filter(|part| !part.is_empty()).all(is_run_folder)
}

/// `all_layers_step_3.svg`, `grid_page_2.png` and the like.
fn is_picture(file: &str) -> bool {
    let Some((stem, ending)) = file.rsplit_once('.') else { return false };
    if !PICTURES.contains(&ending) {
        return false;
    }
    let stem = match stem.rsplit_once("_page_") {
        Some((stem, page)) if is_numbered(page, "") => stem,
        _ => stem,
    };
    let stem = without_lens(stem);
    let of_steps = ["all_layers_step_", "important_layers_step_", "heads_step_"];
    stem == "grid" || of_steps.into_iter().any(|start| is_numbered(stem, start))
}

/// A name without that of the lens at its end: `_tuned`, `_jacobian-2`.
fn without_lens(stem: &str) -> &str {
    let Some((before, lens)) = stem.rsplit_once('_') else { return stem };
    let kind = match lens.split_once('-') {
        Some((kind, number)) if is_numbered(number, "") => kind,
        _ => lens,
    };
    if matches!(kind, "logit" | "tuned" | "jacobian") { before } else { stem }
}

fn is_numbered(text: &str, start: &str) -> bool {
    text.strip_prefix(start).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// A writer that knows the hash and the number of what went through it.
pub struct Hashing<W> {
    inner: W,
    hash: Sha256,
    /// How many bytes went through.
    pub bytes: u64,
}

impl<W: Write> Hashing<W> {
    /// Before the first byte.
    pub fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    /// In lower-case hex.
    pub fn sha256(self) -> String {
        self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.hash.update(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::is_own_name;

    #[test]
    fn only_names_of_results_are_own() {
        let own = [
            "trace.json",
            "lens.html",
            "heatmaps/all_layers_step_12.svg",
            "heatmaps/grid_page_2.png",
            "heatmaps/heads_step_1_jacobian-2_page_3.svg",
            "heatmaps/grid_tuned.svg",
            "evaluation.csv",
            "trial_3/heatmaps/important_layers_step_0.png",
            "trial_0/before/all_layers.json",
        ];
        let other = [
            "",
            "notes.txt",
            "trace.json.bak",
            "/etc/trace.json",
            "../trace.json",
            "trial_0/../trace.json",
            "heatmaps/mine.png",
            "heatmaps/mine.svg",
            "heatmaps/grid_mine.svg",
            "heatmaps/grid_page_x.png",
            "heatmaps/all_layers_step_.png",
            "mine/trace.json",
            "trial_x/trace.json",
            "heatmaps/trace.json",
            "grid.png",
            ".lens-files.jsonl",
        ];
        assert_eq!(own.map(is_own_name), [true; 9]);
        assert_eq!(other.map(is_own_name), [false; 16]);
    }
}
