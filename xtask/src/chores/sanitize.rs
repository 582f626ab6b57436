//! `cargo xtask sanitize`.

use std::path::Path;

use clap::{Args, ValueEnum};

use crate::nightly::Nightly;

/// Test unsafe code with a sanitizer of the compiler watching memory, or threads
#[derive(Debug, Args)]
#[command(after_help = "\
Needs a nightly compiler (for threads, with its sources), and says how to install it; Linux on x86-64 alone. What is run, and what
came of it: docs/unsafe.md.")]
pub(crate) struct Sanitize {
    /// What is watched
    #[arg(value_enum, default_value_t = What::Address)]
    what: What,
    /// Words for `cargo test` in place of the tests that the chore knows
    #[arg(last = true, value_name = "WORD")]
    through: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Accesses beside what was allocated, or after it was freed
    Address,
    /// Threads that reach for one place at one time
    Thread,
}

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Where unsafe code is that needs no libtorch: tests of every kernel that the processor has.
const ADDRESS: [&[&str]; 2] = [&["-p", "lens-core", "--lib", "--tests"], &["-p", "lens-cuda", "--tests"]];
/// Where threads share work.
const THREAD: [&[&str]; 1] = [&["-p", "lens-core", "--test", "projection"]];

pub(crate) fn run(root: &Path, asked: &Sanitize) -> anyhow::Result<()> {
    let (name, components, runs): (_, &[&str], &[&[&str]]) = match asked.what {
        What::Address => ("address", &["rustc"], &ADDRESS),
        // The standard library is built with the sanitizer as well: what its locks order would be unseen.
        What::Thread => ("thread", &["rust-src"], &THREAD),
    };
    let nightly = Nightly::find(root, &format!("sanitize/{name}"), components)?;
    let flags = format!("-Zsanitizer={name}");
    let build: &[&str] = match asked.what {
        What::Address => &["test", "--target", TARGET],
        What::Thread => &["test", "-Zbuild-std", "--target", TARGET],
    };
    let test = |words: &[&str]| nightly.cargo(&[("RUSTFLAGS", &flags)], build.iter().chain(words));
    if !asked.through.is_empty() {
        let words: Vec<&str> = asked.through.iter().map(String::as_str).collect();
        return test(&words);
    }
    runs.iter().try_for_each(|words| test(words))
}
