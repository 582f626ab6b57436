//! `cargo xtask examples`.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::{cargo::built, python};

/// Check the examples for clusters: Slurm, Kubernetes and Ray
#[derive(Debug, Args)]
#[command(after_help = "\
Installs Ray and the schemas of Kubernetes with pip into an environment of its own, target/examples (450 MB), compares the
Jobs with the schemas, and runs the scripts with programs that stand in for lens and sbatch. Where `cargo build` has made lens,
Ray runs it as well, and its numbers are compared with those of one process.

  PYTHON=PROGRAM   another Python than python3")]
pub(crate) struct Examples {
    /// Only install what it needs
    #[arg(long)]
    fetch: bool,
}

const PACKAGES: [&str; 3] = ["kubernetes-validate==1.37.0", "pyyaml==6.0.4", "ray==2.60.0"];

pub(crate) fn run(root: &Path, asked: &Examples) -> anyhow::Result<()> {
    let python = python::environment(&root.join("target/examples"), &PACKAGES)?;
    if asked.fetch {
        return Ok(());
    }
    let mut check = Command::new(&python);
    check.args(["-I", "-c", include_str!("examples.py")]).arg(root.join("examples"));
    check.args(built(root)).stdin(Stdio::null());
    let status = check.status().with_context(|| format!("cannot run {}", python.display()))?;
    if !status.success() {
        bail!("an example does not hold ({status})");
    }
    Ok(())
}
