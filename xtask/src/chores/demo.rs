//! `cargo xtask demo`.

use std::ffi::OsString;
use std::path::Path;

use clap::Args;

use crate::cargo::{BUILD, LENS, cargo};
use crate::libtorch;

/// Build the release binaries and read the embedded model's layers
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Handed to `lens run`: `-- --top-k 3`, `-- --format json`
    #[arg(last = true, value_name = "ARGUMENTS")]
    through: Vec<OsString>,
}

const PROMPT: &str = "The capital of France is";

const GO_ON: &str = "
That was `lens run \"The capital of France is\"` on the embedded demo model. Go on with:
  cargo run --release -- run --help                every option, with examples
  cargo run --release -- run -m DIR \"your prompt\"  a checkpoint of your own
  cargo install --path lens-cli && cargo install --path lens-engine
                                                   `lens` on your PATH";

pub(crate) fn run(root: &Path, asked: &Demo) -> anyhow::Result<()> {
    eprintln!("{}", libtorch::ensure(root)?);
    cargo(root, BUILD)?;
    let lens = LENS.into_iter().chain(["run", PROMPT]);
    cargo(root, lens.map(OsString::from).chain(asked.through.iter().cloned()))?;
    // A note for people: stdout is the result alone.
    eprintln!("{GO_ON}");
    Ok(())
}
