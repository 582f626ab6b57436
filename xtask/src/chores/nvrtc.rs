//! `cargo xtask nvrtc`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::cargo::cargo;

/// Compile the kernels of a card's readout with NVIDIA's compiler, without a card
#[derive(Debug, Args)]
#[command(after_help = "\
Installs nvidia-cuda-nvrtc, the compiler as a library, with pip into an environment of its own, target/nvrtc (90 MB), and
compiles every form of the kernels with it, through the code that does so where a card is. Prints how long each is and how
long it took, and how long it takes to get it out of the cache.

  PYTHON=PROGRAM   another Python than python3")]
pub(crate) struct Nvrtc {
    /// Install the compiler, and no more
    #[arg(long)]
    fetch: bool,
    /// The cards to compile for
    #[arg(value_name = "ARCH", default_values = ["sm_80", "sm_90", "sm_100"])]
    archs: Vec<String>,
}

/// That of CUDA 13, which the libtorch with CUDA is built with.
const COMPILER: &str = "nvidia-cuda-nvrtc==13.0.88";

pub(crate) fn run(root: &Path, asked: &Nvrtc) -> anyhow::Result<()> {
    let environment = root.join("target/nvrtc");
    let folder = match library(&environment) {
        Some(folder) => folder,
        None => {
            install(&environment)?;
            let missing =
                || format!("{COMPILER} is installed in {}, without libnvrtc", environment.display());
            library(&environment).with_context(missing)?
        }
    };
    eprintln!("NVRTC is in {}", folder.display());
    if asked.fetch {
        return Ok(());
    }
    let folder = folder.to_str().context("the folder's name is not UTF-8")?;
    let words = ["run", "--quiet", "-p", "lens-cuda", "--example", "compile", "--", folder];
    cargo(root, words.into_iter().chain(asked.archs.iter().map(String::as_str)))
}

/// Where in a Python environment the compiler is.
fn library(environment: &Path) -> Option<PathBuf> {
    let pythons = std::fs::read_dir(environment.join("lib")).ok()?;
    let of = |python: PathBuf| python.join("site-packages/nvidia/cu13/lib");
    let mut folders = pythons.flatten().map(|python| of(python.path()));
    folders.find(|folder| folder.join("libnvrtc.so.13").is_file())
}

fn install(environment: &Path) -> anyhow::Result<()> {
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let mut make = Command::new(python);
    make.args(["-m", "venv"]).arg(environment);
    let mut fetch = Command::new(environment.join("bin/python"));
    fetch.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", COMPILER]);
    for mut command in [make, fetch] {
        command.stdin(Stdio::null()).stdout(std::io::stderr());
        let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
        if !status.success() {
            bail!("{command:?} failed ({status})");
        }
    }
    Ok(())
}
