//! The nightly compiler, for the chores that no stable one can do. The project itself needs none.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::cargo;

/// Cargo of the nightly toolchain, with what a chore needs of it.
pub(crate) struct Nightly<'a> {
    root: &'a Path,
    /// Where it builds: the flags of a chore would have the usual folder built anew.
    target: PathBuf,
}

impl<'a> Nightly<'a> {
    /// Looks for the toolchain and its components.
    ///
    /// # Errors
    /// When something is missing: what, and how to install it.
    pub(crate) fn find(root: &'a Path, folder: &str, components: &[&str]) -> anyhow::Result<Self> {
        let install = format!(
            "rustup toolchain install nightly --profile minimal --component {}",
            components.join(",")
        );
        let listed = Command::new("rustup").args(["component", "list", "--toolchain", "nightly"]).output();
        let listed = listed
            .with_context(|| format!("cannot run rustup, which brings a nightly compiler: {install}"))?;
        if !listed.status.success() {
            bail!("there is no nightly compiler: {install}");
        }
        let listed = String::from_utf8_lossy(&listed.stdout);
        let has = |component: &&&str| {
            listed.lines().any(|line| line.starts_with(**component) && line.ends_with("(installed)"))
        };
        let missing: Vec<&str> = components.iter().filter(|component| !has(component)).copied().collect();
        if !missing.is_empty() {
            bail!("the nightly compiler lacks {}: {install}", missing.join(", "));
        }
        Ok(Self { root, target: root.join("target").join(folder) })
    }

    /// Runs its cargo in the checkout, with more variables in its environment.
    pub(crate) fn cargo<S: AsRef<OsStr>>(
        &self,
        variables: &[(&str, &str)],
        words: impl IntoIterator<Item = S>,
    ) -> anyhow::Result<()> {
        let mut command = Command::new("rustup");
        command.args(["run", "nightly", "cargo"]).args(words).envs(variables.iter().copied());
        // What the stable cargo that runs this chore has set.
        command.env_remove("RUSTC").env_remove("CARGO");
        command.env("CARGO_TARGET_DIR", &self.target);
        cargo::run_in(self.root, command)
    }
}
