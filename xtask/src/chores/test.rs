//! `cargo xtask test`.

use std::ffi::OsString;
use std::path::Path;

use super::Chore;
use crate::arguments::Arguments;
use crate::cargo::cargo;
use crate::libtorch;

pub(super) const CHORE: Chore = Chore {
    name: "test",
    summary: "every test of the workspace, after set-up if needed",
    details: "\
  --no-torch    only what needs no libtorch, without any set-up
  -- ARGUMENTS  handed to cargo test: `-- name_of_a_test`, `-- -- --nocapture`",
    run,
};

/// What can be tested without libtorch.
const WITHOUT_TORCH: [&[&str]; 2] = [
    &["test", "-p", "lens-core", "-p", "lens-data", "-p", "lens-viz", "-p", "xtask"],
    &["test", "-p", "lens-models", "--no-default-features"],
];

fn run(root: &Path, mut arguments: Arguments) -> anyhow::Result<()> {
    let no_torch = arguments.take_flag("--no-torch");
    let through = arguments.finish()?;
    let test = |words: &[&str]| cargo(root, words.iter().map(OsString::from).chain(through.iter().cloned()));
    if no_torch {
        return WITHOUT_TORCH.into_iter().try_for_each(test);
    }
    eprintln!("{}", libtorch::ensure(root)?);
    test(&["test", "--workspace"])
}
