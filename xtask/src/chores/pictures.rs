//! `cargo xtask pictures`.

use std::path::Path;

use anyhow::Context as _;
use clap::Args;

use crate::cargo::{BUILD, LENS, cargo};
use crate::libtorch;

/// Draw the README's pictures anew, from the embedded model
#[derive(Debug, Args)]
#[command(after_help = "\
Writes docs/pictures/*.svg.")]
pub(crate) struct Pictures {}

const PROMPT: &str = "The capital of France is";

/// What is drawn: the file, and what `lens render` is told about it.
const PICTURES: [(&str, &[&str]); 2] = [
    ("grid.svg", &["--kind", "grid", "--width", "900"]),
    ("trajectories.svg", &["--kind", "trajectories", "--positions", "last"]),
];

/// The picture that docs/patching.md shows.
const PATCHING: [&str; 11] = [
    "patch",
    "--clean",
    PROMPT,
    "--corrupted",
    "The capital of Italy is",
    "--sites",
    "resid_pre",
    "--dtype",
    "f32",
    "-o",
    "docs/pictures/patching.svg",
];

pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    eprintln!("{}", libtorch::ensure(root)?);
    cargo(root, BUILD)?;
    let lens = |words: &[&str]| cargo(root, LENS.iter().chain(words));
    let results = root.join("target/pictures");
    let folder = results.to_str().context("the checkout's path is not UTF-8")?;
    lens(&["run", PROMPT, "--positions", "all", "-k", "50", "-o", folder])?;
    for (file, options) in PICTURES {
        let (trace, out) = (format!("{folder}/trace.json"), format!("docs/pictures/{file}"));
        lens(&[&["render", &trace, "-o", &out], options].concat())?;
    }
    lens(&PATCHING)?;
    Ok(())
}
