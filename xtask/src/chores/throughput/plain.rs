//! The same work in plain PyTorch.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::Throughput;

/// What is timed; its prompts are a variable that is put before it.
const SCRIPT: &str = include_str!("plain.py");

/// A Python with torch and transformers.
pub(super) struct Plain<'a> {
    python: PathBuf,
    asked: &'a Throughput,
    model: &'a str,
    versions: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    seconds: Vec<f64>,
    versions: String,
}

impl<'a> Plain<'a> {
    pub(super) fn new(python: PathBuf, asked: &'a Throughput, model: &'a str) -> Self {
        Self { python, asked, model, versions: None }
    }

    /// What was timed, once something was.
    pub(super) fn versions(&self) -> Option<&str> {
        self.versions.as_deref()
    }

    /// Seconds that all prompts take, the load apart.
    pub(super) fn seconds(&mut self, prompts: &[Vec<u32>]) -> anyhow::Result<f64> {
        let prompts = serde_json::to_string(prompts)?;
        let threads = self.asked.threads.unwrap_or(0).to_string();
        let mut command = Command::new(&self.python);
        command.args(["-", self.model, &self.asked.device, &self.asked.dtype, &threads, "1"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let failed = || format!("cannot run {}", self.python.display());
        let mut child = command.spawn().with_context(failed)?;
        let mut stdin = child.stdin.take().context("the script has a stdin")?;
        // The docstring stays first.
        write!(stdin, "PROMPTS = {}\n{SCRIPT}", serde_json::to_string(&prompts)?).with_context(failed)?;
        drop(stdin);
        let output = child.wait_with_output().with_context(failed)?;
        if !output.status.success() {
            bail!("plain PyTorch failed in {} ({})", self.python.display(), output.status);
        }
        let answer: Answer =
            serde_json::from_slice(&output.stdout).context("the script's answer is not JSON")?;
        self.versions = Some(answer.versions);
        answer.seconds.first().copied().context("the script timed nothing")
    }
}
