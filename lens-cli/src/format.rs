//! The forms in which a run says what it read.

use std::path::Path;

use clap::ValueEnum;

use crate::packed::Packing;

/// The form of what a run says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RunFormat {
    /// For people.
    Table,
    /// One trace, when all is done.
    Json,
    /// A line for the run, for every position and step as it is read, and for the end.
    Jsonl,
    /// The table of readouts as Apache Parquet.
    Parquet,
    /// The table of readouts in Arrow's file format.
    Arrow,
    /// The table of readouts as comma-separated values.
    Csv,
    /// The JSON of logitlenskit's viewer, version 2.
    LogitlenskitV2,
}

impl RunFormat {
    /// The flat form, where it is one.
    pub fn flat(self) -> Option<lens_data::Format> {
        match self {
            Self::Parquet => Some(lens_data::Format::Parquet),
            Self::Arrow => Some(lens_data::Format::Arrow),
            Self::Csv => Some(lens_data::Format::Csv),
            Self::Table | Self::Json | Self::Jsonl | Self::LogitlenskitV2 => None,
        }
    }
}

/// What a file of results holds, by its name without what it says of the packing; `None` for other names, which are
/// those of folders.
pub fn of_file(path: &Path) -> Option<RunFormat> {
    let (_, name) = Packing::of(path);
    match name.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "json" => Some(RunFormat::Json),
        "jsonl" => Some(RunFormat::Jsonl),
        "parquet" => Some(RunFormat::Parquet),
        "arrow" => Some(RunFormat::Arrow),
        "csv" => Some(RunFormat::Csv),
        _ => None,
    }
}

/// What names of files end in that results are not written into.
const FOREIGN: [&str; 35] = [
    "avro",
    "bin",
    "bz2",
    "db",
    "feather",
    "gif",
    "h5",
    "hdf5",
    "htm",
    "html",
    "jpeg",
    "jpg",
    "log",
    "md",
    "ndjson",
    "npy",
    "npz",
    "orc",
    "pdf",
    "pickle",
    "pkl",
    "png",
    "pt",
    "safetensors",
    "sqlite",
    "svg",
    "tar",
    "tsv",
    "txt",
    "webp",
    "xlsx",
    "xml",
    "xz",
    "yaml",
    "zip",
];

/// Whether a name is that of a file, by its ending, and of none that results are written into. A folder has any other
/// name, or one that ends in a slash, or is there already.
pub fn is_misnamed(path: &Path) -> bool {
    if is_folder(path) || of_file(path).is_some() {
        return false;
    }
    let (packing, name) = Packing::of(path);
    let ending = name.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    packing.is_some() || FOREIGN.contains(&&*ending)
}

/// Whether this can be nothing but a folder: its name ends in a slash, or it is there.
pub fn is_folder(path: &Path) -> bool {
    path.to_string_lossy().ends_with(std::path::is_separator) || path.is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_result_can_have_is_told_from_a_folders() {
        for misnamed in ["a.tsv", "a.txt", "a.html", "a.gz", "a.json.bz2", "b/a.PNG", "a.npz.zst", "a.v2.gz"]
        {
            assert!(is_misnamed(Path::new(misnamed)), "{misnamed}");
        }
        for sound in
            ["a", "a/", "a.json", "a.csv.gz", "run.2", "qwen2.5-0.5b", "a.txt/", "v1.0", ".hidden", "."]
        {
            assert!(!is_misnamed(Path::new(sound)), "{sound}");
        }
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there.txt");
        std::fs::create_dir(&there).unwrap();
        assert!(!is_misnamed(&there));
    }
}
