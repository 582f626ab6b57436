//! `cargo xtask corpus`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::cargo::cargo_in;

/// Kill a corpus many times, fill its disk, and compare what few and many documents take
#[derive(Debug, Args)]
#[command(after_help = "\
Runs `lens` as it is built for tests, or --lens, in target/corpus, in a mount namespace of its own: the full disk is a small
one in memory. Needs Linux and Python 3. The numbers have to be those of a corpus that was never disturbed.")]
pub(crate) struct Corpus {
    /// How often it is killed, at random times
    #[arg(long, default_value_t = 50)]
    kills: u32,
    /// Documents of the small corpus whose memory is measured: so many that most shapes of passes have come up
    #[arg(long, default_value_t = 1000)]
    few: u32,
    /// Documents of the large one
    #[arg(long, default_value_t = 2000)]
    many: u32,
    /// Another binary than the one that is built here
    #[arg(long, value_name = "PROGRAM")]
    lens: Option<PathBuf>,
}

pub(crate) fn run(root: &Path, asked: &Corpus) -> anyhow::Result<()> {
    let lens = match &asked.lens {
        Some(lens) => lens.clone(),
        None => {
            cargo_in(root, &[], ["build", "-p", "lens-cli", "-p", "lens-engine"])?;
            root.join("target/debug/lens")
        }
    };
    let folder = root.join("target/corpus");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let mut script = Command::new("unshare");
    script.args(["--map-root-user", "--mount", "python3", "-I", "-c", include_str!("corpus.py")]);
    script.args([&lens, &folder]).args([asked.kills, asked.few, asked.many].map(|number| number.to_string()));
    let status = script.stdin(Stdio::null()).status().context("cannot run unshare (of util-linux)")?;
    if !status.success() {
        bail!("the corpus does not hold ({status})");
    }
    Ok(())
}
