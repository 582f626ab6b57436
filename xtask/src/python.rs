//! Environments of Python, each with what one chore needs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};

/// The Python of an environment with these packages, which is made if it is not there.
pub(crate) fn environment(folder: &Path, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let python = folder.join("bin/python");
    // Written last: an environment without it was not finished, or is of other packages.
    let (mark, wanted) = (folder.join("packages"), packages.join("\n"));
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let made_by = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let mut make = Command::new(made_by);
    make.args(["-m", "venv"]).arg(folder);
    let mut fetch = Command::new(&python);
    fetch.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
    let fetch = (!packages.is_empty()).then_some(fetch);
    for mut command in std::iter::once(make).chain(fetch) {
        command.stdin(Stdio::null()).stdout(std::io::stderr());
        let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
        if !status.success() {
            bail!("{command:?} failed ({status})");
        }
    }
    fs::write(&mark, wanted).with_context(|| format!("cannot write {}", mark.display()))?;
    Ok(python)
}
