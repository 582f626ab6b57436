//! What holds the house together, checked: which crate knows which, no circles among modules, modules that name each
//! other where they live, limits in one place, and fixtures that stay small.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod by_hand;
mod graph;
mod paths;
mod sources;

use std::{collections::BTreeSet, fs, path::Path};

use crate::{graph::circles, sources::Sources};

/// Every crate, and the crates of the house that it may know (to run: what only its tests use is not asked).
const CRATES: [(&str, &[&str]); 9] = [
    ("lens-core", &[]),
    ("lens-cuda", &["lens-core"]),
    ("lens-data", &["lens-core"]),
    ("lens-viz", &["lens-core"]),
    ("lens-checkpoint", &["lens-core"]),
    ("lens-models", &["lens-checkpoint", "lens-core", "lens-cuda", "tch"]),
    ("lens-serve", &["lens-core", "lens-data", "lens-viz"]),
    ("lens-cli", &["lens-checkpoint", "lens-core", "lens-data", "lens-viz"]),
    ("lens-engine", &["lens-cli", "lens-core", "lens-data", "lens-models", "lens-serve", "lens-viz"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn a_crate_knows_those_below_it_alone() {
    for (name, allowed) in CRATES {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let known = dependencies(&manifest);
        let allowed = allowed.iter().map(|name| (*name).to_owned()).collect();
        let house = known.into_iter().filter(|name| name.starts_with("lens-") || name == "tch");
        let unknown: Vec<String> = house.collect::<BTreeSet<_>>().difference(&allowed).cloned().collect();
        assert!(unknown.is_empty(), "{name} must not know {}", unknown.join(", "));
    }
}

/// The names under `[dependencies]`.
fn dependencies(manifest: &str) -> Vec<String> {
    let section = manifest.lines().skip_while(|line| line.trim() != "[dependencies]").skip(1);
    let name =
        |line: &str| Some(line.split(['.', '=', ' ']).next()?.to_owned()).filter(|name| !name.is_empty());
    section.take_while(|line| !line.starts_with('[')).filter_map(name).collect()
}

#[test]
fn no_two_modules_side_by_side_need_each_other() {
    let mut found = Vec::new();
    for (name, _) in CRATES {
        let sources = Sources::of(&root().join(name).join("src"));
        assert!(sources.modules.len() > 3, "{name}: hardly any module was found");
        found.extend(circles(&sources).into_iter().map(|circle| format!("{name}: {circle}")));
    }
    assert!(found.is_empty(), "modules in a circle:\n{}", found.join("\n"));
}

#[test]
fn modules_name_each_other_where_they_live() {
    let mut found = Vec::new();
    for (name, _) in CRATES {
        let sources = Sources::of(&root().join(name).join("src"));
        found.extend(sources.through_the_face().into_iter().map(|place| format!("{name}/{place}")));
    }
    assert!(found.is_empty(), "paths through the face of their own crate:\n{}", found.join("\n"));
}

#[test]
fn every_unsafe_block_is_listed_with_its_argument() {
    let counted = by_hand::counted(root(), CRATES.into_iter().map(|(name, _)| name));
    let listed = by_hand::listed(&fs::read_to_string(root().join("docs/unsafe.md")).unwrap());
    assert!(counted.len() > 10, "hardly any was found");
    for (file, n) in &counted {
        assert_eq!(listed.get(file), Some(n), "docs/unsafe.md should say of {file} that it has {n}");
    }
    let gone: Vec<&String> = listed.keys().filter(|file| !counted.contains_key(*file)).collect();
    assert!(gone.is_empty(), "docs/unsafe.md lists what has none: {gone:?}");
}

#[test]
fn a_word_in_a_comment_or_a_text_is_no_use_and_a_nested_one_is() {
    let source = "// unsafe\nfn f() { let _ = \"unsafe\"; if true { unsafe { g() } } } type T = unsafe extern \"C\" fn();";
    let folder = tempfile();
    fs::create_dir_all(folder.join("a/src/tests")).unwrap();
    fs::write(folder.join("a/src/lib.rs"), source).unwrap();
    fs::write(folder.join("a/src/tests/mod.rs"), "unsafe {}").unwrap();
    let counted = by_hand::counted(&folder, ["a"].into_iter());
    assert_eq!(counted, [("a/src/lib.rs".to_owned(), 1)].into());
    fs::remove_dir_all(folder).unwrap();
}

/// What a stranger's file may ask for is said in one place.
#[test]
fn limits_of_checkpoints_stand_in_one_module() {
    let source = root().join("lens-checkpoint/src");
    let strays = limits_beside(&source, &source.join("limits.rs"));
    assert!(strays.is_empty(), "these belong into lens-checkpoint/src/limits.rs:\n{}", strays.join("\n"));
    let all = limits_beside(&source, Path::new(""));
    assert!(all.len() > 40, "hardly any limit was found");
}

/// The constants named as limits are, in all files of a folder but one.
fn limits_beside(folder: &Path, but: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of = |path: std::path::PathBuf| match path {
        path if path.is_dir() => limits_beside(&path, but),
        path if path == but => Vec::new(),
        path => {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().filter(|line| is_limit(line));
            lines.map(|line| format!("{}: {}", path.display(), line.trim())).collect()
        }
    };
    entries.flat_map(of).collect()
}

/// Whether a line defines a constant of a number that is called the largest, longest, most or deepest of something.
fn is_limit(line: &str) -> bool {
    let named = line.split_once("const ").and_then(|(_, rest)| rest.split_once(": "));
    named.is_some_and(|(name, of)| {
        let of_number = ["u16", "u32", "u64", "usize"].iter().any(|kind| of.starts_with(kind));
        of_number && ["LARGEST", "LONGEST", "MOST", "DEEPEST"].iter().any(|word| name.starts_with(word))
    })
}

/// A folder for one test.
fn tempfile() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("structure-{}", std::process::id()))
}

/// What everyone who clones the project has to fetch.
const FIXTURES: u64 = 12_000_000;

#[test]
fn fixtures_stay_small() {
    let bytes = bytes_of(&root().join("tests/fixtures"));
    assert!(bytes > 1_000_000, "hardly any fixture was found");
    assert!(bytes <= FIXTURES, "tests/fixtures holds {bytes} bytes, and {FIXTURES} is the limit");
}

/// The bytes of all files in a folder, but for what Python leaves there.
fn bytes_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let kept = entries.filter(|entry| entry.file_name() != "__pycache__");
    kept.map(|entry| match entry.metadata().unwrap() {
        folder if folder.is_dir() => bytes_of(&entry.path()),
        file => file.len(),
    })
    .sum()
}
