//! `cargo xtask dist`.

mod check;
mod elf;
mod licences;
mod pack;
mod tarball;
mod wheel;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::cargo::{BUILD, cargo};
use crate::libtorch;
use elf::{Needs, Version};

/// Make what people install: a tarball that needs nothing, and a Python wheel that uses their torch
#[derive(Debug, Args)]
#[command(after_help = "\
Builds the release binaries and leaves in target/dist/:

  lens-VERSION-x86_64-unknown-linux-gnu.tar.gz   binaries, the CPU half of libtorch, manual pages, completions, licences;
                                                 runs from any folder
  logit_lens_rs-VERSION-py3-none-manylinux_….whl the binaries and the module lens for Python; depends on torch 2.11

The same sources give the same bytes with the same compiler; SOURCE_DATE_EPOCH (or the last commit) is the time of all
files. What is made runs where the C library is as new as the one it was linked with: the output says which.

  PYTHON=PROGRAM   another Python than python3")]
pub(crate) struct Dist {
    /// Try both where there is no Rust: the tarball in a root with nothing else in it, the wheel in a fresh Python
    #[arg(long)]
    check: bool,
    /// With --check: a root to try the tarball in, such as one of debootstrap, in place of one with the C library alone
    #[arg(long, requires = "check", value_name = "DIR")]
    root: Option<PathBuf>,
    /// With --check: install torch with pip as a user would (3 GB), in place of lending the wheel the checkout's libtorch
    #[arg(long, requires = "check")]
    with_torch: bool,
    /// With --check: what takes a minute and asks no network. Archives are packed loosely, the tarball runs from two folders with
    /// an empty environment, and the wheel in a Python without pandas and notebooks
    #[arg(long, requires = "check", conflicts_with_all = ["root", "with_torch"])]
    quick: bool,
    /// Pack the binaries in this folder, in place of building them
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
}

/// What the binaries are for: libtorch is pinned for other platforms, but nobody has tried to pack them there.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The binaries.
const BINARIES: [&str; 2] = ["lens", "lens-engine"];

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where an installation has libtorch, seen from `bin/`; lens-engine/build.rs says the same.
const IN_INSTALLATION: &str = "$ORIGIN/../lib/lens/libtorch/lib";

/// What both archives are made of.
struct Parts {
    root: PathBuf,
    /// Stripped binaries and what they print.
    made: PathBuf,
    /// The libraries of the CPU half that the engine needs.
    libraries: Vec<PathBuf>,
    /// The newest glibc that a binary asks for, and that a library does.
    glibc: Version,
    /// Of all files.
    time: u64,
    /// Terms of crates.
    crates: String,
    /// Whether archives are made to be looked at and thrown away: larger, and sooner there.
    is_quick: bool,
}

pub(crate) fn run(root: &Path, asked: &Dist) -> anyhow::Result<()> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        bail!("archives are made for {TARGET} alone, on such a machine");
    }
    eprintln!("{}", libtorch::ensure(root)?);
    let binaries = match &asked.binaries {
        Some(folder) => folder.clone(),
        None => {
            cargo(root, BUILD)?;
            root.join("target/release")
        }
    };
    let out = root.join(if asked.quick { "target/dist-quick" } else { "target/dist" });
    let parts = Parts { is_quick: asked.quick, ..Parts::collect(root, &binaries, &out)? };
    let (major, minor) = parts.glibc;
    let tarball = tarball::make(&parts, &out)?;
    let wheel = wheel::make(&parts, &out)?;
    for made in [&tarball, &wheel] {
        println!("{} ({} MB)", made.display(), fs::metadata(made)?.len().div_ceil(1_000_000));
    }
    eprintln!("both need Linux on x86_64 with glibc {major}.{minor} or newer");
    if asked.quick {
        check::tarball_here(&parts, &tarball, &out)?;
        check::wheel(&parts, &wheel, &out, check::Depth::Quick)?;
        // Nobody is to install what was packed loosely.
        fs::remove_dir_all(&out).with_context(|| format!("cannot remove {}", out.display()))?;
    } else if asked.check {
        let depth = if asked.with_torch { check::Depth::WithTorch } else { check::Depth::Whole };
        check::tarball(&parts, &tarball, &out, asked.root.as_deref())?;
        check::wheel(&parts, &wheel, &out, depth)?;
    }
    Ok(())
}

