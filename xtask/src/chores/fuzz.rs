//! `cargo xtask fuzz`.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::cargo::{cargo, cargo_in};

/// Throw inputs at every parser, for so many seconds each
#[derive(Debug, Args)]
#[command(after_help = "\
Builds the targets of fuzz/ with the coverage that libFuzzer looks at, into a folder of their own (target/fuzz, 3 GB), and runs
them one after the other, or --jobs at once. Each begins with its seeds and with what earlier runs kept
(target/fuzz/corpus/TARGET). What breaks something is stored in fuzz/found/TARGET, where `cargo test -p lens-fuzz` tries it
again, and the chore fails.")]
pub(crate) struct Fuzz {
    /// The targets; all of them by default
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long each is run
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// How many run at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
}

/// The passes of the compiler that count branches and compare operands, where libFuzzer reads them.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// The most memory that an input may take, MiB, and the longest time, seconds.
const LIMITS: [&str; 3] = ["-rss_limit_mb=2048", "-malloc_limit_mb=1024", "-timeout=20"];
/// The longest input, bytes.
const LONGEST: &str = "-max_len=16384";

pub(crate) fn run(root: &Path, asked: &Fuzz) -> anyhow::Result<()> {
    let known = known(root)?;
    if let Some(other) = asked.targets.iter().find(|target| !known.contains(target)) {
        bail!("no target is called {other} (there are {})", known.join(", "));
    }
    let targets = if asked.targets.is_empty() { &known } else { &asked.targets };
    let folder = root.join("target/fuzz");
    let corpus = folder.join("corpus");
    let written = corpus.to_str().context("the folder's name is not UTF-8")?;
    cargo(root, ["run", "--quiet", "-p", "lens-fuzz", "--example", "seeds", "--", written])?;
    let triple = host()?;
    // With --target, so that the flags are for what is fuzzed, and not for build scripts and macros.
    let build = [
        "build",
        "--profile",
        "fuzz",
        "-p",
        "lens-fuzz",
        "--features",
        "libfuzzer",
        "--target",
        &triple,
        "--target-dir",
    ];
    let words = build.into_iter().chain(["target/fuzz"]);
    let words = words.chain(targets.iter().flat_map(|target| ["--bin", target]));
    cargo_in(root, &[("RUSTFLAGS", FLAGS)], words)?;
    let programs = folder.join(&triple).join("fuzz");
    let mut broken = Vec::new();
    for some in targets.chunks(asked.jobs.max(1)) {
        let begun: Vec<Running> = some
            .iter()
            .map(|target| Running::begin(root, &programs, &corpus, target, asked.seconds))
            .collect::<Result<_, _>>()?;
        for running in begun {
            broken.extend(running.end()?);
        }
    }
    if !broken.is_empty() {
        bail!("inputs that break something are in fuzz/found: {}", broken.join(", "));
    }
    Ok(())
}

/// The names of the targets: those of their programs.
fn known(root: &Path) -> anyhow::Result<Vec<String>> {
    let folder = root.join("fuzz/bin");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let name = |entry: fs::DirEntry| Some(entry.path().file_stem()?.to_str()?.to_owned());
    let mut names: Vec<String> = entries.flatten().filter_map(name).collect();
    names.sort();
    Ok(names)
}

/// What this machine is called by the compiler.
fn host() -> anyhow::Result<String> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(compiler).arg("-vV").output().context("cannot run rustc")?.stdout;
    let said = String::from_utf8_lossy(&said);
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say what this machine is")
}

/// An option of libFuzzer that is a path.
fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(format!("-{name}="));
    option.push(path);
    option
}

/// A target that runs.
struct Running {
    target: String,
    child: std::process::Child,
    log: PathBuf,
}

impl Running {
    fn begin(
        root: &Path,
        programs: &Path,
        corpus: &Path,
        target: &str,
        seconds: u64,
    ) -> anyhow::Result<Self> {
        let log = corpus.join(format!("{target}.log"));
        let found = root.join("fuzz/found").join(target);
        fs::create_dir_all(&found)?;
        let dictionary = corpus.join(format!("{target}.dict"));
        let file = fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(programs.join(target));
        command
            .arg(option("artifact_prefix", &found.join("")))
            .args(LIMITS)
            .arg(LONGEST)
            .arg(format!("-max_total_time={seconds}"));
        if fs::metadata(&dictionary).is_ok_and(|file| file.len() > 0) {
            command.arg(option("dict", &dictionary));
        }
        command.arg("-print_final_stats=1").arg(corpus.join(target)).current_dir(root);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        Ok(Self { target: target.to_owned(), child, log })
    }

    /// Waits, prints what was tried, and names the target if something broke.
    fn end(mut self) -> anyhow::Result<Option<String>> {
        let status = self.child.wait()?;
        let log = String::from_utf8_lossy(&fs::read(&self.log)?).into_owned();
        let said = |name: &str| {
            let line = log.lines().rev().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_whitespace().last()).unwrap_or("?").to_owned()
        };
        println!(
            "{:18} {:>10} inputs, {:>6} of them new to it, {:>5} MB at most{}",
            self.target,
            said("stat::number_of_executed_units"),
            said("stat::new_units_added"),
            said("stat::peak_rss_mb"),
            if status.success() { "" } else { ": BROKEN" },
        );
        if status.success() {
            return Ok(None);
        }
        let tail: Vec<&str> = log.lines().rev().take(30).collect();
        tail.iter().rev().for_each(|line| eprintln!("  {line}"));
        Ok(Some(self.target))
    }
}
