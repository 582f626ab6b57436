//! Programs outside the workspace that follow the README's own lines build, link and run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The root of the workspace.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The code blocks of the README's section for library users: language and text.
fn blocks() -> Vec<(String, String)> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.split("\n## ").find(|section| section.starts_with("Use as a library")).unwrap();
    let fenced = section.split("```").skip(1).step_by(2);
    let block =
        |text: &str| text.split_once('\n').map(|(language, code)| (language.to_owned(), code.to_owned()));
    fenced.filter_map(block).collect()
}

/// A package outside the workspace with these files, run without a network. What the README takes from the repository's
/// address is taken from this checkout, in the versions that its lock file names and with its profiles, so that what is
/// built already need not be built again.
fn run(manifest: &str, files: &[(&str, &str)], target: &Path) -> String {
    let folder = tempfile::tempdir().unwrap();
    let address = "git = \"https://github.com/logit-lens/lens\"";
    let mut manifest = manifest.to_owned();
    for name in ["lens-core", "lens-models", "lens-viz"] {
        let here = root().join(name);
        let here = format!("{name} = {{ path = {:?}", here.display().to_string());
        manifest = manifest.replace(&format!("{name} = {{ {address}"), &here);
    }
    assert!(!manifest.contains("git ="), "{manifest}");
    let workspace = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    // Those of single packages need the package: lens-core alone has neither.
    let profiles = workspace.split("\n\n").filter(|part| part.contains("[profile.dev"));
    let known = |part: &&str| manifest.contains("lens-models") || !part.contains(".package.");
    let profiles: Vec<&str> = profiles.filter(known).collect();
    std::fs::write(
        folder.path().join("Cargo.toml"),
        format!("{manifest}\n[workspace]\n\n{}\n", profiles.join("\n\n")),
    )
    .unwrap();
    std::fs::copy(root().join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    std::fs::create_dir(folder.path().join("src")).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--offline"]).current_dir(folder.path()).env("CARGO_TARGET_DIR", target);
    for (variable, _) in std::env::vars_os() {
        // What cargo tells a test of the package that it tests.
        if variable.to_string_lossy().starts_with("CARGO_PKG_") || variable == "CARGO_MANIFEST_DIR" {
            cargo.env_remove(variable);
        }
    }
    if std::env::var_os("LIBTORCH").is_none() {
        cargo.env("LIBTORCH", root().join(".libtorch"));
    }
    let output = cargo.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// Where the workspace's own builds lie.
fn target() -> PathBuf {
    // target/debug/deps/integration-…
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned()
}

#[test]
fn a_program_outside_the_workspace_reads_with_lens_core_alone() {
    let blocks = blocks();
    let [(toml, manifest), (rust, main), ..] = blocks.as_slice() else { panic!("{blocks:?}") };
    assert_eq!((toml.as_str(), rust.as_str()), ("toml", "rust"));
    let out = run(manifest, &[("src/main.rs", main)], &target());
    assert!(out.lines().any(|line| line.starts_with("L2.resid_post: ")), "{out}");
}

#[test]
fn a_program_outside_the_workspace_runs_a_model() {
    let blocks = blocks();
    let [_, _, (_, manifest), (_, build), (_, main)] = blocks.as_slice() else { panic!("{blocks:?}") };
    let out = run(manifest, &[("build.rs", build), ("src/main.rs", main)], &target());
    assert!(out.contains("Paris"), "{out}");
}
