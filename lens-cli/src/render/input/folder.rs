//! The folder that `lens run -o` has written.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{
    one,
    pieces::{AFTER, BEFORE, Runs},
};

/// Where traces lie in a folder, each with what it is called; trials in the order of their numbers.
fn places(folder: &Path) -> Vec<(Option<String>, PathBuf)> {
    let own = |folder: &Path, label: Option<&str>| {
        let file = folder.join("trace.json");
        let both = [BEFORE, AFTER].map(|side| {
            let name = label.map_or_else(|| side.to_owned(), |label| format!("{label} {side}"));
            (Some(name), folder.join(side).join("trace.json"))
        });
        let alone = (label.map(str::to_owned), file);
        [alone].into_iter().chain(both).filter(|(_, file)| file.is_file()).collect::<Vec<_>>()
    };
    let mut trials: Vec<(u64, PathBuf)> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.strip_prefix("trial_")?.parse().ok()?;
            Some((number, path))
        })
        .collect();
    trials.sort();
    let trials = trials.iter().flat_map(|(number, path)| own(path, Some(&format!("trial {number}"))));
    let mut places = own(folder, None);
    places.extend(trials);
    let lines = folder.join("traces.jsonl");
    if lines.is_file() {
        places.push((None, lines));
    }
    places
}

/// The runs of a folder.
pub(super) fn read(folder: &Path) -> Result<Runs> {
    let places = places(folder);
    if places.is_empty() && folder.join("readouts.parquet").is_file() {
        bail!(
            "{0} holds the tables of a run of many prompts and no trace: read {0}/readouts.parquet with pandas, Polars or \
             DuckDB (docs/tables.md), or write traces with lens run --prompts … --format json > traces.jsonl",
            folder.display()
        );
    }
    if places.is_empty() {
        bail!("{} holds no trace.json: it is not a folder that lens run -o has written", folder.display());
    }
    let mut runs = Runs::default();
    for (label, file) in places {
        let mut more = one(&file)?;
        if let (Some(label), [own]) = (label, &mut more.labels[..]) {
            *own = Some(label);
        }
        runs.append(more);
    }
    Ok(runs)
}
