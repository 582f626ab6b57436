//! `cargo xtask pictures`.

use std::{fs, path::Path};

use anyhow::Context as _;
use clap::Args;

use crate::cargo::{BUILD, LENS, cargo};
use crate::libtorch;

/// Draw the README's pictures anew, from the embedded model
#[derive(Debug, Args)]
#[command(after_help = "\
Writes docs/pictures/*.svg and the film. A tuned lens is fitted for one of them, which takes a minute or two.")]
pub(crate) struct Pictures {}

const PROMPT: &str = "The capital of France is";

/// What is drawn: the file, and what `lens render` is told about it.
const PICTURES: [(&str, &[&str]); 2] = [
    ("grid.svg", &["--kind", "grid", "--width", "900"]),
    ("trajectories.svg", &["--kind", "trajectories", "--positions", "last"]),
];

/// What is filmed: tokens that the model writes.
const FILMED: [&str; 4] = ["run", PROMPT, "-n", "21"];

/// The text that the tuned lens of a picture is fitted to; what comes after so many of its documents it never sees.
const TEXT: &str = "tests/fixtures/demo/text.jsonl";
const FITTED_TO: usize = 280;

/// The fit: small sequences and steps, which the demo model's text has enough of.
const FIT: [&str; 10] = [
    "--context",
    "64",
    "--steps",
    "60",
    "--tokens-per-step",
    "1024",
    "--held-out",
    "0",
    "--optimiser",
    "adam",
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
    let filmed = format!("{folder}/film.json");
    lens(&[&FILMED[..], &["-o", &filmed]].concat())?;
    lens(&["render", &filmed, "-o", "docs/pictures/film.gif"])?;
    lens(&PATCHING)?;
    corpus(root, &results, &lens)?;
    evaluation(root, &results, &lens)
}

/// The text of the demo model, from layer to layer.
fn corpus(root: &Path, results: &Path, lens: &dyn Fn(&[&str]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let folder = |name: &str| -> anyhow::Result<String> {
        let path = results.join(name);
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(path.to_str().context("the checkout's path is not UTF-8")?.to_owned())
    };
    let (parts, curves) = (folder("parts")?, folder("curves")?);
    lens(&["corpus", "run", "--input", TEXT, "-o", &parts])?;
    lens(&["corpus", "merge", &parts, "-o", &curves])?;
    let picture = root.join("docs/pictures/corpus.svg");
    fs::copy(format!("{curves}/curves.svg"), &picture)
        .with_context(|| format!("cannot write {}", picture.display()))?;
    Ok(())
}

/// What a tuned lens adds, on text that it was not fitted to.
fn evaluation(
    root: &Path,
    results: &Path,
    lens: &dyn Fn(&[&str]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let text = fs::read_to_string(root.join(TEXT)).with_context(|| format!("cannot read {TEXT}"))?;
    let lines: Vec<&str> = text.lines().collect();
    let (seen, unseen) = lines.split_at_checked(FITTED_TO).context("the text has become shorter")?;
    let write = |name: &str, lines: &[&str]| -> anyhow::Result<String> {
        let path = results.join(name);
        fs::write(&path, lines.join("\n")).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path.to_str().context("the checkout's path is not UTF-8")?.to_owned())
    };
    let (seen, unseen) = (write("seen.jsonl", seen)?, write("unseen.jsonl", unseen)?);
    let tuned = write("tuned.safetensors", &[])?;
    lens(&[&["fit", "tuned", "--restart", "--text", &seen, "-o", &tuned], &FIT[..]].concat())?;
    let lenses = format!("logit,tuned={tuned}");
    let picture = "docs/pictures/evaluation.svg";
    lens(&["evaluate", "--text", &unseen, "--lens", &lenses, "--context", "64", "-o", picture])
}
