//! `cargo xtask slurm`.

use std::{
    path::{Path, PathBuf},
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
pub(crate) struct Slurm {
    /// Another binary than the one that is built here
    #[arg(long, value_name = "PROGRAM")]
    lens: Option<PathBuf>,
}

pub(crate) fn run(root: &Path, asked: &Slurm) -> anyhow::Result<()> {
    let lens = match &asked.lens {
        Some(lens) => lens.clone(),
        None => {
            cargo_in(root, &[], ["build", "-p", "lens-cli", "-p", "lens-engine"])?;
            root.join("target/debug/lens")
        }
    };
    let mut script = Command::new("bash");
    script.args(["-c", include_str!("slurm.sh"), "slurm.sh"]);
    script.arg(lens).arg(root.join("examples"));
    script.arg(root.join("tests/fixtures/demo/text.jsonl")).arg(root.join("target/slurm"));
    let status = script.stdin(Stdio::null()).status().context("cannot run bash")?;
    if !status.success() {
        bail!("the corpus on Slurm does not hold ({status})");
    }
    Ok(())
}
