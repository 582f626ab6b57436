//! `cargo xtask battery`.

use std::path::Path;

use clap::Args;

use crate::cargo::cargo_in;

/// Kill runs and fits many times, and deny disk, files, memory and a hub's honesty at random
#[derive(Debug, Args)]
#[command(after_help = "\
The tests of faults with more repetitions than an ordinary run of the tests has. A disk of its own to fill needs Linux, and a user
who may mount one in a namespace; what is skipped says so. `cargo xtask corpus` is the one for corpora.")]
pub(crate) struct Battery {
    /// How often each kind of run is killed, and how many limits on memory are drawn
    #[arg(long, value_name = "N", default_value_t = 50)]
    times: u32,
    /// Whether the crates are built with optimisations
    #[arg(long)]
    release: bool,
}

/// Of which package and test program, and the tests in it.
const TESTS: [(&str, &str, &[&str]); 2] = [
    ("lens-engine", "cli", &["killed::", "faults::"]),
    ("lens-checkpoint", "hub", &["full_disk::", "lies::", "processes::"]),
];

pub(crate) fn run(root: &Path, asked: &Battery) -> anyhow::Result<()> {
    let times = asked.times.to_string();
    let profile: &[&str] = if asked.release { &["--release"] } else { &[] };
    // The whole workspace, so that what other tests have built is used; and both binaries, so that no test builds one.
    cargo_in(root, &[], ["build", "--workspace", "--bins"].iter().chain(profile))?;
    for (package, program, tests) in TESTS {
        println!("== {package}: {}", tests.join(" "));
        let (build, how) =
            (["test", "--workspace", "--test", program], ["--nocapture", "--test-threads", "2"]);
        let words = build.iter().chain(profile).chain(&["--"]).chain(tests).chain(&how);
        cargo_in(root, &[("LENS_TIMES", &times), ("LENS_IS_BUILT", "1")], words.copied())?;
    }
    Ok(())
}
