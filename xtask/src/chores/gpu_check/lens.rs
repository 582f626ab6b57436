//! The binary under test, and what of its traces matters here.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::cargo::{BUILD, cargo};
use crate::libtorch;

/// A `lens`, and where its libtorch is.
#[derive(Clone)]
pub(in crate::chores) struct Lens {
    program: PathBuf,
    environment: Vec<(&'static str, OsString)>,
}

/// What is read of a trace.
#[derive(Debug, Deserialize)]
pub(super) struct Run {
    pub(super) readouts: Vec<Readout>,
    pub(super) timing: Option<Timing>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Readout {
    pub(super) layer: Option<u16>,
    pub(super) component: String,
    pub(super) position: usize,
    pub(super) top: Vec<Top>,
    pub(super) entropy: f64,
    pub(super) kl_to_final: f64,
    pub(super) js_to_final: Option<f64>,
    pub(super) tv_to_final: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Top {
    pub(super) id: u32,
    pub(super) logit: f64,
    pub(super) prob: f64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Timing {
    pub(super) forward: f64,
    pub(super) readout: f64,
}

impl Lens {
    /// `built`, or a release build of the checkout; with the libtorch in `torch`, or its own.
    pub(in crate::chores) fn new(
        root: &Path,
        built: Option<PathBuf>,
        torch: Option<&str>,
    ) -> anyhow::Result<Self> {
        let program = match built {
            Some(built) => {
                built.canonicalize().with_context(|| format!("there is no {}", built.display()))?
            }
            None => {
                eprintln!("{}", libtorch::ensure(root)?);
                cargo(root, BUILD)?;
                root.join("target/release/lens")
            }
        };
        let folder = match torch {
            None => None,
            Some("python") => Some(folder_of_python()?),
            Some(folder) => Some(OsString::from(folder)),
        };
        let environment = folder.map_or_else(Vec::new, |folder| {
            // In containers the driver's own libraries are found through it.
            let others = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
            let path = [folder.as_os_str(), &others].join(OsStr::new(":"));
            vec![("LENS_LIBTORCH", folder), ("LD_LIBRARY_PATH", path)]
        });
        Ok(Self { program, environment })
    }

    /// The same with one more variable in its environment.
    pub(super) fn with(&self, variable: &'static str, value: &str) -> Self {
        let mut other = self.clone();
        other.environment.push((variable, value.into()));
        other
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).envs(self.environment.iter().cloned()).stdin(Stdio::null());
        command
    }

    /// Runs it, with its output where ours goes.
    pub(super) fn passes(&self, words: &[&str]) -> anyhow::Result<()> {
        let status =
            self.command(words).status().with_context(|| format!("cannot run {}", self.program.display()))?;
        if !status.success() {
            bail!("`lens {}` failed ({status})", words.join(" "));
        }
        Ok(())
    }

    /// Runs it, and keeps what it says. What goes wrong is said with its stderr.
    pub(in crate::chores) fn output(&self, words: &[&str]) -> anyhow::Result<Output> {
        let output = self.command(words).output();
        let output = output.with_context(|| format!("cannot run {}", self.program.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`lens {}…` failed ({}): {}", shown(words), output.status, said.trim());
        }
        Ok(output)
    }

    /// The traces that it prints, one after the other.
    pub(super) fn traces(&self, words: &[&str]) -> anyhow::Result<Vec<Run>> {
        let output = self.output(words)?;
        let shown = shown(words);
        let traces =
            serde_json::Deserializer::from_slice(&output.stdout).into_iter().collect::<Result<Vec<_>, _>>();
        let traces = traces.with_context(|| format!("`lens {shown}…` printed something else than traces"))?;
        if traces.is_empty() {
            bail!("`lens {shown}…` printed no trace");
        }
        Ok(traces)
    }
}

/// The beginning of a command line: prompts have thousands of ids.
fn shown(words: &[&str]) -> String {
    words.join(" ").chars().take(160).collect()
}

/// The Python that is asked for its torch: what `PYTHON` names, or python3.
pub(super) fn python() -> OsString {
    std::env::var_os("PYTHON").filter(|name| !name.is_empty()).unwrap_or_else(|| "python3".into())
}

/// Where that Python keeps its libtorch.
fn folder_of_python() -> anyhow::Result<OsString> {
    const ASK: &str = "import os, torch; print(os.path.join(os.path.dirname(torch.__file__), 'lib'))";
    let python = python();
    let shown = python.display();
    let output =
        Command::new(&python).args(["-c", ASK]).output().with_context(|| format!("cannot run {shown}"))?;
    if !output.status.success() {
        bail!("{shown} has no torch: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?.trim().into())
}
