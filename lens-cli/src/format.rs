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

/// What names of files end in that results are not written into, each with the forms that are nearest to it.
const FOREIGN: [(&str, &[&str]); 58] = [
    ("apng", &["gif"]),
    ("avi", &["gif"]),
    ("avif", &["webp"]),
    ("avro", &["parquet"]),
    ("bin", &[]),
    ("bmp", &["png"]),
    ("bz2", &[]),
    ("db", &["parquet"]),
    ("doc", &["pdf"]),
    ("docx", &["pdf"]),
    ("emf", &["svg"]),
    ("eps", &["pdf"]),
    ("feather", &["arrow"]),
    ("gif", &[]),
    ("h5", &["parquet"]),
    ("hdf5", &["parquet"]),
    ("heic", &["webp"]),
    ("htm", &["html"]),
    ("html", &[]),
    ("ipc", &["arrow"]),
    ("ipynb", &["html"]),
    ("jpeg", &[]),
    ("jpg", &[]),
    ("log", &["txt"]),
    ("m4v", &["gif"]),
    ("md", &["txt"]),
    ("mkv", &["gif"]),
    ("mov", &["gif"]),
    ("mp4", &["gif"]),
    ("ndjson", &["jsonl", "json"]),
    ("npy", &["parquet"]),
    ("npz", &["parquet"]),
    ("ods", &["csv"]),
    ("orc", &["parquet"]),
    ("pdf", &[]),
    ("pickle", &["parquet"]),
    ("pkl", &["parquet"]),
    ("png", &[]),
    ("pptx", &["pdf"]),
    ("ps", &["pdf"]),
    ("pt", &[]),
    ("safetensors", &[]),
    ("sqlite", &["parquet"]),
    ("svg", &[]),
    ("tar", &[]),
    ("tex", &["pdf"]),
    ("tif", &["png"]),
    ("tiff", &["png"]),
    ("tsv", &["csv"]),
    ("txt", &[]),
    ("webm", &["gif"]),
    ("webp", &[]),
    ("xls", &["csv"]),
    ("xlsx", &["csv"]),
    ("xml", &["json"]),
    ("xz", &[]),
    ("yaml", &["json"]),
    ("zip", &[]),
];

/// Whether a name is that of a file, by its ending, and of none that results are written into. A folder has any other
/// name, or one that ends in a slash, or is there already.
pub fn is_misnamed(path: &Path) -> bool {
    if is_folder(path) || of_file(path).is_some() {
        return false;
    }
    let (packing, name) = Packing::of(path);
    packing.is_some() || foreign(&ending(name)).is_some()
}

/// What a name ends in, in small letters.
fn ending(name: &Path) -> String {
    name.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase()
}

/// The forms that are nearest to one that nothing is written in.
fn foreign(ending: &str) -> Option<&'static [&'static str]> {
    FOREIGN.iter().find(|(known, _)| *known == ending).map(|(_, nearest)| *nearest)
}

/// That nothing can be written into a file of this name, in words: what such names end in, and which of these is nearest.
pub fn not_results(path: &Path, endings: &[&str]) -> String {
    let wrong = ending(path);
    let nearest = foreign(&wrong).and_then(|near| near.iter().find(|near| endings.contains(near)));
    let nearest = nearest.map(|near| format!("; the nearest to .{wrong} is .{near}")).unwrap_or_default();
    let endings = listed(endings);
    format!("{} is not the name of a file of results: those end in {endings}{nearest}", path.display())
}

/// That a folder may have such a name all the same.
pub fn as_folder(path: &Path) -> String {
    format!("for a folder of that name, write {}/", path.display())
}

/// Endings as one says them: `.json, .csv or .svg`.
fn listed(endings: &[&str]) -> String {
    match endings {
        [] => String::new(),
        [only] => format!(".{only}"),
        [first @ .., last] => format!(".{} or .{last}", first.join(", .")),
    }
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
        for misnamed in
            ["a.tsv", "a.txt", "a.html", "a.gz", "a.json.bz2", "b/a.PNG", "a.npz.zst", "a.v2.gz", "a.mp4"]
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

    #[test]
    fn what_cannot_be_written_names_what_can_and_the_nearest() {
        let says = |name: &str, endings: &[&str]| not_results(Path::new(name), endings);
        assert_eq!(
            says("b/a.TSV", &["json", "csv"]),
            "b/a.TSV is not the name of a file of results: those end in .json or .csv; the nearest to .tsv is .csv"
        );
        assert!(
            says("a.mp4", &["svg", "pdf", "gif"])
                .ends_with(".svg, .pdf or .gif; the nearest to .mp4 is .gif")
        );
        // What is nearest has to be among what can be written.
        assert!(says("a.mp4", &["json"]).ends_with("those end in .json"));
        assert!(says("a", &["json"]).ends_with("those end in .json"));
        let mut sorted = FOREIGN;
        sorted.sort_unstable();
        assert_eq!(sorted, FOREIGN);
    }
}
