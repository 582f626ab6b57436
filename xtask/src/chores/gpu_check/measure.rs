//! What `lens` needs for each row of the table.

use std::time::Instant;

use anyhow::Context as _;

use super::lens::{Lens, Run};

/// The prompt whose last position is read, and after which tokens are written.
pub(super) const SHORT: usize = 16;
/// The prompt of which every position is read.
pub(super) const WHOLE: usize = 512;
/// A long prompt, of which the last position is read.
pub(super) const LONG: usize = 4096;
/// Tokens to write.
pub(super) const WRITTEN: usize = 32;

/// Seconds, of the second run in a process but for the first answer: the first one warms libraries up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seconds {
    /// All readouts of the whole prompt, and how many they are.
    pub(super) readout_whole: f64,
    pub(super) readouts: usize,
    pub(super) forward_whole: f64,
    pub(super) forward_long: f64,
    /// Forward pass and readouts of the short prompt's last position.
    pub(super) step_short: f64,
    /// A written token with all its readouts.
    pub(super) token: f64,
    /// From the start of the program to its end, for the short prompt.
    pub(super) first_answer: f64,
}

/// Token ids that every model has, in no order that a model could like.
pub(super) fn ids(n: usize) -> String {
    (0..n).map(|i| (i * 37 % 199 + 3).to_string()).collect::<Vec<_>>().join(",")
}

/// Times every row.
pub(super) fn measure(lens: &Lens, model: &str, device: &str) -> anyhow::Result<Seconds> {
    let read = |n: usize, positions: &str, more: &[&str]| {
        eprintln!(
            "timing {n} tokens, {positions} positions{}",
            if more.is_empty() { "" } else { ", and written ones" }
        );
        let prompt = ids(n);
        let words =
            ["run", "-m", model, "--token-ids", &prompt, "--device", device, "--positions", positions];
        let twice = ["--trials", "2", "--timing", "--format", "json"];
        let more = if more.is_empty() { &["-n", "1"] } else { more };
        let runs: Vec<Run> = lens.traces(&[&words[..], more, &twice].concat())?;
        let run = runs.last().context("there is no trace")?;
        Ok::<_, anyhow::Error>((run.timing.context("the trace has no timing")?, run.readouts.len()))
    };
    eprintln!("timing the first answer");
    let start = Instant::now();
    lens.traces(&["run", "-m", model, "--token-ids", &ids(SHORT), "--device", device, "--format", "json"])?;
    let first_answer = start.elapsed().as_secs_f64();
    let (short, _) = read(SHORT, "last", &[])?;
    let (whole, readouts) = read(WHOLE, "all", &[])?;
    let (long, _) = read(LONG, "last", &[])?;
    let (written, _) = read(SHORT, "last", &["-n", &WRITTEN.to_string()])?;
    // The prompt's own step is one more, and was measured by itself.
    let step = short.forward + short.readout;
    let token = (written.forward + written.readout - step) / (WRITTEN - 1) as f64;
    Ok(Seconds {
        readout_whole: whole.readout,
        readouts,
        forward_whole: whole.forward,
        forward_long: long.forward,
        step_short: step,
        token,
        first_answer,
    })
}
