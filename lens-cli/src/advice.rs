//! What to type: the libraries say what is wrong, and this is where an error becomes an option or a command.

use std::io::{self, ErrorKind};

use lens_checkpoint::{
    ChatError, CheckpointError, checkpoint::AdapterError, config::ConfigError, device::DeviceError,
    directions::DirectionFileError, source::SourceError,
};
use lens_core::{
    BackendError, LensError,
    diff::ConditionError,
    patch::{AlignError, PatchError},
};
use lens_data::PromptError;
use lens_viz::difference::DifferenceError;

/// What may help against an error, as a sentence without a stop.
pub fn of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(of_any)
}

/// An error of whatever type.
pub type AnyError = dyn std::error::Error + 'static;

/// The advice of an error that may be any of the libraries' that need no libtorch.
pub fn of_any(error: &AnyError) -> Option<String> {
    fn is<E: std::error::Error + 'static>(
        error: &AnyError,
        advice: fn(&E) -> Option<String>,
    ) -> Option<String> {
        advice(error.downcast_ref()?)
    }
    is(error, of_source)
        .or_else(|| is(error, of_checkpoint))
        .or_else(|| is(error, of_config))
        .or_else(|| is(error, of_chat))
        .or_else(|| is(error, of_device))
        .or_else(|| is(error, of_lens))
        .or_else(|| is(error, of_backend))
        .or_else(|| is(error, of_prompts))
        .or_else(|| is(error, of_difference))
        .or_else(|| is(error, of_directions))
        .or_else(|| is(error, of_align))
        .or_else(|| is(error, of_patch))
        .or_else(|| is(error, of_condition))
        .or_else(|| is(error, of_system))
        .or_else(|| is(error, of_json))
}

/// What the system did not give.
fn of_system(error: &io::Error) -> Option<String> {
    // EMFILE has no kind, and what says the path as well keeps no number; it is the same on Linux and macOS.
    if cfg!(unix) && error.to_string().contains("(os error 24)") {
        return Some("raise the limit on open files (ulimit -n)".to_owned());
    }
    // The libraries say of files that are larger than what is read, too, that they are too large.
    if error.kind() == ErrorKind::FileTooLarge && !error.to_string().contains("(os error") {
        return None;
    }
    of_kind(error.kind())
}

/// JSON that could not be written does not pass on why, but of which kind it was.
fn of_json(error: &serde_json::Error) -> Option<String> {
    of_kind(error.io_error_kind()?)
}

fn of_kind(kind: ErrorKind) -> Option<String> {
    let advice = match kind {
        ErrorKind::StorageFull => "make room on that disk, or write to another one",
        ErrorKind::QuotaExceeded => "make room in your quota, or write to another disk",
        ErrorKind::ReadOnlyFilesystem => "write to another folder: nothing can be written there",
        ErrorKind::FileTooLarge => {
            "a limit (ulimit -f) or the disk allows no file that long: raise it, or write to another disk"
        }
        ErrorKind::OutOfMemory => "free some memory, or raise the limit on it (ulimit -v)",
        _ => return None,
    };
    Some(advice.to_owned())
}

fn of_align(error: &AlignError) -> Option<String> {
    matches!(error, AlignError::Lengths { .. }).then(|| {
        "say --align end (or start), or name as many --positions of both prompts, such as -2..".to_owned()
    })
}

fn of_patch(error: &PatchError) -> Option<String> {
    match error {
        PatchError::Align(error) => of_align(error),
        PatchError::SameAnswer { .. } => Some("give --target and --versus, or another --metric".to_owned()),
        PatchError::NoVersus => Some("give --versus, or another --metric".to_owned()),
        PatchError::NoTarget => Some("give --target, or --metric prob".to_owned()),
        _ => None,
    }
}

fn of_condition(error: &ConditionError) -> Option<String> {
    matches!(error, ConditionError::NotMeasured { .. }).then(|| {
        "have it read with --layers, --components (heads with --components all,heads) and --readouts all"
            .to_owned()
    })
}

