//! `cargo xtask slurm`.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::cargo::cargo_in;

/// Read a corpus with a real Slurm of this machine: 8 tasks, one killed and handed in again
#[derive(Debug, Args)]
#[command(after_help = "\
Needs Debian's slurm-wlm and munge, and root. The daemons run in target/slurm and end with the chore. The merged numbers are
compared with those of one process.")]
pub(crate) struct Slurm {}

pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    cargo_in(root, &[], ["build", "-p", "lens-cli", "-p", "lens-engine"])?;
    let mut script = Command::new("bash");
    script.args(["-c", include_str!("slurm.sh"), "slurm.sh"]);
    script.arg(root.join("target/debug/lens")).arg(root.join("examples"));
    script.arg(root.join("tests/fixtures/demo/text.jsonl")).arg(root.join("target/slurm"));
    let status = script.stdin(Stdio::null()).status().context("cannot run bash")?;
    if !status.success() {
        bail!("the corpus on Slurm does not hold ({status})");
    }
    Ok(())
}
