//! Programs of the machine that tests need.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Finds a program by one of its names, and installs the package that has it where we may: with apt, as root. Where we may not,
/// the error says what to install, and `or` what else helps.
pub(crate) fn program(names: &[&str], package: &str, or: &str) -> anyhow::Result<PathBuf> {
    if let Some(found) = on_path(names) {
        return Ok(found);
    }
    if on_path(&["apt-get"]).is_none() || !is_root() {
        bail!(
            "no {package} on the PATH, and it can be installed only as root with apt: install the package `{package}`{or}"
        );
    }
    apt(&["update"])?;
    apt(&["install", "-y", "--no-install-recommends", package])?;
    on_path(names).with_context(|| format!("apt installed `{package}`, but no such program is on the PATH"))
}

fn apt(words: &[&str]) -> anyhow::Result<()> {
    eprintln!("running apt-get {}", words.join(" "));
    let mut apt = Command::new("apt-get");
    apt.args(words).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(std::io::stderr());
    if !apt.status().context("cannot run apt-get")?.success() {
        bail!("apt-get {} failed", words.join(" "));
    }
    Ok(())
}

fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
