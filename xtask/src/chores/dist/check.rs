//! What was made, tried where there is no Rust.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use super::{BINARIES, Parts, VERSION, output, tarball::folder, wheel};
use crate::python;

const PROMPT: &str = "The capital of France is";

/// What it has to say to that.
const ANSWER: &str = "\"text\":\" Paris\"";

/// How the wheel is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// The command and the module, on the checkout's libtorch: nothing is fetched.
    Quick,
    /// With pandas and a notebook, on the checkout's libtorch.
    Whole,
    /// The same on the torch that pip brings.
    WithTorch,
}

/// Runs `lens` of the tarball on this machine, from two folders and installed, without anything of this process's environment.
/// What it does in a root without the machine's own files is [`tarball`]'s to tell.
pub(super) fn tarball_here(parts: &Parts, tarball: &Path, out: &Path) -> anyhow::Result<()> {
    let scratch = empty(&out.join("check"))?;
    let (first, second) = (scratch.join("some where"), scratch.join("else"));
    fs::create_dir(&first)?;
    output(Command::new("tar").arg("-xzf").arg(tarball).arg("-C").arg(&first))?;
    let unpacked = first.join(folder());
    leaves_no_trace_of_the_checkout(parts, &unpacked)?;
    run_bare(&unpacked)?;
    fs::rename(&unpacked, &second)?;
    run_bare(&second)?;
    install(&second, &scratch.join("installed"))?;
    fs::remove_dir_all(&scratch)?;
    eprintln!("the tarball runs with an empty environment, from two folders, and installed");
    Ok(())
}

/// Runs `lens` of a folder without an environment.
fn run_bare(installation: &Path) -> anyhow::Result<()> {
    let mut command = Command::new(installation.join("bin/lens"));
    answers(&output(command.args(["run", PROMPT, "--format", "json"]).env_clear())?)
}

/// Installs an unpacked tarball, and runs what is installed.
fn install(unpacked: &Path, to: &Path) -> anyhow::Result<()> {
    let mut install = Command::new("/bin/sh");
    install.arg(unpacked.join("install.sh")).arg(to).env_clear().env("PATH", "/usr/bin:/bin");
    output(&mut install)?;
    run_bare(to)
}

/// Runs `lens` of the tarball in a root that has the machine's C and C++ libraries and nothing else: no shell, no Python, no
/// Rust; or in a root that somebody has made.
pub(super) fn tarball(parts: &Parts, tarball: &Path, out: &Path, given: Option<&Path>) -> anyhow::Result<()> {
    let scratch = empty(&out.join("check"))?;
    let root = match given {
        Some(root) => root.canonicalize().with_context(|| format!("cannot find {}", root.display()))?,
        None => scratch.join("root"),
    };
    // Not where it would be installed, and with a space.
    let (first, second) = ("opt/some where", "srv/lens");
    for place in [first, second] {
        let place = root.join(place);
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
    }
    fs::create_dir_all(root.join(first))?;
    fs::create_dir_all(root.join("tmp"))?;
    fs::create_dir_all(root.join("proc"))?;
    output(Command::new("tar").arg("-xzf").arg(tarball).arg("-C").arg(root.join(first)))?;
    let unpacked = root.join(first).join(folder());
    if given.is_none() {
        copy_libraries(&unpacked, &root)?;
    }
    leaves_no_trace_of_the_checkout(parts, &unpacked)?;
    run_in(&root, &format!("/{first}/{}", folder()))?;
    // It is moved, and runs again.
    fs::create_dir_all(root.join("srv"))?;
    fs::rename(&unpacked, root.join(second))?;
    run_in(&root, &format!("/{second}"))?;

    // Installed, without anything of this process's environment.
    install(&root.join(second), &scratch.join("installed"))?;
    fs::remove_dir_all(root.join(second))?;
    fs::remove_dir_all(&scratch)?;
    eprintln!("the tarball runs in a root without Rust and Python, from two folders, and installed");
    Ok(())
}

fn empty(folder: &Path) -> anyhow::Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder.to_owned())
}

