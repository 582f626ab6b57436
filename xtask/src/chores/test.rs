//! `cargo xtask test`.

use std::ffi::OsString;
use std::path::Path;

use clap::Args;

use crate::cargo::{cargo, cargo_in};
use crate::libtorch;

/// Every test of the workspace, after set-up if needed
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Only what needs no libtorch, without any set-up
    #[arg(long)]
    pub(crate) no_torch: bool,
    /// Handed to cargo test: `-- name_of_a_test`, `-- -- --nocapture`
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub(crate) through: Vec<OsString>,
}

/// What can be tested without libtorch.
const WITHOUT_TORCH: [&str; 9] = [
    "lens-core",
    "lens-checkpoint",
    "lens-cuda",
    "lens-data",
    "lens-viz",
    "lens-serve",
    "lens-cli",
    "lens-fuzz",
    "xtask",
];

pub(crate) fn run(root: &Path, asked: &Test) -> anyhow::Result<()> {
    let through = || asked.through.iter().cloned();
    let test = |words: &[&str]| cargo(root, words.iter().map(OsString::from).chain(through()));
    if asked.no_torch {
        let packages = WITHOUT_TORCH.iter().flat_map(|name| ["-p", name]);
        return test(&["test"].into_iter().chain(packages).collect::<Vec<_>>());
    }
    eprintln!("{}", libtorch::ensure(root)?);
    // All binaries are built before the first test runs.
    cargo_in(
        root,
        &[("LENS_IS_BUILT", "1")],
        ["test", "--workspace"].map(OsString::from).into_iter().chain(through()),
    )
}
