//! `cargo xtask miri`.

use std::path::Path;

use clap::Args;

use crate::nightly::Nightly;

/// Run the unsafe code that Miri can run in it, which finds what no processor shows
#[derive(Debug, Args)]
#[command(after_help = "\
Needs a nightly compiler with Miri and its sources, and says how to install them; nothing else in the project does. What is run, and
what cannot be: docs/unsafe.md. `cargo xtask sanitize` has the processor's own instructions.")]
pub(crate) struct Miri {
    /// Words for `cargo miri test` in place of the tests that the chore knows
    #[arg(last = true, value_name = "WORD")]
    through: Vec<String>,
}

/// Tests, the instructions that the program is compiled for (Miri asks no processor), and Miri's own flags.
struct Run {
    features: &'static str,
    flags: &'static str,
    words: &'static [&'static str],
}

const PLAIN: &str = "";
const AVX2: &str = "-Ctarget-feature=+avx2,+fma,+f16c";
const AVX512: &str = "-Ctarget-feature=+avx2,+fma,+f16c,+avx512f,+avx512bw,+avx512dq,+avx512vl";

/// Stacked borrows, and no integer that becomes a pointer.
const STRICT: &str = "-Zmiri-strict-provenance";
/// The same rules with trees in place of stacks.
const TREES: &str = "-Zmiri-strict-provenance -Zmiri-tree-borrows";
/// With threads: what rayon's queues are made of (crossbeam) makes pointers of integers, keeps to trees alone, and leaves
/// its threads running.
const THREADS: &str =
    "-Zmiri-permissive-provenance -Zmiri-tree-borrows -Zmiri-ignore-leaks -Zmiri-disable-isolation";

const KERNEL: &[&str] =
    &["-p", "lens-core", "--lib", "--", "projection::exp", "projection::tile", "projection::panel"];
const TILES: &[&str] = &["-p", "lens-core", "--lib", "--", "projection::tile"];
const PROJECTIONS: &[&str] = &["-p", "lens-core", "--test", "projection", "--", "random_cases"];

const RUNS: [Run; 7] = [
    Run { features: PLAIN, flags: STRICT, words: KERNEL },
    Run { features: AVX2, flags: STRICT, words: KERNEL },
    Run { features: AVX2, flags: TREES, words: TILES },
    // Enough of it is known for products, and not for what is made of them.
    Run { features: AVX512, flags: STRICT, words: TILES },
    Run { features: AVX512, flags: TREES, words: TILES },
    Run { features: PLAIN, flags: THREADS, words: PROJECTIONS },
    Run { features: AVX2, flags: THREADS, words: PROJECTIONS },
];

pub(crate) fn run(root: &Path, asked: &Miri) -> anyhow::Result<()> {
    let nightly = Nightly::find(root, "miri", &["miri", "rust-src"])?;
    let test = |features: &str, flags: &str, words: &[&str]| {
        let variables = [("MIRIFLAGS", flags), ("RUSTFLAGS", features), ("RAYON_NUM_THREADS", "3")];
        nightly.cargo(&variables, ["miri", "test"].iter().chain(words))
    };
    if !asked.through.is_empty() {
        let words: Vec<&str> = asked.through.iter().map(String::as_str).collect();
        return test(PLAIN, THREADS, &words);
    }
    RUNS.iter().try_for_each(|run| test(run.features, run.flags, run.words))
}
