//! `cargo xtask demo`.

use std::ffi::OsString;
use std::path::Path;

use clap::Args;

use crate::cargo::cargo;
use crate::libtorch;

/// Build the release binary and read the embedded model's layers
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
  cargo install --path lens-cli                    `lens` on your PATH (keep this checkout: libtorch stays in it)";

pub(crate) fn run(root: &Path, asked: &Demo) -> anyhow::Result<()> {
    eprintln!("{}", libtorch::ensure(root)?);
    let lens = ["run", "--release", "-p", "lens-cli", "--bin", "lens", "--", "run", PROMPT];
    cargo(root, lens.into_iter().map(OsString::from).chain(asked.through.iter().cloned()))?;
    // A note for people: stdout is the result alone.
    eprintln!("{GO_ON}");
    Ok(())
}
