//! The same work in plain PyTorch, by a Python that has it.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::measure::{LONG, SHORT, WHOLE, WRITTEN};

const SCRIPT: &str = include_str!("pytorch.py");

/// Seconds.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Plain {
    /// All weights to the device.
    pub(super) load: f64,
    pub(super) forward_whole: f64,
    /// The products of all readouts with the unembedding, and nothing else.
    pub(super) product: f64,
    /// The same with top-10, log-sum-exp and entropy.
    pub(super) readout_whole: f64,
    pub(super) forward_long: f64,
    pub(super) step_short: f64,
    /// A written token, without readouts.
    pub(super) token: f64,
}

/// Times it; what is missing is said in words.
pub(super) fn measure(python: &OsStr, model: &str, device: &str) -> Result<Plain, String> {
    let shown = python.to_string_lossy();
    let has = |what: &str| {
        let import = Command::new(python).args(["-I", "-c", what]).stdin(Stdio::null()).output();
        import.is_ok_and(|output| output.status.success())
    };
    if !has("import torch") {
        return Err(format!("PyTorch is not at hand: {shown} has no torch (PYTHON=PROGRAM names another)"));
    }
    eprintln!("timing PyTorch");
    let sizes = [SHORT, WHOLE, LONG, WRITTEN].map(|n| n.to_string());
    let output = Command::new(python)
        .args(["-I", "-c", SCRIPT, model, device])
        .args(sizes)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{shown} cannot be run: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("PyTorch did not do it: {}", said.trim().lines().last().unwrap_or_default()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("PyTorch printed no times: {error}"))
}
