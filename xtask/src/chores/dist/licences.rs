//! Whose work is in the binaries, and under which terms.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};
use serde::Deserialize;

/// What files with terms begin with, in capitals.
const TERMS: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];

/// The part of `cargo metadata` that tells.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    license_file: Option<PathBuf>,
    repository: Option<String>,
    /// `None` for the project's own crates.
    source: Option<String>,
    manifest_path: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Debug, Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Debug, Deserialize)]
struct Kind {
    /// `None` for what is linked; `dev` and `build` are not.
    kind: Option<String>,
}

/// A text that lists the crates of others in `lens` and `lens-engine`, with the terms that come with each.
pub(super) fn of_crates(root: &Path, target: &str) -> anyhow::Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", target])
        .current_dir(root);
    let output = command.output().context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let metadata = serde_json::from_slice(&output.stdout).context("cargo metadata says something else")?;
    listed(&metadata, &["lens-cli", "lens-engine"])
}

fn listed(metadata: &Metadata, ours: &[&str]) -> anyhow::Result<String> {
    let linked = linked(metadata, ours);
    let mut crates: Vec<&Package> = metadata
        .packages
        .iter()
        .filter(|package| linked.contains(package.id.as_str()) && package.source.is_some())
        .collect();
    crates.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    let mut text = String::from(
        "The crates of others that lens and lens-engine are made of, their terms as their authors declare them, and below \
         the texts that come with them. Crates that share a text are named above it once.\n\n",
    );
    // Many crates come with the same text.
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in crates {
        let name = format!("{} {}", package.name, package.version);
        let terms = match (&package.license, &package.license_file) {
            (Some(license), _) => license.clone(),
            (None, Some(file)) => format!("see {}", file.display()),
            (None, None) => bail!("{name} declares no licence"),
        };
        let found = terms_of(package)?;
        let missing = if found.is_empty() { " (the crate comes without the text)" } else { "" };
        let place = package.repository.as_deref().unwrap_or("-");
        let _ = writeln!(text, "{name}: {terms}{missing}  {place}");
        for found in found {
            texts.entry(found).or_default().insert(name.clone());
        }
    }
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    for (terms, names) in texts {
        let names: Vec<String> = names.into_iter().collect();
        let _ = write!(text, "\n{}\n{}\n\n{}\n", "=".repeat(80), names.join(", "), terms.trim_end());
    }
    Ok(text)
}

/// The ids of what is linked into `ours`.
fn linked<'a>(metadata: &'a Metadata, ours: &[&str]) -> BTreeSet<&'a str> {
    let nodes: BTreeMap<&str, &Node> =
        metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    let first = metadata.packages.iter().filter(|package| ours.contains(&package.name.as_str()));
    let mut open: Vec<&str> = first.map(|package| package.id.as_str()).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let edges = nodes.get(id).into_iter().flat_map(|node| &node.deps);
        let kept = edges.filter(|edge| edge.dep_kinds.iter().any(|kind| kind.kind.is_none()));
        open.extend(kept.map(|edge| edge.pkg.as_str()));
    }
    seen
}

/// The texts that lie in the crate's folder.
fn terms_of(package: &Package) -> anyhow::Result<Vec<String>> {
    let folder = package.manifest_path.parent().unwrap_or(Path::new("."));
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_uppercase();
        let declared = package.license_file.as_ref().is_some_and(|file| folder.join(file) == path);
        if path.is_file() && (declared || TERMS.iter().any(|terms| name.starts_with(terms))) {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: &PathBuf| {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
    };
    paths.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_listed_with_its_terms_and_what_is_not_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let package = |name: &str, source: Option<&str>| {
            let here = folder.path().join(name);
            fs::create_dir_all(&here).unwrap();
            let manifest = here.join("Cargo.toml");
            serde_json::json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT", "license_file": null,
                "repository": null, "source": source, "manifest_path": manifest })
        };
        let edge = |name: &str, kind: Option<&str>| serde_json::json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let registry = Some("registry");
        let metadata = serde_json::json!({
            "packages": [package("lens", None), package("a", registry), package("b", registry), package("built", registry)],
            "resolve": { "nodes": [
                { "id": "lens", "deps": [edge("a", None), edge("built", Some("build"))] },
                { "id": "a", "deps": [edge("b", None)] },
                { "id": "b", "deps": [] }, { "id": "built", "deps": [] },
            ]},
        });
        for name in ["a", "b"] {
            fs::write(folder.path().join(name).join("LICENSE-MIT"), "Do as you like.\r\n").unwrap();
        }
        fs::write(folder.path().join("b/NOTICE"), "Thanks.").unwrap();
        let metadata = serde_json::from_value(metadata).unwrap();
        let text = listed(&metadata, &["lens"]).unwrap();
        assert!(text.contains("a 1.0.0: MIT  -\nb 1.0.0: MIT  -\n"), "{text}");
        assert_eq!(text.matches("Do as you like.").count(), 1, "one text for both: {text}");
        assert!(text.contains("a 1.0.0, b 1.0.0\n\nDo as you like."), "{text}");
        assert!(
            text.contains("Thanks.") && !text.contains("built") && !text.contains("lens 1.0.0"),
            "{text}"
        );
    }
}