impl Parts {
    fn collect(root: &Path, binaries: &Path, out: &Path) -> anyhow::Result<Self> {
        let made = out.join("parts");
        if made.exists() {
            fs::remove_dir_all(&made).with_context(|| format!("cannot remove {}", made.display()))?;
        }
        fs::create_dir_all(&made).with_context(|| format!("cannot make {}", made.display()))?;
        let mut glibc = Version::default();
        for name in BINARIES {
            let (from, to) = (binaries.join(name), made.join(name));
            let mut strip = Command::new("strip");
            output(strip.arg("--strip-all").arg("-o").arg(&to).arg(&from))?;
            glibc = glibc.max(Needs::of(&to)?.glibc);
        }
        let folder = root.join(".libtorch/lib");
        let libraries = libraries(&made.join("lens-engine"), &folder)?;
        for library in &libraries {
            glibc = glibc.max(Needs::of(library)?.glibc);
        }
        let lens = made.join("lens");
        output(Command::new(&lens).arg("man-pages").arg(made.join("man")))?;
        for shell in tarball::SHELLS.map(|(shell, _)| shell) {
            let script = output(Command::new(&lens).args(["completions", shell]))?;
            fs::write(made.join(shell), script)?;
        }
        let crates = licences::of_crates(root, TARGET)?;
        Ok(Self { root: root.to_owned(), made, libraries, glibc, time: time(root)?, crates, is_quick: false })
    }

    /// How hard archives are packed, from 1 to 9: zlib's usual 6, whose bytes are the same everywhere.
    fn level(&self) -> u8 {
        if self.is_quick { 1 } else { 6 }
    }

    /// Terms of lens and of what it is made of, with the names of their files.
    fn licences(&self) -> Vec<(String, Terms)> {
        let copy = |name: &str, from: &str| (name.to_owned(), Terms::Path(self.root.join(from)));
        vec![
            copy("LICENSE", "LICENSE"),
            copy("LICENSE.DejaVu.txt", "lens-viz/fonts/LICENSE.DejaVu.txt"),
            copy("LICENSE.NotoSansSymbols2.txt", "lens-viz/fonts/LICENSE.NotoSansSymbols2.txt"),
            ("crates.txt".to_owned(), Terms::Text(self.crates.clone())),
        ]
    }
}

/// Where a text of terms is.
enum Terms {
    Path(PathBuf),
    Text(String),
}

impl Terms {
    fn entry(self, name: String) -> pack::Entry {
        match self {
            Self::Path(path) => pack::Entry::copy(name, path),
            Self::Text(text) => pack::Entry::text(name, text),
        }
    }
}

/// Those of the libraries in `folder` that `program` is linked with, and that these are linked with in turn. The rest is
/// the machine's.
fn libraries(program: &Path, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (mut open, mut found) = (vec![program.to_owned()], BTreeSet::new());
    while let Some(file) = open.pop() {
        for name in Needs::of(&file)?.libraries {
            let path = folder.join(name);
            if path.is_file() && found.insert(path.clone()) {
                open.push(path);
            }
        }
    }
    if found.is_empty() {
        bail!("{} needs nothing of {}", program.display(), folder.display());
    }
    Ok(found.into_iter().collect())
}

/// The time of all files: `SOURCE_DATE_EPOCH`, or that of the last commit.
fn time(root: &Path) -> anyhow::Result<u64> {
    let told = std::env::var("SOURCE_DATE_EPOCH").ok().filter(|told| !told.is_empty());
    let text = match told {
        Some(told) => told,
        None => output(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root))?,
    };
    text.trim().parse().with_context(|| format!("{} is no number of seconds since 1970", text.trim()))
}

/// Runs a program and returns what it prints; where it fails, what it said is the error.
fn output(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        bail!("{command:?} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