/// Copies what the loader of this machine would load for the binaries and is not in the tarball.
fn copy_libraries(unpacked: &Path, root: &Path) -> anyhow::Result<()> {
    for name in BINARIES {
        let said = output(Command::new("ldd").arg(unpacked.join("bin").join(name)))?;
        if said.contains("not found") {
            bail!("{name} is not complete:\n{said}");
        }
        // Lines such as `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`.
        let paths = said.lines().filter_map(|line| {
            let line = line.split_once("=>").map_or(line, |(_, path)| path).trim();
            Some(Path::new(line.rsplit_once(" (0x")?.0)).filter(|path| path.is_absolute())
        });
        for path in paths.filter(|path| !path.starts_with(unpacked)) {
            let to = root.join(path.strip_prefix("/")?);
            fs::create_dir_all(to.parent().context("a library has a folder")?)?;
            fs::copy(path, &to).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}

/// Fails where a binary would look for libraries in the checkout.
fn leaves_no_trace_of_the_checkout(parts: &Parts, unpacked: &Path) -> anyhow::Result<()> {
    // Messages of libtorch name the headers that they stand in: those lead nowhere.
    let checkout = parts.root.join(".libtorch/lib");
    let sought = checkout.as_os_str().as_encoded_bytes();
    for name in BINARIES {
        let bytes = fs::read(unpacked.join("bin").join(name))?;
        if bytes.windows(sought.len()).any(|part| part == sought) {
            bail!("{name} still names {}", checkout.display());
        }
    }
    Ok(())
}

/// Runs `lens` in the root, in namespaces of its own and with an empty environment.
fn run_in(root: &Path, installation: &str) -> anyhow::Result<()> {
    let lens = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc"]);
        command.arg("--root").arg(root).arg("--").arg(format!("{installation}/bin/lens")).args(words);
        command.env_clear();
        output(&mut command)
    };
    answers(&lens(&["run", PROMPT, "--format", "json"])?)?;
    if !lens(&["--version"])?.contains(VERSION) {
        bail!("lens is not of version {VERSION}");
    }
    Ok(())
}

fn answers(said: &str) -> anyhow::Result<()> {
    if !said.contains(ANSWER) {
        bail!("lens ran and did not find \" Paris\"");
    }
    Ok(())
}

/// Installs the wheel in a fresh Python and runs the command, the module and, but for the quick form, a notebook.
pub(super) fn wheel(parts: &Parts, made: &Path, out: &Path, depth: Depth) -> anyhow::Result<()> {
    // Where a libtorch was lent, pip takes torch for installed: it is fetched into a Python of its own.
    let folder = out.join(if depth == Depth::WithTorch { "python-with-torch" } else { "python" });
    if depth == Depth::WithTorch {
        empty(&folder)?;
    }
    let packages: &[&str] = match depth {
        Depth::Quick => &[],
        Depth::Whole | Depth::WithTorch => &["pandas", "pyarrow", "nbconvert", "ipykernel", "nbformat"],
    };
    let python = python::environment(&folder, packages)?;
    let script = out.join("check_wheel.py");
    fs::write(&script, include_str!("check_wheel.py"))?;
    let mut command = Command::new(&python);
    command.arg("-I").arg(&script).args([made, &parts.root.join(".libtorch")]);
    command.args([wheel::NAME, VERSION]).arg(match depth {
        Depth::Quick => "quick",
        Depth::Whole => "lend",
        Depth::WithTorch => "install",
    });
    // What a user has: no Rust, and nothing that names a libtorch.
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(out);
    for kept in
        ["HOME", "PIP_INDEX_URL", "PIP_CONFIG_FILE", "PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"]
            .iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)))
    {
        command.env(kept.0, kept.1);
    }
    let status = command.status().with_context(|| format!("cannot run {}", python.display()))?;
    if depth == Depth::WithTorch {
        fs::remove_dir_all(&folder)?;
    }
    if !status.success() {
        bail!("the wheel does not hold what it promises ({status})");
    }
    let notebook = if depth == Depth::Quick { "" } else { ", and a notebook" };
    eprintln!("the wheel runs: the command, the module{notebook}");
    Ok(())
}
