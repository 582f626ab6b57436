//! The modules of a crate, and what each of them names.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::paths::{self, Named};

/// Where a module stands: the names from the crate's root on; empty for the root itself.
pub(crate) type Place = Vec<String>;

/// A file.
pub(crate) struct Module {
    /// Relative to the crate.
    pub file: String,
    /// What it names.
    pub names: Vec<Named>,
}

/// A crate.
pub(crate) struct Sources {
    /// Its modules, tests left out.
    pub modules: BTreeMap<Place, Module>,
}

impl Sources {
    /// Reads every file below `src`.
    pub(crate) fn of(src: &Path) -> Self {
        let mut modules = BTreeMap::new();
        let mut folders = vec![src.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(place) = place(path.strip_prefix(src).unwrap()) {
                    let tokens = fs::read_to_string(&path).unwrap().parse();
                    let names =
                        paths::of(tokens.unwrap_or_else(|error| panic!("{}: {error}", path.display())));
                    let file = path.strip_prefix(src.parent().unwrap()).unwrap().display().to_string();
                    modules.insert(place, Module { file, names });
                }
            }
        }
        Self { modules }
    }

    /// The module in which what a path names is written down, if it is in this crate.
    pub(crate) fn home(&self, from: &Place, named: &Named) -> Option<Place> {
        let (place, rest) = self.start(from, &named.segments)?;
        Some(self.walk(place, rest, 0))
    }

    /// Where a path begins, and the names after that.
    fn start<'a>(&self, from: &Place, segments: &'a [String]) -> Option<(Place, &'a [String])> {
        let mut place = from.clone();
        let mut rest = segments;
        match rest.first()?.as_str() {
            "crate" => (place, rest) = (Vec::new(), &rest[1..]),
            "self" | "super" => {
                while let Some(word @ ("self" | "super")) = rest.first().map(String::as_str) {
                    if word == "super" {
                        place.pop();
                    }
                    rest = &rest[1..];
                }
            }
            first => {
                // A `use` may begin at a child; anything else is another crate.
                place.push(first.to_owned());
                self.modules.contains_key(&place).then_some(())?;
                rest = &rest[1..];
            }
        }
        Some((place, rest))
    }

    /// Goes on from a module, name by name, through what modules on the way bring in from elsewhere.
    fn walk(&self, mut place: Place, rest: &[String], depth: usize) -> Place {
        for (i, name) in rest.iter().enumerate() {
            place.push(name.clone());
            if self.modules.contains_key(&place) {
                continue;
            }
            place.pop();
            let brought = self.modules[&place].names.iter().find(|named| named.alias.as_ref() == Some(name));
            let Some((start, path)) = brought.and_then(|named| self.start(&place, &named.segments)) else {
                break;
            };
            if depth < 16 {
                let whole: Vec<String> = path.iter().chain(&rest[i + 1..]).cloned().collect();
                return self.walk(start, &whole, depth + 1);
            }
        }
        place
    }

    /// The places where a module takes something from the root of its crate that lives elsewhere.
    pub(crate) fn through_the_face(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (place, module) in self.modules.iter().filter(|(place, _)| !place.is_empty()) {
            for named in &module.names {
                let Some((start, [name, ..])) = self.start(place, &named.segments) else { continue };
                let home = self.home(place, named).unwrap_or_default();
                let is_module = self.modules.contains_key(std::slice::from_ref(name));
                if start.is_empty() && !is_module && !home.is_empty() {
                    let (path, home) = (named.segments.join("::"), home.join("::"));
                    found.push(format!("{}:{}: {path} lives in {home}", module.file, named.line));
                }
            }
        }
        found
    }
}

/// The module that a file is; nothing for tests and for what is not Rust.
fn place(file: &Path) -> Option<Place> {
    file.extension().filter(|extension| *extension == "rs")?;
    let file: PathBuf = file.with_extension("");
    let mut place: Place = file.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if place.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        place.pop();
    }
    (!place.iter().any(|part| part == "tests")).then_some(place)
}
