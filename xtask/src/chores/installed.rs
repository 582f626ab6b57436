//! `cargo xtask installed`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context as _, bail};
use clap::Args;

/// Install from a clone as README says, take the clone away, and run what was installed
#[derive(Debug, Args)]
#[command(after_help = "\
Of the last commit, not of what was changed since. Both packages are built anew, because they lie elsewhere: that takes as
long as a first build, about a quarter of an hour, and 3 GB of disk; --debug is sooner done. Nothing of the user's is touched:
what is installed and its libtorch lie in target/installed/ meanwhile, and go at the end.

A LIBTORCH or LIBTORCH_USE_PYTORCH of this shell does not count: set-up finds or fetches libtorch as it does for a user who
has neither.")]
pub(crate) struct Installed {
    /// Build for testing, as `cargo install --debug` does: sooner, and slower when it runs
    #[arg(long)]
    debug: bool,
    /// Build in this folder, which stays: in target/, much is built already
    #[arg(long, value_name = "DIR")]
    builds: Option<PathBuf>,
}

const PROMPT: &str = "The capital of France is";

/// What it has to say to that.
const ANSWER: &str = "Paris";

pub(crate) fn run(root: &Path, asked: &Installed) -> anyhow::Result<()> {
    let places = Places::new(root, asked.builds.as_deref())?;
    done(Command::new("git").args(["clone", "--quiet", "--local"]).arg(root).arg(&places.clone))?;
    done(places.cargo().args(["xtask", "setup"]))?;
    for package in ["lens-cli", "lens-engine"] {
        let mut install = places.cargo();
        install.args(["install", "--locked", "--path", package, "--root"]).arg(&places.to);
        done(if asked.debug { install.arg("--debug") } else { &mut install })?;
    }
    remove(&places.clone)?;
    if asked.builds.is_none() {
        // What was built goes too: a binary that looked there would find nothing.
        remove(&places.target)?;
    }
    try_installed(&places)?;
    remove(&places.scratch)?;
    eprintln!("what was installed runs, draws and reads a checkpoint after its checkout is gone");
    Ok(())
}

/// Where the parts of a trial lie.
struct Places {
    scratch: PathBuf,
    /// The checkout that goes.
    clone: PathBuf,
    /// Where it is built.
    target: PathBuf,
    /// What `cargo install` makes.
    to: PathBuf,
    /// Where libtorch is kept for what is installed.
    data: PathBuf,
}

impl Places {
    /// Empty ones, and the folder of builds, which may have some already.
    fn new(root: &Path, builds: Option<&Path>) -> anyhow::Result<Self> {
        let scratch = root.join("target/installed");
        let at = |name: &str| scratch.join(name);
        let places = Self {
            clone: at("clone"),
            target: builds.map_or_else(|| Ok(at("builds")), std::path::absolute)?,
            to: at("root"),
            data: at("data"),
            scratch: scratch.clone(),
        };
        for old in [&places.clone, &places.to, &places.data] {
            remove(old)?;
        }
        fs::create_dir_all(&places.scratch)
            .with_context(|| format!("cannot make {}", places.scratch.display()))?;
        Ok(places)
    }

    /// cargo in the clone, as a user has it.
    fn cargo(&self) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(&self.clone).env("XDG_DATA_HOME", &self.data).env("CARGO_TARGET_DIR", &self.target);
        for own in ["LIBTORCH", "LIBTORCH_USE_PYTORCH", "LIBTORCH_BYPASS_VERSION_CHECK"] {
            cargo.env_remove(own);
        }
        // Cargo names these after this chore's own package.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
                cargo.env_remove(name);
            }
        }
        cargo
    }
}

/// Reads, draws and looks at a model with nothing of this process's environment but where libtorch is kept.
fn try_installed(places: &Places) -> anyhow::Result<()> {
    let lens = |words: &[&str]| -> anyhow::Result<String> {
        let mut lens = Command::new(places.to.join("bin/lens"));
        lens.args(words).env_clear().env("XDG_DATA_HOME", &places.data).current_dir(&places.data);
        let Output { status, stdout, stderr } = lens.output().context("cannot run what was installed")?;
        if !status.success() {
            let said = String::from_utf8_lossy(&stderr).trim().to_owned();
            bail!("what was installed fails at lens {}: {said}", words.join(" "));
        }
        Ok(String::from_utf8_lossy(&stdout).into_owned())
    };
    let says = |words: &[&str], what: &str| -> anyhow::Result<()> {
        let said = lens(words)?;
        if said.contains(what) {
            Ok(())
        } else {
            bail!("lens {} does not say {what:?}: {said}", words.join(" "))
        }
    };
    says(&["--version"], env!("CARGO_PKG_VERSION"))?;
    lens(&["run", PROMPT, "-o", "trace.json"])?;
    says(&["render", "trace.json"], ANSWER)?;
    lens(&["render", "trace.json", "--kind", "curves", "-o", "curves.pdf"])?;
    says(&["inspect"], "layers")
}

fn remove(place: &Path) -> anyhow::Result<()> {
    if place.exists() {
        fs::remove_dir_all(place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    Ok(())
}

/// Runs a program with its output where ours goes.
fn done(command: &mut Command) -> anyhow::Result<()> {
    eprintln!("running {command:?}");
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed ({status})");
    }
    Ok(())
}
