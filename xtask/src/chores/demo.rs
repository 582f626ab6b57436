//! `cargo xtask demo`.

use std::ffi::OsString;
use std::path::Path;

use super::Chore;
use crate::arguments::Arguments;
use crate::cargo::cargo;
use crate::libtorch;

pub(super) const CHORE: Chore = Chore {
    name: "demo",
    summary: "build the release binary and read the embedded model's layers",
    details: "\
  -- ARGUMENTS  handed to `lens run`: `-- --top-k 3`, `-- --format json`",
    run,
};

const PROMPT: &str = "The capital of France is";

const GO_ON: &str = "
That was `lens run \"The capital of France is\"` on the embedded demo model. Go on with:
  cargo run --release -- run --help                every option, with examples
  cargo run --release -- run -m DIR \"your prompt\"  a checkpoint of your own
  cargo install --path lens-cli                    `lens` on your PATH (keep this checkout: libtorch stays in it)";

fn run(root: &Path, arguments: Arguments) -> anyhow::Result<()> {
    let through = arguments.finish()?;
    eprintln!("{}", libtorch::ensure(root)?);
    let lens = ["run", "--release", "-p", "lens-cli", "--bin", "lens", "--", "run", PROMPT];
    cargo(root, lens.into_iter().map(OsString::from).chain(through))?;
    // A note for people: stdout is the result alone.
    eprintln!("{GO_ON}");
    Ok(())
}
