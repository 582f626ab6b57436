//! `cargo xtask sanitize`.

use std::path::Path;

use clap::Args;

use crate::nightly::Nightly;

/// Test unsafe code with the compiler's AddressSanitizer, which sees accesses beside what was allocated or after it was freed
#[derive(Debug, Args)]
#[command(after_help = "\
Needs a nightly compiler, and says how to install it; Linux on x86-64 alone. What came of it: docs/unsafe.md.")]
pub(crate) struct Sanitize {
    /// Words for `cargo test` in place of the tests that the chore knows
    #[arg(last = true, value_name = "WORD")]
    through: Vec<String>,
}

/// Named, so that the flags are for what is tested, and not for build scripts and macros.
const TARGET: [&str; 3] = ["test", "--target", "x86_64-unknown-linux-gnu"];

/// Where unsafe code is that needs no libtorch: tests of every kernel that the processor has, and of an emulated one.
const TESTS: [&str; 3] = ["-p", "lens-core", "--lib"];
const PROGRAMS: [&str; 4] = ["projection", "amx", "pipeline", "lenses"];

pub(crate) fn run(root: &Path, asked: &Sanitize) -> anyhow::Result<()> {
    let nightly = Nightly::find(root, "sanitize", &["rustc"])?;
    let programs = PROGRAMS.into_iter().flat_map(|name| ["--test", name]);
    let known = TESTS.into_iter().chain(programs);
    let words: Vec<&str> = if asked.through.is_empty() {
        known.collect()
    } else {
        asked.through.iter().map(String::as_str).collect()
    };
    nightly.cargo(&[("RUSTFLAGS", "-Zsanitizer=address")], TARGET.into_iter().chain(words))
}