fn of_source(error: &SourceError) -> Option<String> {
    match error {
        SourceError::NotCached { snapshots, revision, .. } => {
            let other = snapshots.iter().find(|commit| *commit != revision);
            let other = other.map_or_else(String::new, |commit| format!(", or name --revision {commit}"));
            Some(format!("run once without --offline{other}"))
        }
        SourceError::Unreachable { .. } => Some("--offline uses what the cache has; if you meant a file or folder, there is none of that name here".to_owned()),
        SourceError::NoBase { .. } => Some("say -m MODEL --adapter ADAPTER".to_owned()),
        SourceError::Base { place, .. } => Some(format!("say -m MODEL --adapter {place}")),
        SourceError::BadName { name, .. } => {
            let (id, revision) = name.split_once(['@', ':']).filter(|(_, rest)| !rest.starts_with('/'))?;
            Some(format!("write -m {id} --revision {revision}"))
        }
        SourceError::Io { source, .. } => of_cache(source.kind()),
        _ => None,
    }
}

/// What the disk of the hub's cache did not give.
fn of_cache(kind: ErrorKind) -> Option<String> {
    let what = match kind {
        ErrorKind::StorageFull => "make room on that disk, or",
        ErrorKind::QuotaExceeded => "make room in your quota, or",
        ErrorKind::ReadOnlyFilesystem => "nothing can be written there:",
        _ => return None,
    };
    Some(format!("{what} name another folder for the hub's cache (HF_HUB_CACHE=FOLDER)"))
}

fn of_checkpoint(error: &CheckpointError) -> Option<String> {
    match error {
        CheckpointError::Config(error) => of_config(error),
        CheckpointError::Unknown { .. } | CheckpointError::OtherHead { .. } => Some(ignore_extra()),
        CheckpointError::Adapter(AdapterError::Unplaced { .. } | AdapterError::Unread { .. }) => {
            Some(ignore_extra())
        }
        _ => None,
    }
}

fn of_config(error: &ConfigError) -> Option<String> {
    match error {
        ConfigError::Unread { .. } => Some(ignore_extra()),
        ConfigError::UnknownFamily { alike: Some(family), .. } => {
            Some(format!("--assume-family {family} reads it as one"))
        }
        _ => None,
    }
}

fn ignore_extra() -> String {
    "if it changes nothing, --ignore-extra leaves it out".to_owned()
}

fn of_chat(error: &ChatError) -> Option<String> {
    matches!(error, ChatError::NoTemplate { .. })
        .then(|| "run it on a text, without --chat, --system and --messages".to_owned())
}

fn of_device(error: &DeviceError) -> Option<String> {
    match error {
        DeviceError::NoCudaHalf { .. } => {
            Some("in a checkout of lens, `cargo xtask setup --cuda` installs it".to_owned())
        }
        _ => None,
    }
}

fn of_lens(error: &LensError) -> Option<String> {
    match error {
        LensError::Backend(error) => of_backend(error),
        LensError::NothingToTranslate { .. } => Some(
            "name those with --components, or leave --components out: each lens then reads what it has maps for"
                .to_owned(),
        ),
        _ => None,
    }
}

fn of_backend(error: &BackendError) -> Option<String> {
    match error {
        BackendError::NonFinite { .. } | BackendError::NonFiniteStatistic { .. } => {
            Some("`lens check` finds broken weights, and --dtype f32 holds larger numbers".to_owned())
        }
        BackendError::Other(error) => of_any(&**error),
        _ => None,
    }
}

fn of_prompts(error: &PromptError) -> Option<String> {
    match error {
        PromptError::NoColumn { .. } | PromptError::SameName { .. } => {
            Some("--prompts-column NAME names the column with the prompts".to_owned())
        }
        _ => None,
    }
}

fn of_difference(error: &DifferenceError) -> Option<String> {
    matches!(error, DifferenceError::Apart { .. })
        .then(|| "run both with the same --layers, --components and --positions".to_owned())
}

