//! Every command that writes files, and what it needs for that.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use tempfile::TempDir;

use super::{lens, words};

/// A command that writes `target`, a file or a folder of that name.
pub(super) struct Writer {
    pub(super) line: &'static str,
    pub(super) target: &'static str,
    /// KiB that are not enough for it.
    pub(super) too_few: u64,
}

const fn writer(line: &'static str, target: &'static str, too_few: u64) -> Writer {
    Writer { line, target, too_few }
}

/// What reads a prompt, with `IN` for the folder of [`inputs`].
pub(super) const RUNS: &[Writer] = &[
    writer("run hi -o x.json", "x.json", 8),
    writer("run hi -o x.csv", "x.csv", 8),
    writer("run hi -o x.parquet", "x.parquet", 8),
    writer("run hi -o x.arrow", "x.arrow", 8),
    writer("run hi --format jsonl -o x.jsonl.gz", "x.jsonl.gz", 4),
    writer("run hi -n 2 -o out", "out", 0),
    writer("run hi -n 2 -o out", "out", 200),
    writer("run hi --pictures png -o out", "out", 200),
    writer("run --prompts IN/many.txt -o x.jsonl", "x.jsonl", 100),
    writer("run --prompts IN/many.txt -o out", "out", 8),
];

/// What makes something of a trace, a corpus or a lens that is there.
pub(super) const DRAWERS: &[Writer] = &[
    writer("render IN/trace.json -o x.svg", "x.svg", 8),
    writer("render IN/trace.json -o x.png", "x.png", 8),
    writer("render IN/trace.json -o x.webp", "x.webp", 8),
    writer("render IN/trace.json -o x.jpg", "x.jpg", 8),
    writer("render IN/trace.json -o x.html", "x.html", 100),
    writer("render IN/trace.json -o x.json", "x.json", 0),
    writer("render IN/trace.json -o x.txt", "x.txt", 0),
    writer("corpus merge IN/corpus -o x.json", "x.json", 8),
    writer("corpus merge IN/corpus -o x.csv", "x.csv", 0),
    writer("corpus merge IN/corpus -o out", "out", 48),
    writer("decode --embedding --tokens a -o x.csv", "x.csv", 0),
    writer("decode --embedding --tokens a -o x.parquet", "x.parquet", 0),
];

/// What runs a model over a text, or takes its parts apart.
pub(super) const STUDIES: &[Writer] = &[
    writer("corpus run --input IN/text.jsonl --resamplings 20 --part-documents 4 -o out", "out", 40),
    writer(
        "fit tuned --text IN/text.jsonl --context 32 --steps 2 --tokens-per-step 64 --held-out 0.1 --keep-every 1 -o x.safetensors",
        "x.safetensors",
        300,
    ),
    writer("diff demo demo --corpus IN/text.jsonl -o x.json", "x.json", 8),
    writer("diff demo demo --corpus IN/text.jsonl -o out", "out", 48),
    writer("evaluate --text IN/text.jsonl -o x.json", "x.json", 0),
    writer("evaluate --text IN/text.jsonl -o out", "out", 4),
    writer("patch --clean-ids 1,20 --corrupted-ids 1,30 --target 40 --versus 50 -o x.json", "x.json", 4),
    writer("patch --clean-ids 1,20 --corrupted-ids 1,30 --target 40 --versus 50 -o out", "out", 16),
    writer("attribute hi --target a -o x.json", "x.json", 0),
    writer("attribute hi --target a -o x.html", "x.html", 8),
    writer("attribute hi --target a -o x.svg", "x.svg", 8),
];

/// One for each way that files come to a disk: as they are made, whole, packed, in a store, by safetensors.
pub(super) const WAYS: &[Writer] = &[
    writer("run hi -o x.json", "x.json", 0),
    writer("run hi -n 2 -o out", "out", 0),
    writer("run --prompts IN/many.txt -o out", "out", 0),
    writer("run hi --format jsonl -o x.jsonl.gz", "x.jsonl.gz", 0),
    writer("render IN/trace.json -o x.html", "x.html", 0),
    writer("render IN/trace.json -o x.png", "x.png", 0),
    writer("corpus run --input IN/text.jsonl --resamplings 20 --part-documents 4 -o out", "out", 0),
    writer(
        "fit tuned --text IN/text.jsonl --context 32 --steps 1 --tokens-per-step 64 --held-out 0.1 --keep-every 1 -o x.safetensors",
        "x.safetensors",
        0,
    ),
];

impl Writer {
    pub(super) fn args(&self) -> Vec<String> {
        let inputs = inputs().display().to_string();
        words(self.line).into_iter().map(|word| word.replace("IN/", &format!("{inputs}/"))).collect()
    }

    pub(super) fn is_file(&self) -> bool {
        self.target != "out"
    }
}

/// Texts, a trace, a corpus: made once for all tests.
pub(super) fn inputs() -> &'static Path {
    static INPUTS: OnceLock<TempDir> = OnceLock::new();
    INPUTS
        .get_or_init(|| {
            let folder = tempfile::tempdir().expect("a folder");
            let at = folder.path();
            fs::write(at.join("many.txt"), "The capital of France is\nThe cat sat on\n".repeat(4))
                .expect("prompts");
            let documents: String = (0..12)
                .map(|n| format!("{{\"text\": \"Paris is in France and {n} is red one two\"}}\n"))
                .collect();
            fs::write(at.join("text.jsonl"), documents.repeat(2)).expect("a text");
            for line in
                ["run hi -n 2 -o trace.json", "corpus run --input text.jsonl --resamplings 20 -o corpus"]
            {
                let output = lens(at, &words(line)).output().expect("lens runs");
                assert!(output.status.success(), "{}", super::stderr(&output));
            }
            folder
        })
        .path()
}

/// Every file in a folder and below, but those whose names are the program's own, which promise nothing.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            let is_own = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".lens-"));
            match path.is_dir() {
                true => folders.push(path),
                false if is_own => {}
                false => found.push(path),
            }
        }
    }
    found.sort();
    found
}