fn of_directions(error: &DirectionFileError) -> Option<String> {
    matches!(error, DirectionFileError::Choose { .. }).then(|| "write --tensor NAME".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advised(error: impl Into<anyhow::Error>) -> String {
        of(&error.into().context("outside")).unwrap_or_default()
    }

    #[test]
    fn errors_of_the_libraries_become_what_to_type() {
        let not_cached = |revision: &str| SourceError::NotCached {
            id: "o/m".to_owned(),
            revision: revision.to_owned(),
            file: None,
            cache: "c".into(),
            snapshots: vec!["abc".to_owned()],
        };
        assert_eq!(advised(not_cached("v2")), "run once without --offline, or name --revision abc");
        assert_eq!(advised(not_cached("abc")), "run once without --offline");
        let family = |alike| ConfigError::UnknownFamily {
            model_type: "x".to_owned(),
            supported: String::new(),
            hint: String::new(),
            likeness: String::new(),
            alike,
        };
        assert!(advised(CheckpointError::from(family(Some("llama")))).starts_with("--assume-family llama"));
        assert_eq!(advised(family(None)), "");
        let name = "o/m@v2".parse::<lens_checkpoint::source::HubId>().unwrap_err();
        assert_eq!(advised(name), "write -m o/m --revision v2");
        let unread = ConfigError::Unread { family: "llama".to_owned(), keys: "x = 1".to_owned() };
        assert!(advised(CheckpointError::from(unread)).contains("--ignore-extra"));
        let head =
            CheckpointError::OtherHead { family: "llama".to_owned(), names: "score.weight".to_owned() };
        assert!(advised(head).contains("--ignore-extra"));
        let no_cuda = DeviceError::NoCudaHalf {
            place: "cuda".parse().unwrap(),
            libtorch: "x".to_owned(),
            variable: "LENS_LIBTORCH",
        };
        assert!(
            advised(LensError::from(BackendError::Other(Box::new(no_cuda))))
                .contains("cargo xtask setup --cuda")
        );
        assert!(advised(io::Error::from(ErrorKind::StorageFull)).contains("make room"));
        let cache = |kind: ErrorKind| {
            advised(SourceError::Io { action: "write", path: "cache".into(), source: kind.into() })
        };
        assert!(cache(ErrorKind::StorageFull).ends_with("HF_HUB_CACHE=FOLDER)"));
        assert_eq!(cache(ErrorKind::NotFound), "");
        assert!(advised(io::Error::from_raw_os_error(27)).contains("ulimit -f") || !cfg!(unix));
        assert!(advised(io::Error::from_raw_os_error(24)).contains("ulimit -n") || !cfg!(unix));
        assert_eq!(advised(io::Error::new(ErrorKind::FileTooLarge, "it has 9 bytes")), "");
        let full = io::Error::from(ErrorKind::StorageFull);
        let json = serde_json::Error::io(full);
        assert!(advised(json).contains("make room"));
        assert_eq!(advised(io::Error::from(ErrorKind::NotFound)), "");
        assert_eq!(advised(anyhow::anyhow!("something else")), "");
    }
    /// Lines of code of a library that speak of the command line; comments and tests may.
    fn spoken(folder: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // A folder of tests is a module that is built for them alone.
                if path.file_name().is_none_or(|name| name != "tests") {
                    spoken(&path, found);
                }
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            found.extend(lines.filter(|line| speaks(line)).map(|line| format!("{}: {line}", path.display())));
        }
    }

    /// Whether a line has an option (`--dtype`), or names a command (`lens check`).
    fn speaks(line: &str) -> bool {
        let option = line
            .match_indices("--")
            .any(|(at, _)| line[at + 2..].starts_with(|c: char| c.is_ascii_lowercase()));
        option || line.contains("`lens ") || line.contains("cargo xtask")
    }

    #[test]
    fn libraries_do_not_speak_the_command_line() {
        assert!(speaks("\"try --dtype f32\"") && speaks("\"`lens check` finds them\""));
        assert!(!speaks("let x = a - -b; // -- and"));
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut found = Vec::new();
        for library in ["lens-core", "lens-checkpoint", "lens-models", "lens-data", "lens-viz"] {
            spoken(&root.join(library).join("src"), &mut found);
        }
        assert!(found.is_empty(), "say it in advice.rs instead:\n{}", found.join("\n"));
    }
}
